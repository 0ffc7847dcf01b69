/* SPDX-License-Identifier: ISC */

/*
 * One pass from left to right, and then the rules that need the whole head.
 *
 * A verdict must not depend on how the bytes were cut, and a head that arrives
 * in pieces must not be read again for each. Both follow from one rule: as long
 * as the window holds no "verdict byte" (the end of the head, a bare LF, a
 * control character, or the ceiling) the answer is HEAD_MORE, whatever else is
 * wrong; so a piece without such a byte need not be parsed at all, and the
 * first one with it is parsed once, from the start.
 */

#include "http/head.h"

#include "http/chars.h"
#include "http/rules.h"

#define METHOD_SIZE_MAX 32

/* What a step gives besides 0 and an enum head_refusal. */
enum { RAN_OUT = -1 };

struct cursor {
	const char *p;
	const char *end;
};

/* clang-format off */
static const struct {
	uint16_t status;
	const char *text;
} refusals[REFUSED_N] = {
	[REFUSED_NOT] = { 200, "" },
	[REFUSED_LINE] = { 400, "control character, bare CR or bare LF" },
	[REFUSED_REQUEST_LINE] = { 400, "malformed request line" },
	[REFUSED_STATUS_LINE] = { 400, "malformed status line" },
	[REFUSED_METHOD] = { 400, "method too long" },
	[REFUSED_METHOD_FORBIDDEN] = { 405, "method not allowed" },
	[REFUSED_TARGET] = { 400, "malformed request target" },
	[REFUSED_TARGET_SIZE] = { 414, "request target too long" },
	[REFUSED_PATH] = { 400, "invalid escape or backslash in the path" },
	[REFUSED_DOT_SEGMENT] = { 400, "dot segment in the path" },
	[REFUSED_VERSION] = { 505, "HTTP version not supported" },
	[REFUSED_NAME] = { 400, "malformed header name" },
	[REFUSED_SPACE_BEFORE_COLON] = { 400, "space before the colon" },
	[REFUSED_FOLD] = { 400, "folded header line" },
	[REFUSED_VALUE] = { 400, "malformed header value" },
	[REFUSED_HEAD_SIZE] = { 431, "head too large" },
	[REFUSED_COUNT] = { 431, "too many headers" },
	[REFUSED_HOST_MISSING] = { 400, "no Host header" },
	[REFUSED_HOST_REPEATED] = { 400, "more than one Host header" },
	[REFUSED_HOST] = { 400, "invalid Host" },
	[REFUSED_LENGTH] = { 400, "invalid Content-Length" },
	[REFUSED_LENGTH_REPEATED] = { 400, "more than one Content-Length" },
	[REFUSED_BOTH_FRAMINGS] = { 400,
	    "both Content-Length and Transfer-Encoding" },
	[REFUSED_CODING_VERSION] = { 400, "Transfer-Encoding in HTTP/1.0" },
	[REFUSED_CODING] = { 400, "invalid Transfer-Encoding" },
	[REFUSED_CODING_UNKNOWN] = { 501, "unknown transfer coding" },
	[REFUSED_CONNECTION] = { 400, "invalid Connection header" },
	[REFUSED_EXPECT] = { 417, "unknown expectation" },
	[REFUSED_STATUS_BODY] = { 400, "body on a status that has none" },
};
/* clang-format on */

#define BIT(id) (UINT64_C(1) << (id))

/* End at this hop whatever Connection says (RFC 9110, 7.6.1 and 11.7). */
#define HOP_NAMES                                                        \
	(BIT(HDR_CONNECTION) | BIT(HDR_KEEP_ALIVE) |                     \
	    BIT(HDR_PROXY_CONNECTION) | BIT(HDR_TE) |                    \
	    BIT(HDR_TRANSFER_ENCODING) | BIT(HDR_UPGRADE) |              \
	    BIT(HDR_PROXY_AUTHENTICATE) | BIT(HDR_PROXY_AUTHORIZATION) | \
	    BIT(HDR_HTTP2_SETTINGS))

void
head_init(struct head *h, struct head_header *headers, size_t max_headers)
{
	*h = (struct head){
		.headers = headers,
		.max_headers = max_headers,
		.limits = { HEAD_SIZE_MAX, HEAD_TARGET_MAX },
	};
}

unsigned
head_refusal_status(enum head_refusal why)
{
	return why < REFUSED_N ? refusals[why].status : 400;
}

const char *
head_refusal_text(enum head_refusal why)
{
	return why < REFUSED_N ? refusals[why].text : "";
}

/* --- steps: each moves the cursor, or says why not ------------------------ */

/* What it means to stand on this byte where `otherwise` was expected. */
static int
unexpected(const struct cursor *c, int otherwise)
{
	if (c->p == c->end)
		return RAN_OUT;
	if (*c->p == '\r')
		return c->p + 1 == c->end ? RAN_OUT : otherwise;
	if (*c->p == '\n' || char_is(*c->p, CHAR_CONTROL))
		return REFUSED_LINE;
	return otherwise;
}

static int
take_crlf(struct cursor *c, int otherwise)
{
	if (c->p == c->end || *c->p != '\r')
		return unexpected(c, otherwise);
	if (c->p + 1 == c->end)
		return RAN_OUT;
	if (c->p[1] != '\n')
		return REFUSED_LINE;
	c->p += 2;
	return 0;
}

static int
take_byte(struct cursor *c, char byte, int otherwise)
{
	if (c->p == c->end || *c->p != byte)
		return unexpected(c, otherwise);
	c->p++;
	return 0;
}

static int
take_version(struct cursor *c, unsigned *minor, int otherwise)
{
	static const char word[] = "HTTP/";
	int r = 0;

	for (size_t i = 0; i < sizeof(word) - 1 && r == 0; i++)
		r = take_byte(c, word[i], otherwise);
	if (r != 0)
		return r;
	for (size_t i = 0; i < 3; i++) {
		if (c->p + i == c->end)
			return RAN_OUT;
		if (i == 1 ? c->p[i] != '.' : c->p[i] < '0' || c->p[i] > '9')
			return otherwise;
	}
	if (c->p[0] != '1' || c->p[2] > '1')
		return REFUSED_VERSION;
	*minor = (unsigned)(c->p[2] - '0');
	c->p += 3;
	return 0;
}

static int
take_method(struct head *h, struct cursor *c)
{
	const char *start = c->p;

	c->p = chars_skip(c->p, c->end, CHAR_TOKEN);
	h->method_name = (struct span){ start, (size_t)(c->p - start) };
	if (h->method_name.n > METHOD_SIZE_MAX)
		return REFUSED_METHOD;
	if (c->p == start)
		return unexpected(c, REFUSED_REQUEST_LINE);
	h->method = method_of(h->method_name);
	return take_byte(c, ' ', REFUSED_REQUEST_LINE);
}

static int
take_target(struct head *h, struct cursor *c)
{
	const char *start = c->p;

	c->p = chars_skip_target(c->p, c->end);
	h->target = (struct span){ start, (size_t)(c->p - start) };
	if (h->target.n > h->limits.target)
		return REFUSED_TARGET_SIZE;
	if (c->p == start)
		return unexpected(c, REFUSED_TARGET);
	return take_byte(c, ' ', REFUSED_TARGET);
}

static int
take_request_line(struct head *h, struct cursor *c)
{
	int r;

	if (c->p < c->end && *c->p == '\r') {
		r = take_crlf(c, REFUSED_LINE);
		if (r != 0)
			return r;
	}
	r = take_method(h, c);
	if (r == 0)
		r = take_target(h, c);
	if (r == 0)
		r = take_version(c, &h->minor, REFUSED_REQUEST_LINE);
	if (r == 0)
		r = take_crlf(c, REFUSED_REQUEST_LINE);
	if (r != 0)
		return r;
	if (h->method == METHOD_CONNECT || h->method == METHOD_TRACE)
		return REFUSED_METHOD_FORBIDDEN;
	return rules_target(h);
}

static int
take_status_line(struct head *h, struct cursor *c)
{
	int r = take_version(c, &h->minor, REFUSED_STATUS_LINE);

	if (r == 0)
		r = take_byte(c, ' ', REFUSED_STATUS_LINE);
	if (r != 0)
		return r;
	for (int i = 0; i < 3; i++, c->p++) {
		if (c->p == c->end || *c->p < '0' || *c->p > '9')
			return unexpected(c, REFUSED_STATUS_LINE);
		h->status = h->status * 10 + (unsigned)(*c->p - '0');
	}
	if (h->status < 100)
		return REFUSED_STATUS_LINE;
	/* "HTTP/1.1 200" with neither reason nor space is common, harmless. */
	if (c->p < c->end && *c->p == ' ') {
		const char *start = ++c->p;

		c->p = chars_skip_value(c->p, c->end);
		h->reason = (struct span){ start, (size_t)(c->p - start) };
	}
	return take_crlf(c, REFUSED_STATUS_LINE);
}

static int
take_name(struct cursor *c, struct span *name)
{
	const char *start = c->p;

	c->p = chars_skip(c->p, c->end, CHAR_TOKEN);
	*name = (struct span){ start, (size_t)(c->p - start) };
	if (c->p < c->end && *c->p == ':' && name->n > 0) {
		c->p++;
		return 0;
	}
	if (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
		return name->n > 0 ? REFUSED_SPACE_BEFORE_COLON : REFUSED_FOLD;
	return unexpected(c, REFUSED_NAME);
}

static struct span
take_value(struct cursor *c)
{
	const char *start = c->p;
	const char *end;

	while (start < c->end && (*start == ' ' || *start == '\t'))
		start++;
	end = c->p = chars_skip_value(start, c->end);
	while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct span){ start, (size_t)(end - start) };
}

static int
take_header(struct head *h, struct cursor *c)
{
	struct head_header *hd = &h->headers[h->nheaders];
	int r;

	if (h->nheaders == h->max_headers)
		return REFUSED_COUNT;
	r = take_name(c, &hd->name);
	if (r != 0)
		return r;
	hd->value = take_value(c);
	r = take_crlf(c, REFUSED_VALUE);
	if (r != 0)
		return r;
	hd->id = (uint8_t)hdr_of(hd->name);
	hd->hop = HOP_NAMES >> hd->id & 1;
	h->seen |= BIT(hd->id);
	h->nheaders++;
	return 0;
}

static int
take_headers(struct head *h, struct cursor *c)
{
	const char *start = c->p;
	int r;

	while (c->p < c->end && *c->p != '\r') {
		r = take_header(h, c);
		if (r != 0)
			return r;
	}
	h->lines = (struct span){ start, (size_t)(c->p - start) };
	return take_crlf(c, REFUSED_LINE);
}

/* --- the verdict ---------------------------------------------------------- */

static bool
is_verdict_byte(const char *p, size_t i)
{
	if (p[i] != '\n')
		return char_is(p[i], CHAR_CONTROL);
	if (i == 0 || p[i - 1] != '\r')
		return true;
	return i >= 2 && p[i - 2] == '\n';
}

static bool
has_verdict_byte(const char *p, size_t from, size_t n)
{
	for (size_t i = from; i < n; i++)
		if (is_verdict_byte(p, i))
			return true;
	return false;
}

static enum head_verdict
more(size_t *scanned, size_t n)
{
	*scanned = n;
	return HEAD_MORE;
}

static enum head_verdict
refuse(struct head *h, int why)
{
	h->refusal = (enum head_refusal)why;
	return HEAD_REFUSED;
}

static void
reset(struct head *h)
{
	struct head clean = { .headers = h->headers,
		.max_headers = h->max_headers,
		.limits = h->limits };

	*h = clean;
}

static int
parse(struct head *h, struct cursor *c, bool request, enum method asked)
{
	const char *start = c->p;
	int r = request ? take_request_line(h, c) : take_status_line(h, c);

	if (r == 0)
		r = take_headers(h, c);
	if (r != 0)
		return r;
	h->size = (size_t)(c->p - start);
	return request ? rules_request(h) : rules_response(h, asked);
}

static enum head_verdict
read_head(struct head *h, struct span in, size_t *scanned, bool request,
    enum method asked)
{
	size_t n = in.n < h->limits.head ? in.n : h->limits.head;
	bool full = n == h->limits.head;
	bool judged = full;
	struct cursor c = { in.p, in.p + n };
	int r;

	if (n == 0)
		return more(scanned, 0);
	if (!judged && *scanned > 0) {
		judged = has_verdict_byte(in.p, *scanned, n);
		if (!judged)
			return more(scanned, n);
	}
	reset(h);
	r = parse(h, &c, request, asked);
	if (r == 0)
		return HEAD_OK;
	if (r == RAN_OUT)
		return full ? refuse(h, REFUSED_HEAD_SIZE) : more(scanned, n);
	if (!judged && !has_verdict_byte(in.p, 0, n))
		return more(scanned, n);
	return refuse(h, r);
}

enum head_verdict
head_request(struct head *h, struct span in, size_t *scanned)
{
	return read_head(h, in, scanned, true, METHOD_OTHER);
}

enum head_verdict
head_response(
    struct head *h, struct span in, size_t *scanned, enum method asked)
{
	return read_head(h, in, scanned, false, asked);
}

/* --- looking at it -------------------------------------------------------- */

const struct head_header *
head_find(const struct head *h, enum hdr id)
{
	if (!head_has(h, id))
		return NULL;
	for (size_t i = 0; i < h->nheaders; i++)
		if (h->headers[i].id == id)
			return &h->headers[i];
	return NULL;
}

const struct head_header *
head_find_name(const struct head *h, struct span name)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (span_eq_nocase(h->headers[i].name, name))
			return &h->headers[i];
	return NULL;
}

struct span
head_line(const struct head *h, size_t i)
{
	const char *p = h->headers[i].name.p;
	const char *end = i + 1 < h->nheaders ? h->headers[i + 1].name.p
					      : h->lines.p + h->lines.n;

	return (struct span){ p, (size_t)(end - p) };
}

bool
head_lists(const struct head *h, enum hdr id, struct span token)
{
	for (size_t i = 0; i < h->nheaders; i++) {
		struct span rest = h->headers[i].value;
		struct span part;

		if (h->headers[i].id != id)
			continue;
		while (span_next(&rest, ',', &part))
			if (span_eq_nocase(span_trim(part), token))
				return true;
	}
	return false;
}
