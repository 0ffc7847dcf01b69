/* SPDX-License-Identifier: ISC */

#include "http/rules.h"

#include "http/chars.h"

#define CONNECTION_OPTIONS_MAX 16

/* --- the target ----------------------------------------------------------- */

static int
hex_at(const char *p, const char *end)
{
	if (end - p < 3 || *p != '%' || !char_is(p[1], CHAR_HEX) ||
	    !char_is(p[2], CHAR_HEX))
		return -1;
	return (int)(char_hex(p[1]) << 4 | char_hex(p[2]));
}

/* How long the border of a segment is that stands here; 0 if none does. */
static size_t
border_at(const char *p, const char *end)
{
	int byte;

	if (p == end)
		return 0;
	if (*p == '/')
		return 1;
	byte = hex_at(p, end);
	return byte == '/' || byte == '\\' ? 3 : 0;
}

/*
 * Servers disagree on what ends a segment: some decode %2F and %5C first, some
 * cut at ';'. None of them may see a dot segment that we did not.
 */
static bool
is_dot_segment(const char *p, const char *end)
{
	unsigned dots = 0;

	for (; p < end && dots < 3; dots++) {
		if (*p == '.')
			p++;
		else if (hex_at(p, end) == '.')
			p += 3;
		else
			break;
	}
	return (dots == 1 || dots == 2) &&
	    (p == end || *p == ';' || hex_at(p, end) == ';' ||
		border_at(p, end) > 0);
}

int
rules_path(struct span path)
{
	const char *end = path.p + path.n;
	const char *p = path.p;
	bool fresh = false; /* at the start of a segment */

	while (p < end) {
		size_t border = border_at(p, end);

		if (fresh && is_dot_segment(p, end))
			return REFUSED_DOT_SEGMENT;
		fresh = border > 0;
		if (*p == '\\' || (*p == '%' && hex_at(p, end) <= 0))
			return REFUSED_PATH;
		p += border > 0 ? border : 1;
		if (!fresh)
			p = chars_skip(p, end, CHAR_PLAIN);
	}
	return 0;
}

static int
split_path(struct head *h, struct span rest)
{
	const char *mark = memchr(rest.p, '?', rest.n);

	h->path = rest;
	if (mark != NULL) {
		h->path.n = (size_t)(mark - rest.p);
		h->query.p = mark + 1;
		h->query.n = rest.n - h->path.n - 1;
	}
	if (h->path.n == 0)
		h->path = SPAN("/");
	return rules_path(h->path);
}

static bool
take_scheme(struct span *s)
{
	static const struct span schemes[] = { { "http://", 7 },
		{ "https://", 8 } };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		struct span front = { s->p, schemes[i].n };

		if (s->n < front.n || !span_eq_nocase(front, schemes[i]))
			continue;
		s->p += front.n;
		s->n -= front.n;
		return true;
	}
	return false;
}

static int
absolute_target(struct head *h)
{
	struct span rest = h->target;
	size_t n = 0;

	if (!take_scheme(&rest))
		return REFUSED_TARGET;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	h->form = TARGET_ABSOLUTE;
	h->host = (struct span){ rest.p, n };
	if (!http_host(h->host, &h->hostname))
		return REFUSED_TARGET;
	if (h->method == METHOD_OPTIONS && n == rest.n) {
		h->form = TARGET_ASTERISK;
		h->path = SPAN("*");
		return 0;
	}
	return split_path(h, (struct span){ rest.p + n, rest.n - n });
}

int
rules_target(struct head *h)
{
	if (*h->target.p == '/') {
		h->form = TARGET_ORIGIN;
		return split_path(h, h->target);
	}
	if (*h->target.p != '*')
		return absolute_target(h);
	if (h->target.n > 1 || h->method != METHOD_OPTIONS)
		return REFUSED_TARGET;
	h->form = TARGET_ASTERISK;
	h->path = h->target;
	return 0;
}

/* --- framing -------------------------------------------------------------- */

/* The only one with that id, or NULL with *repeated set if there are more. */
static struct head_header *
only(struct head *h, enum hdr id, bool *repeated)
{
	struct head_header *found = NULL;

	*repeated = false;
	if (!head_has(h, id))
		return NULL;
	for (size_t i = 0; i < h->nheaders; i++) {
		if (h->headers[i].id != id)
			continue;
		if (found != NULL) {
			*repeated = true;
			return NULL;
		}
		found = &h->headers[i];
	}
	return found;
}

/* Anything around the value but one space in front: others disagree on it. */
static bool
is_padded(const struct head_header *hd)
{
	const char *colon = hd->name.p + hd->name.n;
	const char *value = hd->value.p;

	if (hd->value.p[hd->value.n] != '\r')
		return true;
	return value != colon + 1 && !(value == colon + 2 && colon[1] == ' ');
}

static int
read_length(struct head *h)
{
	bool repeated;
	const struct head_header *hd = only(h, HDR_CONTENT_LENGTH, &repeated);

	if (repeated)
		return REFUSED_LENGTH_REPEATED;
	if (hd == NULL)
		return 0;
	if (hd->value.n == 0 || is_padded(hd) ||
	    http_length(hd->value, &h->length) < 0)
		return REFUSED_LENGTH;
	h->framing = FRAMING_LENGTH;
	return 0;
}

/* One line of Transfer-Encoding; *chunked counts over all of them. */
static int
read_codings(struct span rest, unsigned *chunked, bool *unknown)
{
	struct span part;

	while (span_next(&rest, ',', &part)) {
		part = span_trim(part);
		if (!http_token(part) || *chunked > 0)
			return REFUSED_CODING;
		if (span_eq_nocase(part, SPAN("chunked")))
			(*chunked)++;
		else
			*unknown = true;
	}
	return 0;
}

static int
read_coding(struct head *h)
{
	unsigned chunked = 0;
	bool unknown = false;
	int r = 0;

	if (h->minor == 0)
		return REFUSED_CODING_VERSION;
	for (size_t i = 0; i < h->nheaders && r == 0; i++) {
		const struct head_header *hd = &h->headers[i];

		if (hd->id != HDR_TRANSFER_ENCODING)
			continue;
		r = is_padded(hd) ? REFUSED_CODING
				  : read_codings(hd->value, &chunked, &unknown);
	}
	if (r == 0 && unknown)
		r = REFUSED_CODING_UNKNOWN;
	if (r == 0)
		h->framing = FRAMING_CHUNKED;
	return r;
}

static int
read_framing(struct head *h)
{
	bool length = head_has(h, HDR_CONTENT_LENGTH);
	bool coding = head_has(h, HDR_TRANSFER_ENCODING);

	if (length && coding)
		return REFUSED_BOTH_FRAMINGS;
	if (length)
		return read_length(h);
	return coding ? read_coding(h) : 0;
}

/* --- the connection ------------------------------------------------------- */

struct options {
	unsigned n;
	bool close;
	bool keep_alive;
	bool upgrade;
};

static void
nominate(struct head *h, struct span name)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (span_eq_nocase(h->headers[i].name, name))
			h->headers[i].hop = true;
}

static int
read_option(struct head *h, struct options *o, struct span name)
{
	if (!http_token(name) || ++o->n > CONNECTION_OPTIONS_MAX)
		return REFUSED_CONNECTION;
	if (span_eq_nocase(name, SPAN("keep-alive"))) {
		o->keep_alive = true;
		return 0;
	}
	if (span_eq_nocase(name, SPAN("close"))) {
		o->close = true;
		return 0;
	}
	switch (hdr_of(name)) {
	case HDR_HOST:
	case HDR_CONTENT_LENGTH:
	case HDR_TRANSFER_ENCODING:
		return REFUSED_CONNECTION;
	case HDR_UPGRADE:
		o->upgrade = true;
		return 0;
	default:
		nominate(h, name);
		return 0;
	}
}

static int
read_options(struct head *h, struct options *o, struct span rest)
{
	struct span part;
	int r = 0;

	while (r == 0 && span_next(&rest, ',', &part)) {
		part = span_trim(part);
		if (part.n > 0)
			r = read_option(h, o, part);
	}
	return r;
}

static int
read_connection(struct head *h)
{
	struct options o = { 0 };
	int r = 0;

	if (head_has(h, HDR_CONNECTION))
		for (size_t i = 0; i < h->nheaders && r == 0; i++)
			if (h->headers[i].id == HDR_CONNECTION)
				r = read_options(h, &o, h->headers[i].value);
	h->keep_alive = !o.close && (h->minor == 1 || o.keep_alive);
	h->upgrade = h->minor == 1 && o.upgrade && head_has(h, HDR_UPGRADE);
	return r;
}

/* --- a request ------------------------------------------------------------ */

static int
read_host(struct head *h)
{
	bool repeated;
	const struct head_header *hd = only(h, HDR_HOST, &repeated);
	struct span name;

	if (repeated)
		return REFUSED_HOST_REPEATED;
	if (hd == NULL)
		return h->minor == 0 ? 0 : REFUSED_HOST_MISSING;
	if (!http_host(hd->value, &name))
		return REFUSED_HOST;
	if (h->host.n == 0) { /* the target has none */
		h->host = hd->value;
		h->hostname = name;
	}
	return 0;
}

/* One line of Expect. */
static int
read_expectations(struct head *h, struct span rest)
{
	struct span part;

	while (span_next(&rest, ',', &part)) {
		part = span_trim(part);
		if (part.n == 0)
			continue;
		if (!span_eq_nocase(part, SPAN("100-continue")))
			return REFUSED_EXPECT;
		h->expect_100 = h->minor == 1 && h->framing != FRAMING_NONE &&
		    (h->framing != FRAMING_LENGTH || h->length > 0);
	}
	return 0;
}

static int
read_expect(struct head *h)
{
	int r = 0;

	for (size_t i = 0; i < h->nheaders && r == 0; i++) {
		struct head_header *hd = &h->headers[i];

		if (hd->id != HDR_EXPECT)
			continue;
		hd->hop = true;
		r = read_expectations(h, hd->value);
	}
	return r;
}

int
rules_request(struct head *h)
{
	int r = read_framing(h);

	if (r == 0)
		r = read_host(h);
	if (r == 0)
		r = read_connection(h);
	if (r == 0 && head_has(h, HDR_EXPECT))
		r = read_expect(h);
	return r;
}

/* --- a response ----------------------------------------------------------- */

/*
 * Content-Length: 0 on these is a common slip; it just does not go on. If more
 * was announced, nobody knows what the sender takes for the next message:
 * behind a 204 nothing of it is read any more, a 1xx needs what follows.
 */
static int
without_body(struct head *h)
{
	bool repeated;
	struct head_header *hd;

	if (h->framing == FRAMING_CHUNKED || h->length > 0) {
		if (h->status != 204)
			return REFUSED_STATUS_BODY;
		h->keep_alive = false;
		h->length = 0;
	}
	hd = only(h, HDR_CONTENT_LENGTH, &repeated);
	if (hd != NULL)
		hd->hop = true;
	h->framing = FRAMING_NONE;
	return 0;
}

int
rules_response(struct head *h, enum method asked)
{
	int r = read_framing(h);

	if (r == 0)
		r = read_connection(h);
	if (r != 0)
		return r;
	if (h->status < 200 || h->status == 204)
		return without_body(h);
	if (asked == METHOD_HEAD || h->status == 304) {
		h->framing = FRAMING_NONE;
		return 0;
	}
	if (h->framing == FRAMING_NONE) {
		h->framing = FRAMING_CLOSE;
		h->keep_alive = false;
	}
	return 0;
}
