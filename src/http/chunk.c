/* SPDX-License-Identifier: ISC */

#include "http/chunk.h"

#include "http/chars.h"
#include "http/head.h"

#define SIZE_DIGITS_MAX 16

enum {
	AT_SIZE,    /* before or among the digits */
	AT_EXT,	    /* behind the ';' */
	AT_SIZE_LF, /* CR seen */
	AT_DATA,    /* `left` bytes to go */
	AT_DATA_CR, /* the data is whole */
	AT_DATA_LF,
	AT_LINE, /* at the start of a trailer line, or the last CRLF */
	AT_NAME,
	AT_VALUE,
	AT_VALUE_LF,
	AT_LAST_LF,
	AT_END,
	AT_BAD
};

#define BIT(id) (UINT64_C(1) << HDR_##id)

/*
 * They would change what a receiver makes of the message, if it takes them for
 * headers (RFC 9110, 6.5.1).
 */
#define FRAMING                                                        \
	(BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING) | BIT(TRAILER) | \
	    BIT(CONTENT_TYPE) | BIT(CONTENT_ENCODING))
#define HOP                                                                    \
	(BIT(CONNECTION) | BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) | BIT(TE) | \
	    BIT(UPGRADE) | BIT(HTTP2_SETTINGS))
#define ROUTING                                                              \
	(BIT(HOST) | BIT(VIA) | BIT(FORWARDED) | BIT(X_REAL_IP) |            \
	    BIT(X_FORWARDED_FOR) | BIT(X_FORWARDED_HOST) |                   \
	    BIT(X_FORWARDED_PORT) | BIT(X_FORWARDED_PROTO) |                 \
	    BIT(X_FORWARDED_PREFIX) | BIT(X_REQUEST_ID) | BIT(TRACEPARENT) | \
	    BIT(TRACESTATE) | BIT(DROVER_CALLER) | BIT(DROVER_DEADLINE_MS) | \
	    BIT(DROVER_ERROR))
#define AUTHENTICATION                                                 \
	(BIT(AUTHORIZATION) | BIT(PROXY_AUTHORIZATION) | BIT(COOKIE) | \
	    BIT(SET_COOKIE) | BIT(X_API_KEY) | BIT(WWW_AUTHENTICATE) | \
	    BIT(PROXY_AUTHENTICATE))
#define CONTROL                                                         \
	(BIT(EXPECT) | BIT(RANGE) | BIT(IF_RANGE) | BIT(IF_MATCH) |     \
	    BIT(IF_NONE_MATCH) | BIT(IF_MODIFIED_SINCE) | BIT(ORIGIN) | \
	    BIT(CACHE_CONTROL) | BIT(EXPIRES) | BIT(AGE) | BIT(DATE) |  \
	    BIT(LOCATION) | BIT(RETRY_AFTER) | BIT(VARY) |              \
	    BIT(ACCESS_CONTROL_ALLOW_ORIGIN))

static const uint64_t forbidden = FRAMING | HOP | ROUTING | AUTHENTICATION |
    CONTROL;

void
chunk_init(struct chunk *c)
{
	*c = (struct chunk){ .state = AT_SIZE };
}

const char *
chunk_why(const struct chunk *c)
{
	return c->why == NULL ? "" : c->why;
}

static int
bad(struct chunk *c, const char *why)
{
	c->state = AT_BAD;
	c->why = why;
	return -1;
}

static int
expect(struct chunk *c, char byte, char wanted, uint8_t next)
{
	if (byte != wanted)
		return bad(c, "chunk line does not end in CRLF");
	c->state = next;
	return 0;
}

static int
size_digit(struct chunk *c, char byte)
{
	if (c->digits == SIZE_DIGITS_MAX || c->left > INT64_MAX >> 4)
		return bad(c, "chunk size overflows");
	c->left = c->left << 4 | char_hex(byte);
	c->digits++;
	return 0;
}

static int
on_size(struct chunk *c, char byte)
{
	if (char_is(byte, CHAR_HEX))
		return size_digit(c, byte);
	if (c->digits == 0)
		return bad(c, "chunk size is missing");
	c->ext = 0;
	if (byte == ';')
		c->state = AT_EXT;
	else if (byte == '\r')
		c->state = AT_SIZE_LF;
	else
		return bad(c, "chunk size is not a hexadecimal number");
	return 0;
}

static int
on_ext(struct chunk *c, char byte)
{
	if (byte == '\r') {
		c->state = AT_SIZE_LF;
		return 0;
	}
	if (!char_is(byte, CHAR_VALUE))
		return bad(c, "control character in a chunk extension");
	if (++c->ext > CHUNK_EXT_MAX || ++c->ext_total > CHUNK_EXT_TOTAL)
		return bad(c, "chunk extensions are too long");
	return 0;
}

static void
keep_name(struct chunk *c, char byte)
{
	if (c->name_len < CHUNK_NAME_MAX)
		c->name[c->name_len++] = byte == '_' ? '-' : byte;
}

static int
on_line(struct chunk *c, char byte)
{
	c->name_len = 0;
	if (byte == '\r') {
		c->state = AT_LAST_LF;
		return 0;
	}
	if (!char_is(byte, CHAR_TOKEN))
		return bad(c, "malformed trailer name");
	keep_name(c, byte);
	c->state = AT_NAME;
	return 0;
}

bool
chunk_forbids(struct span name)
{
	return forbidden >> hdr_of(name) & 1;
}

static int
on_name(struct chunk *c, char byte)
{
	if (char_is(byte, CHAR_TOKEN)) {
		keep_name(c, byte);
		return 0;
	}
	if (byte != ':')
		return bad(c, "malformed trailer name");
	if (c->name_len < CHUNK_NAME_MAX &&
	    chunk_forbids((struct span){ c->name, c->name_len }))
		return bad(c, "trailer that only a head may have");
	c->state = AT_VALUE;
	return 0;
}

static int
on_value(struct chunk *c, char byte)
{
	if (byte == '\r') {
		c->state = AT_VALUE_LF;
		return 0;
	}
	if (!char_is(byte, CHAR_VALUE))
		return bad(c, "control character in a trailer");
	return 0;
}

static int
on_trailer(struct chunk *c, char byte)
{
	if (++c->trailer > CHUNK_TRAILER_MAX)
		return bad(c, "trailers are too large");
	switch (c->state) {
	case AT_LINE:
		return on_line(c, byte);
	case AT_NAME:
		return on_name(c, byte);
	case AT_VALUE:
		return on_value(c, byte);
	case AT_VALUE_LF:
		return expect(c, byte, '\n', AT_LINE);
	default:
		return expect(c, byte, '\n', AT_END);
	}
}

/* One byte that is not data. */
static int
on_byte(struct chunk *c, char byte)
{
	switch (c->state) {
	case AT_SIZE:
		return on_size(c, byte);
	case AT_EXT:
		return on_ext(c, byte);
	case AT_SIZE_LF:
		return expect(c, byte, '\n', c->left > 0 ? AT_DATA : AT_LINE);
	case AT_DATA_CR:
		return expect(c, byte, '\r', AT_DATA_LF);
	case AT_DATA_LF:
		c->digits = 0;
		return expect(c, byte, '\n', AT_SIZE);
	default:
		return on_trailer(c, byte);
	}
}

static void
take_data(struct chunk *c, struct span *in, struct span *data)
{
	size_t n = c->left < in->n ? (size_t)c->left : in->n;

	*data = (struct span){ in->p, n };
	in->p += n;
	in->n -= n;
	c->left -= n;
	if (c->left == 0)
		c->state = AT_DATA_CR;
}

enum chunk_verdict
chunk_next(struct chunk *c, struct span *in, struct span *data)
{
	while (c->state != AT_END && c->state != AT_BAD) {
		if (in->n == 0)
			return CHUNK_MORE;
		if (c->state == AT_DATA) {
			take_data(c, in, data);
			return CHUNK_DATA;
		}
		if (on_byte(c, *in->p) < 0)
			break;
		in->p++;
		in->n--;
	}
	return c->state == AT_END ? CHUNK_END : CHUNK_BAD;
}

enum chunk_verdict
chunk_follow(struct chunk *c, struct span in, size_t *used)
{
	struct span rest = in;
	struct span data;
	enum chunk_verdict v;

	do
		v = chunk_next(c, &rest, &data);
	while (v == CHUNK_DATA);
	*used = in.n - rest.n;
	return v;
}
