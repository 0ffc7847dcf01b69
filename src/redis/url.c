/* SPDX-License-Identifier: ISC */

#include "redis/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define DB_MAX 16383
#define PORT_DEFAULT 6379

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at the front of s, decoded; how many bytes it took, or 0. */
static size_t
decode_one(struct span s, int *c)
{
	*c = (unsigned char)s.p[0];
	if (*c != '%')
		return 1;
	if (s.n < 3 || hex(s.p[1]) < 0 || hex(s.p[2]) < 0)
		return 0;
	*c = hex(s.p[1]) << 4 | hex(s.p[2]);
	return 3;
}

static int
decode(char *dst, size_t size, struct span s, const char *what, struct err *err)
{
	size_t n = 0;

	dst[0] = '\0';
	while (s.n > 0) {
		int c;
		size_t took = decode_one(s, &c);

		if (took == 0)
			return err_set(err, -EINVAL,
			    "%s: '%%' is not followed by two hex digits", what);
		if (c < 0x20 || c == 0x7f)
			return err_set(
			    err, -EINVAL, "%s: a control character", what);
		if (n + 1 >= size)
			return err_set(err, -ENAMETOOLONG,
			    "%s: longer than %zu bytes", what, size - 1);
		dst[n++] = (char)c;
		dst[n] = '\0';
		s.p += took;
		s.n -= took;
	}
	return 0;
}

static struct span
part(const char *from, const char *to)
{
	return (struct span){ from, (size_t)(to - from) };
}

static const char *
last(struct span s, char c)
{
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == c)
			return &s.p[i - 1];
	return NULL;
}

static const char *
first(struct span s, char c)
{
	return s.n > 0 ? memchr(s.p, c, s.n) : NULL;
}

static int
parse_db(struct redis_url *url, struct span s, struct err *err)
{
	uint64_t db;

	if (str_u64(s, &db) < 0 || db > DB_MAX)
		return err_set(err, -EINVAL,
		    "db: \"%.*s\" is not a number from 0 to %d",
		    (int)(s.n < 32 ? s.n : 32), s.n ? s.p : "", DB_MAX);
	url->db = (unsigned)db;
	return 0;
}

static int
parse_port(struct redis_url *url, struct span s, struct err *err)
{
	uint64_t port;

	if (str_u64(s, &port) < 0 || port == 0 || port > UINT16_MAX)
		return err_set(err, -EINVAL,
		    "port: \"%.*s\" is not a number from 1 to 65535",
		    (int)(s.n < 32 ? s.n : 32), s.n ? s.p : "");
	url->port = (uint16_t)port;
	return 0;
}

/* [user][:password] */
static int
parse_user(struct redis_url *url, struct span s, struct err *err)
{
	const char *end = s.p + s.n;
	const char *colon = first(s, ':');
	int r = decode(url->user, sizeof(url->user),
	    colon == NULL ? s : part(s.p, colon), "user", err);

	if (r == 0 && colon != NULL)
		r = decode(url->password, sizeof(url->password),
		    part(colon + 1, end), "password", err);
	return r;
}

static bool
host_is_clean(const char *host)
{
	return host[0] != '\0' && host[strcspn(host, " %/?#[]@\\\"'")] == '\0';
}

/* host, host:port, [v6], [v6]:port */
static int
parse_host(struct redis_url *url, struct span s, struct err *err)
{
	const char *end = s.p + s.n;
	struct span host = s, port = { NULL, 0 };
	const char *cut;
	bool has_port;

	if (s.n > 0 && s.p[0] == '[') {
		cut = first(s, ']');
		if (cut == NULL || (cut + 1 < end && cut[1] != ':'))
			return err_set(err, -EINVAL, "host: no end of \"[\"");
		host = part(s.p + 1, cut);
		has_port = cut + 1 < end;
		cut++;
	} else {
		cut = first(s, ':');
		has_port = cut != NULL;
		if (has_port)
			host = part(s.p, cut);
	}
	if (has_port)
		port = part(cut + 1, end);
	if (str_copy(url->host, sizeof(url->host), host) < 0 ||
	    strlen(url->host) != host.n || !host_is_clean(url->host))
		return err_set(
		    err, -EINVAL, "host: empty, too long or not one");
	return has_port ? parse_port(url, port, err) : 0;
}

static int
parse_key(
    struct redis_url *url, struct span key, struct span value, struct err *err)
{
	if (span_eq(key, SPAN("db")))
		return parse_db(url, value, err);
	if (span_eq(key, SPAN("user")) || span_eq(key, SPAN("username")))
		return decode(url->user, sizeof(url->user), value, "user", err);
	if (span_eq(key, SPAN("pass")) || span_eq(key, SPAN("password")))
		return decode(url->password, sizeof(url->password), value,
		    "password", err);
	return err_set(err, -EINVAL,
	    "\"%.*s\" is not known after '?' (db, user, pass)",
	    (int)(key.n < 32 ? key.n : 32), key.n ? key.p : "");
}

static int
parse_query(struct redis_url *url, struct span s, struct err *err)
{
	struct span one;
	int r = 0;

	while (r == 0 && span_next(&s, '&', &one)) {
		const char *eq = first(one, '=');

		if (eq == NULL)
			return err_set(
			    err, -EINVAL, "a key without '=' after '?'");
		r = parse_key(
		    url, part(one.p, eq), part(eq + 1, one.p + one.n), err);
	}
	return r;
}

static bool
take(struct span *s, struct span prefix)
{
	if (!span_starts(*s, prefix))
		return false;
	s->p += prefix.n;
	s->n -= prefix.n;
	return true;
}

/* Takes "[user[:password]@]rest" up to the first '/'. */
static int
parse_authority(
    struct redis_url *url, struct span *s, bool is_unix, struct err *err)
{
	const char *slash = first(*s, '/');
	struct span a = slash != NULL ? part(s->p, slash) : *s;
	const char *at = last(a, '@');
	int r = 0;

	s->p += a.n;
	s->n -= a.n;
	if (at != NULL) {
		r = parse_user(url, part(a.p, at), err);
		a = part(at + 1, a.p + a.n);
	}
	if (r < 0)
		return r;
	if (!is_unix)
		return parse_host(url, a, err);
	if (a.n > 0)
		return err_set(err, -EINVAL,
		    "a host before the path of a socket (unix:///path)");
	return 0;
}

static int
parse_path(struct redis_url *url, struct span s, bool is_unix, struct err *err)
{
	int r;

	if (!is_unix)
		return s.n > 1 ? parse_db(url, part(s.p + 1, s.p + s.n), err)
			       : 0;
	r = decode(url->path, sizeof(url->path), s, "path", err);
	if (r == 0 && url->path[0] != '/')
		r = err_set(err, -EINVAL, "path: not absolute");
	return r;
}

static int
parse(struct redis_url *url, struct span s, struct err *err)
{
	bool is_unix = take(&s, SPAN("unix://")) ||
	    take(&s, SPAN("redis+unix://"));
	struct span query = { NULL, 0 };
	const char *mark;
	int r;

	if (!is_unix && span_starts(s, SPAN("rediss:")))
		return err_set(err, -EINVAL, "rediss: TLS is not supported");
	if (!is_unix && !take(&s, SPAN("redis://")))
		return err_set(
		    err, -EINVAL, "does not begin with redis:// or unix://");
	mark = first(s, '?');
	if (mark != NULL) {
		query = part(mark + 1, s.p + s.n);
		s = part(s.p, mark);
	}
	url->port = is_unix ? 0 : PORT_DEFAULT;
	r = parse_authority(url, &s, is_unix, err);
	if (r == 0)
		r = parse_path(url, s, is_unix, err);
	if (r == 0)
		r = parse_query(url, query, err);
	if (r == 0 && url->user[0] != '\0' && url->password[0] == '\0')
		r = err_set(err, -EINVAL, "a user without a password");
	return r;
}

int
redis_url_parse(struct redis_url *url, struct span text, struct err *err)
{
	int r;

	memset(url, 0, sizeof(*url));
	if (text.n > REDIS_URL_MAX)
		return err_set(
		    err, -ENAMETOOLONG, "longer than %d bytes", REDIS_URL_MAX);
	r = parse(url, text, err);
	if (r < 0)
		memset(url, 0, sizeof(*url));
	return r;
}

const char *
redis_url_show(const struct redis_url *url, char *buf, size_t size)
{
	bool v6 = strchr(url->host, ':') != NULL;

	if (url->path[0] != '\0')
		snprintf(buf, size, "%s", url->path);
	else
		snprintf(buf, size, "%s%s%s:%u", v6 ? "[" : "", url->host,
		    v6 ? "]" : "", url->port);
	return buf;
}

static int
encode(struct buf *b, const char *s, const char *plain)
{
	int r = 0;

	for (; *s != '\0' && r == 0; s++) {
		unsigned char c = (unsigned char)*s;
		bool safe = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') || strchr(plain, c) != NULL;

		r = safe ? buf_append(b, s, 1) : buf_printf(b, "%%%02X", c);
	}
	return r;
}

static int
encode_url(struct buf *b, const struct redis_url *url)
{
	bool is_unix = url->path[0] != '\0';
	bool v6 = strchr(url->host, ':') != NULL;
	int r = buf_puts(b, is_unix ? "unix://" : "redis://");

	if (r == 0 && url->password[0] != '\0') {
		r = encode(b, url->user, "-._~");
		if (r == 0)
			r = buf_puts(b, ":");
		if (r == 0)
			r = encode(b, url->password, "-._~");
		if (r == 0)
			r = buf_puts(b, "@");
	}
	if (r < 0)
		return r;
	if (!is_unix)
		return buf_printf(b, "%s%s%s:%u/%u", v6 ? "[" : "", url->host,
		    v6 ? "]" : "", url->port, url->db);
	r = encode(b, url->path, "-._~/");
	return r < 0 ? r : buf_printf(b, "?db=%u", url->db);
}

int
redis_url_text(const struct redis_url *url, char *buf, size_t size)
{
	struct buf b;
	int r;

	buf_init(&b, REDIS_URL_MAX);
	r = encode_url(&b, url);
	if (r < 0 || str_copy(buf, size, buf_span(&b)) < 0) {
		if (size > 0)
			buf[0] = '\0';
		r = r == -ENOMEM ? r : -ENAMETOOLONG;
	}
	buf_done(&b);
	return r;
}
