/* SPDX-License-Identifier: ISC */

#include "redis/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define DB_MAX 16383
#define PORT_DEFAULT 6379
#define PORT_SENTINEL 26379

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

bool
redis_host_is_clean(const char *host)
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
	    strlen(url->host) != host.n || !redis_host_is_clean(url->host))
		return err_set(
		    err, -EINVAL, "host: empty, too long or not one");
	return has_port ? parse_port(url, port, err) : 0;
}

struct target {
	struct redis_url *url;
	struct redis_sentinels *sentinels; /* or NULL */
};

static bool
name_is_clean(const char *s)
{
	return s[0] != '\0' &&
	    s[strspn(s,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-")] == '\0';
}

static int
parse_sentinel_key(struct redis_sentinels *s, struct span key,
    struct span value, bool *known, struct err *err)
{
	int r;

	*known = true;
	if (span_eq(key, SPAN("sentinel_user")))
		return decode(s->at[0].user, sizeof(s->at[0].user), value,
		    "sentinel_user", err);
	if (span_eq(key, SPAN("sentinel_pass")))
		return decode(s->at[0].password, sizeof(s->at[0].password),
		    value, "sentinel_pass", err);
	*known = span_eq(key, SPAN("master"));
	if (!*known)
		return 0;
	r = decode(s->master, sizeof(s->master), value, "master", err);
	return r == 0 && !name_is_clean(s->master)
	    ? err_set(err, -EINVAL, "master: not a name")
	    : r;
}

static int
parse_key(
    const struct target *t, struct span key, struct span value, struct err *err)
{
	struct redis_url *url = t->url;
	bool known = false;
	int r = 0;

	if (t->sentinels != NULL)
		r = parse_sentinel_key(t->sentinels, key, value, &known, err);
	if (known)
		return r;
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
parse_query(const struct target *t, struct span s, struct err *err)
{
	struct span one;
	int r = 0;

	while (r == 0 && span_next(&s, '&', &one)) {
		const char *eq = first(one, '=');

		if (eq == NULL)
			return err_set(
			    err, -EINVAL, "a key without '=' after '?'");
		r = parse_key(
		    t, part(one.p, eq), part(eq + 1, one.p + one.n), err);
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
check_user(const struct redis_url *url, struct err *err)
{
	return url->user[0] != '\0' && url->password[0] == '\0'
	    ? err_set(err, -EINVAL, "a user without a password")
	    : 0;
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
		r = parse_query(&(struct target){ .url = url }, query, err);
	return r == 0 ? check_user(url, err) : r;
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

/* --- Sentinels ------------------------------------------------------------ */

bool
redis_sentinels_are_in(struct span text)
{
	return span_starts(text, SPAN("sentinel://"));
}

/* host[:port][,host[:port]...] */
static int
parse_hosts(struct redis_sentinels *s, struct span hosts, struct err *err)
{
	struct span one;
	int r = 0;

	while (r == 0 && span_next(&hosts, ',', &one)) {
		if (s->n == REDIS_SENTINELS_MAX)
			return err_set(err, -EINVAL, "more than %u Sentinels",
			    REDIS_SENTINELS_MAX);
		s->at[s->n].port = PORT_SENTINEL;
		r = parse_host(&s->at[s->n++], one, err);
	}
	return r == 0 && s->n == 0 ? err_set(err, -EINVAL, "host: none") : r;
}

static int
parse_sentinels(struct redis_sentinels *s, struct redis_url *url,
    struct span text, struct err *err)
{
	const struct target target = { url, s };
	struct span hosts, db = { NULL, 0 }, query = { NULL, 0 };
	const char *cut;
	int r = 0;

	if (!take(&text, SPAN("sentinel://")))
		return err_set(err, -EINVAL, "does not begin with sentinel://");
	if ((cut = first(text, '?')) != NULL) {
		query = part(cut + 1, text.p + text.n);
		text = part(text.p, cut);
	}
	hosts = text;
	if ((cut = first(text, '/')) != NULL) {
		db = part(cut, text.p + text.n);
		hosts = part(text.p, cut);
	}
	if ((cut = last(hosts, '@')) != NULL) {
		r = parse_user(url, part(hosts.p, cut), err);
		hosts = part(cut + 1, hosts.p + hosts.n);
	}
	if (r == 0)
		r = parse_hosts(s, hosts, err);
	if (r == 0)
		r = parse_path(url, db, false, err);
	if (r == 0)
		r = parse_query(&target, query, err);
	return r;
}

int
redis_sentinels_parse(struct redis_sentinels *s, struct redis_url *url,
    struct span text, struct err *err)
{
	int r;

	memset(url, 0, sizeof(*url));
	memset(s, 0, sizeof(*s));
	if (text.n > REDIS_URL_MAX)
		return err_set(
		    err, -ENAMETOOLONG, "longer than %d bytes", REDIS_URL_MAX);
	r = parse_sentinels(s, url, text, err);
	if (r == 0 && s->master[0] == '\0')
		r = err_set(err, -EINVAL, "no master=NAME after '?'");
	if (r == 0)
		r = check_user(url, err);
	if (r == 0)
		r = check_user(&s->at[0], err);
	for (unsigned i = 1; i < s->n; i++) {
		memcpy(s->at[i].user, s->at[0].user, sizeof(s->at[i].user));
		memcpy(s->at[i].password, s->at[0].password,
		    sizeof(s->at[i].password));
	}
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

/* user:password@ */
static int
encode_user(struct buf *b, const struct redis_url *url)
{
	int r;

	if (url->password[0] == '\0')
		return 0;
	r = encode(b, url->user, "-._~");
	if (r == 0)
		r = buf_puts(b, ":");
	if (r == 0)
		r = encode(b, url->password, "-._~");
	return r == 0 ? buf_puts(b, "@") : r;
}

static int
encode_url(struct buf *b, const struct redis_url *url)
{
	bool is_unix = url->path[0] != '\0';
	bool v6 = strchr(url->host, ':') != NULL;
	int r = buf_puts(b, is_unix ? "unix://" : "redis://");

	if (r == 0)
		r = encode_user(b, url);
	if (r < 0)
		return r;
	if (!is_unix)
		return buf_printf(b, "%s%s%s:%u/%u", v6 ? "[" : "", url->host,
		    v6 ? "]" : "", url->port, url->db);
	r = encode(b, url->path, "-._~/");
	return r < 0 ? r : buf_printf(b, "?db=%u", url->db);
}

/* The end of a text: into buf, or nothing. */
static int
hand_over(struct buf *b, int r, char *buf, size_t size)
{
	if (r < 0 || str_copy(buf, size, buf_span(b)) < 0) {
		if (size > 0)
			buf[0] = '\0';
		r = r == -ENOMEM ? r : -ENAMETOOLONG;
	}
	buf_done(b);
	return r;
}

int
redis_url_text(const struct redis_url *url, char *buf, size_t size)
{
	struct buf b;

	buf_init(&b, REDIS_URL_MAX);
	return hand_over(&b, encode_url(&b, url), buf, size);
}

static int
encode_key(struct buf *b, const char *key, const char *value)
{
	int r = value[0] == '\0' ? 0 : buf_printf(b, "&%s=", key);

	return r < 0 ? r : encode(b, value, "-._~");
}

static int
encode_sentinels(
    struct buf *b, const struct redis_sentinels *s, const struct redis_url *url)
{
	char host[300];
	int r = buf_puts(b, "sentinel://");

	if (r == 0)
		r = encode_user(b, url);
	for (unsigned i = 0; r == 0 && i < s->n; i++)
		r = buf_printf(b, "%s%s", i > 0 ? "," : "",
		    redis_url_show(&s->at[i], host, sizeof(host)));
	if (r == 0)
		r = buf_printf(b, "/%u?master=%s", url->db, s->master);
	if (r == 0)
		r = encode_key(b, "sentinel_user", s->at[0].user);
	return r == 0 ? encode_key(b, "sentinel_pass", s->at[0].password) : r;
}

int
redis_sentinels_text(const struct redis_sentinels *s,
    const struct redis_url *url, char *buf, size_t size)
{
	struct buf b;

	buf_init(&b, REDIS_URL_MAX);
	return hand_over(&b, encode_sentinels(&b, s, url), buf, size);
}
