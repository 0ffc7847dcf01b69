/* SPDX-License-Identifier: ISC */

/*
 * chunk - where a chunked body ends, and what is in it
 *
 * A state machine over whatever pieces the body arrives in; it owns nothing and
 * copies nothing. Two uses:
 *
 * Following it (a proxy passes the bytes on as they came):
 *	switch (chunk_follow(&c, in, &used)) {
 *	case CHUNK_MORE: all of `in` belongs to the body (used == in.n)
 *	case CHUNK_END:  the first `used` bytes do; the next message follows
 *	case CHUNK_BAD:  the first `used` bytes do and were valid; stop there
 *	}
 *
 * Decoding it:
 *	while (chunk_next(&c, &in, &data) == CHUNK_DATA)
 *		data is a piece of the body, inside the span that was `in`
 *	then CHUNK_MORE (in is used up), CHUNK_END (in is what follows) or
 *	CHUNK_BAD
 *
 * Strict: a size is 1 to 16 hex digits and under 2^63; nothing but CRLF ends a
 * line; nothing but an extension may stand between a size and its CRLF.
 * Extensions mean nothing to us: they are passed on when following and dropped
 * when decoding; each is at most CHUNK_EXT_MAX bytes, all of a body together
 * CHUNK_EXT_TOTAL. Trailers keep the rules of header lines (head.h) and stay
 * under CHUNK_TRAILER_MAX bytes together; decoding skips them, and who wants
 * them asks chunk_trailers(). One that must be known before the body comes is
 * refused (RFC 9110, 6.5.1), with '_' for '-' too: what frames, routes,
 * authenticates, modifies a request, controls a response, says what the body
 * is, ends at this hop, or is drover's own word (chunk.c has the list). Bodies
 * have no ceiling here: the caller counts.
 */

#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define CHUNK_EXT_MAX 256
#define CHUNK_EXT_TOTAL (16 * 1024)
#define CHUNK_TRAILER_MAX (8 * 1024)
#define CHUNK_NAME_MAX 32 /* longer than any forbidden trailer's name */

enum chunk_verdict {
	CHUNK_MORE, /* valid so far, not at the end */
	CHUNK_DATA,
	CHUNK_END,
	CHUNK_BAD /* final */
};

struct chunk {	       /* all private */
	uint64_t left; /* of this chunk's size or data */
	uint32_t ext;  /* bytes of this extension */
	uint32_t ext_total;
	uint32_t trailer; /* bytes of all trailer lines */
	uint8_t state;
	uint8_t digits;
	uint8_t name_len;
	char name[CHUNK_NAME_MAX];
	const char *why;
};

void chunk_init(struct chunk *c);

enum chunk_verdict chunk_next(
    struct chunk *c, struct span *in, struct span *data) MUST_CHECK;

enum chunk_verdict chunk_follow(
    struct chunk *c, struct span in, size_t *used) MUST_CHECK;

/*
 * How many bytes of the trailer section were read: its lines, and the CRLF that
 * ends it. They are the last of a body.
 */
static inline uint32_t
chunk_trailers(const struct chunk *c)
{
	return c->trailer;
}

/* Whether no trailer may have this name. */
bool chunk_forbids(struct span name);

/* The words for CHUNK_BAD: "chunk size overflows"; "" otherwise. */
const char *chunk_why(const struct chunk *c);

#endif /* HTTP_CHUNK_H */
