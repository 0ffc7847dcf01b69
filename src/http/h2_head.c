/* SPDX-License-Identifier: ISC */

#include "http/h2_head.h"

#include <errno.h>
#include <string.h>

#include "http/chars.h"

#define FIELD_COST 32 /* as RFC 7541, 4.1 has it */

void
h2_head_init(
    struct h2_head *hh, size_t max, size_t max_lines, struct buf_meter *meter)
{
	*hh = (struct h2_head){ .max = max, .max_lines = max_lines };
	buf_init_metered(&hh->text, max, meter);
	buf_init_metered(&hh->pseudo, max, meter);
	buf_init_metered(&hh->cookie, max, meter);
}

void
h2_head_done(struct h2_head *hh)
{
	buf_done(&hh->text);
	buf_done(&hh->pseudo);
	buf_done(&hh->cookie);
}

static void
empty(struct buf *b)
{
	if (b->cap > H2_HEAD_KEEP)
		buf_done(b);
	buf_clear(b);
}

void
h2_head_begin(struct h2_head *hh, bool trailers)
{
	struct h2_head fresh = {
		.max = hh->max,
		.max_lines = hh->max_lines,
		.trailers = trailers,
	};

	empty(&hh->text);
	empty(&hh->pseudo);
	empty(&hh->cookie);
	fresh.text = hh->text;
	fresh.pseudo = hh->pseudo;
	fresh.cookie = hh->cookie;
	*hh = fresh;
}

static void
refuse(struct h2_head *hh, enum head_refusal why)
{
	if (hh->refusal == REFUSED_NOT)
		hh->refusal = why;
}

static void
put(struct h2_head *hh, struct buf *to, struct span s)
{
	int r = s.n == 0 ? 0 : buf_append(to, s.p, s.n);

	if (r == -ENOBUFS)
		refuse(hh, REFUSED_HEAD_SIZE);
	else if (r < 0)
		hh->nomem = true;
}

static void
put_line(struct h2_head *hh, struct span name, struct span value)
{
	size_t n = name.n + value.n + 4;
	int r = buf_reserve(&hh->text, n);
	char *at = hh->text.data + hh->text.len;

	if (r < 0) {
		if (r == -ENOBUFS)
			refuse(hh, REFUSED_HEAD_SIZE);
		else
			hh->nomem = true;
		return;
	}
	memcpy(at, name.p, name.n);
	memcpy(at + name.n, ": ", 2);
	if (value.n > 0)
		memcpy(at + name.n + 2, value.p, value.n);
	memcpy(at + n - 2, "\r\n", 2);
	hh->text.len += n;
	if (++hh->lines > hh->max_lines)
		refuse(hh, REFUSED_COUNT);
}

static struct span
part(const struct h2_head *hh, enum h2_pseudo which)
{
	if (hh->part[which].n == 0)
		return SPAN("");
	return (struct span){ hh->pseudo.data + hh->part[which].at,
		hh->part[which].n };
}

/* --- fields --------------------------------------------------------------- */

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!char_is(s.p[i], CHAR_TOKEN) ||
		    (s.p[i] >= 'A' && s.p[i] <= 'Z'))
			return false;
	return s.n > 0;
}

static bool
is_value(struct span s)
{
	return http_field_value(s) && span_trim(s).n == s.n;
}

static int
pseudo(struct h2_head *hh, struct span name, struct span value)
{
	static const struct span names[H2_PSEUDO] = {
		[H2_METHOD] = { ":method", 7 },
		[H2_SCHEME] = { ":scheme", 7 },
		[H2_AUTHORITY] = { ":authority", 10 },
		[H2_PATH] = { ":path", 5 },
	};
	unsigned i = 0;

	while (i < H2_PSEUDO && !span_eq(name, names[i]))
		i++;
	if (i == H2_PSEUDO || hh->fields || hh->trailers || hh->part[i].there)
		return -EBADMSG;
	hh->part[i].there = true;
	hh->part[i].at = hh->pseudo.len;
	hh->part[i].n = value.n;
	if (i == H2_METHOD)
		hh->head = span_eq(value, SPAN("HEAD"));
	put(hh, &hh->pseudo, value);
	return 0;
}

/* What the request line and Host are made of is sound. */
static int
check_parts(struct h2_head *hh)
{
	struct span method = part(hh, H2_METHOD), path = part(hh, H2_PATH);
	struct span scheme = part(hh, H2_SCHEME);

	if (!http_token(method))
		return -EBADMSG;
	if (span_eq(method, SPAN("CONNECT"))) {
		refuse(hh, REFUSED_METHOD_FORBIDDEN);
		return hh->part[H2_SCHEME].there || hh->part[H2_PATH].there ||
			part(hh, H2_AUTHORITY).n == 0
		    ? -EBADMSG
		    : 0;
	}
	if (!hh->part[H2_SCHEME].there || path.n == 0)
		return -EBADMSG;
	if ((!span_eq_nocase(scheme, SPAN("http")) &&
		!span_eq_nocase(scheme, SPAN("https"))) ||
	    (*path.p != '/' && !span_eq(path, SPAN("*"))) ||
	    chars_skip_target(path.p, path.p + path.n) != path.p + path.n)
		refuse(hh, REFUSED_TARGET);
	return 0;
}

/* The pseudo fields are over. */
static int
begin_fields(struct h2_head *hh)
{
	int r;

	if (hh->fields || hh->trailers)
		return 0;
	hh->fields = true;
	if (hh->refusal != REFUSED_NOT || hh->nomem)
		return 0;
	r = check_parts(hh);
	if (r < 0 || hh->refusal != REFUSED_NOT)
		return r;
	put(hh, &hh->text, part(hh, H2_METHOD));
	put(hh, &hh->text, SPAN(" "));
	put(hh, &hh->text, part(hh, H2_PATH));
	put(hh, &hh->text, SPAN(" HTTP/1.1\r\n"));
	if (hh->part[H2_AUTHORITY].there)
		put_line(hh, SPAN("host"), part(hh, H2_AUTHORITY));
	return 0;
}

/* RFC 9113, 8.3.1: it may say again what :authority said, nothing else. */
static void
host(struct h2_head *hh, struct span name, struct span value)
{
	if (++hh->hosts > 1)
		refuse(hh, REFUSED_HOST_REPEATED);
	else if (!hh->part[H2_AUTHORITY].there)
		put_line(hh, name, value);
	else if (!span_eq_nocase(value, part(hh, H2_AUTHORITY)))
		refuse(hh, REFUSED_HOST);
}

static void
crumb(struct h2_head *hh, struct span value)
{
	if (hh->cookie.len > 0)
		put(hh, &hh->cookie, SPAN("; "));
	put(hh, &hh->cookie, value);
}

static int
field(struct h2_head *hh, struct span name, struct span value)
{
	switch (hdr_of(name)) {
	case HDR_CONNECTION:
	case HDR_KEEP_ALIVE:
	case HDR_PROXY_CONNECTION:
	case HDR_TRANSFER_ENCODING:
	case HDR_UPGRADE:
		return -EBADMSG;
	case HDR_TE:
		return span_eq_nocase(value, SPAN("trailers")) ? 0 : -EBADMSG;
	case HDR_HOST:
		if (!hh->trailers) {
			host(hh, name, value);
			return 0;
		}
		break;
	case HDR_COOKIE:
		if (!hh->trailers) {
			crumb(hh, value);
			return 0;
		}
		break;
	case HDR_CONTENT_LENGTH:
		hh->sized = !hh->trailers &&
		    http_length(value, &hh->length) == 0;
		break;
	default:
		break;
	}
	put_line(hh, name, value);
	return 0;
}

int
h2_head_field(struct h2_head *hh, struct span name, struct span value)
{
	int r;

	hh->cost += name.n + value.n + FIELD_COST;
	if (hh->cost > H2_HEAD_BOMB * hh->max)
		return -EFBIG;
	if (hh->malformed || hh->nomem || hh->refusal != REFUSED_NOT)
		return 0;
	if (name.n > 0 && *name.p == ':') {
		r = is_value(value) ? pseudo(hh, name, value) : -EBADMSG;
	} else {
		r = begin_fields(hh);
		if (r == 0 && (!is_name(name) || !is_value(value)))
			r = -EBADMSG;
		if (r == 0 && hh->refusal == REFUSED_NOT)
			r = field(hh, name, value);
	}
	hh->malformed = r < 0;
	return 0;
}

/* What cannot be judged before the block is whole. */
static bool
is_sound(const struct h2_head *hh, bool end)
{
	/* Trailers end the stream, and nobody can be told what was wrong. */
	if (hh->trailers && (!end || hh->refusal != REFUSED_NOT))
		return false;
	return !hh->malformed && !(hh->sized && end && hh->length > 0);
}

int
h2_head_end(struct h2_head *hh, bool end)
{
	if (!hh->malformed && begin_fields(hh) < 0)
		hh->malformed = true;
	if (!is_sound(hh, end))
		return -EBADMSG;
	if (hh->trailers || hh->refusal != REFUSED_NOT)
		return hh->nomem ? -ENOMEM : 0;
	if (hh->cookie.len > 0)
		put_line(hh, SPAN("cookie"), buf_span(&hh->cookie));
	if (!end && !hh->sized)
		put_line(hh, SPAN("transfer-encoding"), SPAN("chunked"));
	put(hh, &hh->text, SPAN("\r\n"));
	return hh->nomem ? -ENOMEM : 0;
}
