/* SPDX-License-Identifier: ISC */

#include "proxy/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "proxy/table.h"

static const unsigned char *
v4_of(const unsigned char address[16])
{
	const struct in6_addr *in6 = (const void *)address;

	return IN6_IS_ADDR_V4MAPPED(in6) ? address + 12 : NULL;
}

bool
peer_address(const struct sockaddr *sa, unsigned char address[16])
{
	memset(address, 0, 16);
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		address[10] = address[11] = 0xff;
		memcpy(address + 12, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(address, &in6->sin6_addr, 16);
	} else {
		return false;
	}
	return true;
}

size_t
peer_network(const unsigned char address[16])
{
	return v4_of(address) != NULL ? 16 : 8;
}

void
peer_init(struct peer *p, const struct sockaddr *sa, bool internal)
{
	const unsigned char *v4;

	*p = (struct peer){ .internal = internal };
	p->local = !peer_address(sa, p->address);
	v4 = v4_of(p->address);
	if (p->local)
		memcpy(p->text, "unknown", 8);
	else if (v4 != NULL)
		inet_ntop(AF_INET, v4, p->text, sizeof(p->text));
	else
		inet_ntop(AF_INET6, p->address, p->text, sizeof(p->text));
	p->text_len = (unsigned char)strlen(p->text);
}

void
peer_check(struct peer *p, const struct table *t)
{
	if (p->checked == t->snap->generation)
		return;
	p->checked = t->snap->generation;
	p->trusted = !p->local && table_trusts(t, p->address);
}
