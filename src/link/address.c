/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "link/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static int
parse_unix(struct address *a, struct span path)
{
	size_t room = sizeof(a->u.un.sun_path) - 1;

	if (path.n == 0)
		return -EINVAL;
	if (path.n > room)
		return -ENAMETOOLONG;
	a->u.un.sun_family = AF_UNIX;
	memcpy(a->u.un.sun_path, path.p, path.n);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n +
	    1);
	return 0;
}

/* The port behind the last colon; *host is what stands before it. */
static int
split_port(struct span text, struct span *host, in_port_t *port)
{
	const char *colon = memrchr(text.p, ':', text.n);
	uint64_t value;
	struct span digits;

	if (colon == NULL)
		return -EINVAL;
	host->p = text.p;
	host->n = (size_t)(colon - text.p);
	digits.p = colon + 1;
	digits.n = text.n - host->n - 1;
	if (str_u64(digits, &value) < 0 || value > UINT16_MAX)
		return -EINVAL;
	*port = htons((uint16_t)value);
	return 0;
}

static int
parse_v6(struct address *a, struct span host, in_port_t port)
{
	char text[INET6_ADDRSTRLEN];
	struct span inner = { host.p + 1, host.n - 2 };

	if (host.p[host.n - 1] != ']' ||
	    str_copy(text, sizeof(text), inner) < 0 ||
	    inet_pton(AF_INET6, text, &a->u.in6.sin6_addr) != 1)
		return -EINVAL;
	a->u.in6.sin6_family = AF_INET6;
	a->u.in6.sin6_port = port;
	a->len = sizeof(a->u.in6);
	return 0;
}

int
address_parse(struct address *a, const char *text)
{
	struct span s = span_of(text), host;
	char v4[INET_ADDRSTRLEN];
	in_port_t port;

	memset(a, 0, sizeof(*a));
	if (span_starts(s, SPAN("unix:")))
		return parse_unix(a, (struct span){ s.p + 5, s.n - 5 });
	if (split_port(s, &host, &port) < 0)
		return -EINVAL;
	if (host.n > 2 && host.p[0] == '[')
		return parse_v6(a, host, port);
	if (str_copy(v4, sizeof(v4), host) < 0 ||
	    inet_pton(AF_INET, v4, &a->u.in.sin_addr) != 1)
		return -EINVAL;
	a->u.in.sin_family = AF_INET;
	a->u.in.sin_port = port;
	a->len = sizeof(a->u.in);
	return 0;
}

int
address_of_socket(struct address *a, int fd)
{
	char text[ADDRESS_TEXT];
	struct address raw = { .len = sizeof(raw.u) };

	if (getsockname(fd, &raw.u.sa, &raw.len) < 0)
		return -errno;
	if (raw.u.sa.sa_family == AF_UNIX && raw.u.un.sun_path[0] == '\0')
		return -EINVAL; /* abstract, or none */
	/* What is bound twice is equal: padding and scope do not count. */
	return address_parse(a, address_text(&raw, text));
}

bool
address_equal(const struct address *a, const struct address *b)
{
	return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
}

const char *
address_text(const struct address *a, char out[ADDRESS_TEXT])
{
	char ip[INET6_ADDRSTRLEN];

	out[0] = '\0';
	if (a->u.sa.sa_family == AF_INET)
		snprintf(out, ADDRESS_TEXT, "%s:%u",
		    inet_ntop(AF_INET, &a->u.in.sin_addr, ip, sizeof(ip)),
		    ntohs(a->u.in.sin_port));
	else if (a->u.sa.sa_family == AF_INET6)
		snprintf(out, ADDRESS_TEXT, "[%s]:%u",
		    inet_ntop(AF_INET6, &a->u.in6.sin6_addr, ip, sizeof(ip)),
		    ntohs(a->u.in6.sin6_port));
	else if (a->u.sa.sa_family == AF_UNIX)
		snprintf(out, ADDRESS_TEXT, "unix:%.*s",
		    (int)sizeof(a->u.un.sun_path), a->u.un.sun_path);
	return out;
}
