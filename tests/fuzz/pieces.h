/* SPDX-License-Identifier: ISC */

/*
 * pieces - the same message whole and in pieces must read the same
 *
 * For the unit tests and the fuzz targets of http/head and http/chunk. Each
 * piece is put in memory of its own, exactly as long as it is, so that the
 * sanitizers see every byte too far.
 */

#ifndef TESTS_FUZZ_PIECES_H
#define TESTS_FUZZ_PIECES_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "http/chunk.h"
#include "http/head.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

/* What to read: enum method of the question for a response, or a request. */
enum { READ_REQUEST = -1 };

struct reading {
	struct head head;
	struct head_header room[HEAD_HEADERS_MAX];
	enum head_verdict verdict;
	char *bytes;
	size_t n;
	size_t scanned;
};

static inline void
reading_init(struct reading *r, const struct head_limits *limits)
{
	memset(r, 0, sizeof(*r));
	head_init(&r->head, r->room, HEAD_HEADERS_MAX);
	if (limits != NULL)
		r->head.limits = *limits;
}

static inline void
reading_done(struct reading *r)
{
	free(r->bytes);
}

/* Show it the first n bytes, in fresh memory. */
static inline void
reading_show(struct reading *r, const char *bytes, size_t n, int what)
{
	struct span in;

	free(r->bytes);
	r->bytes = malloc(n > 0 ? n : 1);
	MUST(r->bytes != NULL);
	memcpy(r->bytes, bytes, n);
	r->n = n;
	in = (struct span){ r->bytes, n };
	r->verdict = what == READ_REQUEST
	    ? head_request(&r->head, in, &r->scanned)
	    : head_response(&r->head, in, &r->scanned, (enum method)what);
}

static inline bool
span_inside(const struct reading *r, struct span s)
{
	return s.p == NULL || (s.p >= r->bytes && s.p + s.n <= r->bytes + r->n);
}

static inline bool
same_span(const struct reading *a, struct span x, const struct reading *b,
    struct span y)
{
	if (x.p == NULL || y.p == NULL)
		return x.p == y.p;
	if (!span_inside(a, x) || !span_inside(b, y)) /* the "/" of a target */
		return span_eq(x, y);
	return x.n == y.n && x.p - a->bytes == y.p - b->bytes;
}

static inline bool
same_headers(const struct reading *a, const struct reading *b)
{
	if (a->head.nheaders != b->head.nheaders ||
	    a->head.seen != b->head.seen)
		return false;
	for (size_t i = 0; i < a->head.nheaders; i++) {
		const struct head_header *x = &a->room[i];
		const struct head_header *y = &b->room[i];

		if (x->id != y->id || x->hop != y->hop ||
		    !same_span(a, x->name, b, y->name) ||
		    !same_span(a, x->value, b, y->value))
			return false;
	}
	return true;
}

static inline bool
same_spans(const struct reading *a, const struct reading *b)
{
	static const size_t at[] = { offsetof(struct head, method_name),
		offsetof(struct head, target), offsetof(struct head, path),
		offsetof(struct head, query), offsetof(struct head, host),
		offsetof(struct head, hostname), offsetof(struct head, reason),
		offsetof(struct head, lines) };

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		struct span x;
		struct span y;

		memcpy(&x, (const char *)&a->head + at[i], sizeof(x));
		memcpy(&y, (const char *)&b->head + at[i], sizeof(y));
		if (!same_span(a, x, b, y))
			return false;
	}
	return true;
}

/* All that is no span, as numbers. */
static inline void
numbers_of(const struct head *h, uint64_t n[10])
{
	n[0] = h->method;
	n[1] = h->form;
	n[2] = h->expect_100;
	n[3] = h->status;
	n[4] = h->minor;
	n[5] = h->framing;
	n[6] = h->length;
	n[7] = h->keep_alive;
	n[8] = h->upgrade;
	n[9] = h->size;
}

static inline bool
same_reading(const struct reading *a, const struct reading *b)
{
	uint64_t x[10];
	uint64_t y[10];

	if (a->verdict != b->verdict)
		return false;
	if (a->verdict == HEAD_MORE)
		return true;
	if (a->verdict == HEAD_REFUSED)
		return a->head.refusal == b->head.refusal;
	numbers_of(&a->head, x);
	numbers_of(&b->head, y);
	return memcmp(x, y, sizeof(x)) == 0 && same_spans(a, b) &&
	    same_headers(a, b);
}

/* What a head that was taken must look like, whatever was in it. */
static inline void
check_taken(const struct reading *r)
{
	const struct head *h = &r->head;

	MUST(h->size <= r->n && h->size <= h->limits.head && h->size >= 4);
	MUST(memcmp(r->bytes + h->size - 2, "\r\n", 2) == 0);
	MUST(h->nheaders <= h->max_headers);
	MUST(span_inside(r, h->target) && span_inside(r, h->query));
	MUST(span_inside(r, h->host) && span_inside(r, h->hostname));
	MUST(span_inside(r, h->lines) && span_inside(r, h->reason));
	MUST(h->framing == FRAMING_LENGTH ? h->length <= INT64_MAX : true);
	for (size_t i = 0; i < h->nheaders; i++) {
		struct span line = head_line(h, i);

		MUST(http_token(r->room[i].name));
		MUST(http_field_value(r->room[i].value));
		MUST(span_inside(r, line) && line.n >= 3);
		MUST(memcmp(line.p + line.n - 2, "\r\n", 2) == 0);
		MUST(memchr(line.p, '\n', line.n) == line.p + line.n - 1);
		MUST(r->room[i].id == hdr_of(r->room[i].name));
	}
}

/*
 * Read it whole, and again in steps of `step` bytes starting with `first`.
 * The pieces stop at the first verdict, which must be the whole's.
 */
static inline void
check_pieces(const char *bytes, size_t n, size_t first, size_t step, int what,
    const struct head_limits *limits)
{
	struct reading whole;
	struct reading part;
	size_t at = first < n ? first : n;

	reading_init(&whole, limits);
	reading_init(&part, limits);
	reading_show(&whole, bytes, n, what);
	reading_show(&part, bytes, at, what);
	while (part.verdict == HEAD_MORE && at < n) {
		at = n - at < step ? n : at + step;
		reading_show(&part, bytes, at, what);
	}
	MUST(same_reading(&whole, &part));
	if (whole.verdict == HEAD_OK)
		check_taken(&whole);
	reading_done(&whole);
	reading_done(&part);
}

/* --- chunks --------------------------------------------------------------- */

struct unchunked {
	struct chunk c;
	enum chunk_verdict verdict;
	char *data; /* decoded */
	size_t n;
	size_t used; /* of the bytes shown */
};

static inline void
unchunk(
    struct unchunked *u, const char *bytes, size_t n, size_t first, size_t step)
{
	memset(u, 0, sizeof(*u));
	chunk_init(&u->c);
	u->data = malloc(n > 0 ? n : 1);
	u->verdict = CHUNK_MORE;
	MUST(u->data != NULL);
	while (u->verdict == CHUNK_MORE && u->used < n) {
		size_t take = u->used == 0 ? first : step;
		char *piece;
		struct span in;
		struct span data;

		take = take == 0 || take > n - u->used ? n - u->used : take;
		piece = malloc(take);
		MUST(piece != NULL);
		memcpy(piece, bytes + u->used, take);
		in = (struct span){ piece, take };
		while ((u->verdict = chunk_next(&u->c, &in, &data)) ==
		    CHUNK_DATA) {
			MUST(data.n > 0 && data.p >= piece &&
			    data.p + data.n <= piece + take);
			memcpy(u->data + u->n, data.p, data.n);
			u->n += data.n;
		}
		MUST(in.n <= take);
		MUST(u->verdict != CHUNK_MORE || in.n == 0);
		u->used += take - in.n;
		free(piece);
	}
}

static inline void
check_chunk_pieces(const char *bytes, size_t n, size_t first, size_t step)
{
	struct unchunked whole;
	struct unchunked part;
	struct chunk c;
	size_t used;

	unchunk(&whole, bytes, n, n, n);
	unchunk(&part, bytes, n, first, step);
	MUST(whole.verdict == part.verdict && whole.used == part.used);
	MUST(strcmp(chunk_why(&whole.c), chunk_why(&part.c)) == 0);
	MUST((whole.verdict == CHUNK_BAD) == (*chunk_why(&whole.c) != '\0'));
	MUST(whole.n == part.n && memcmp(whole.data, part.data, part.n) == 0);
	chunk_init(&c);
	MUST(chunk_follow(&c, (struct span){ bytes, n }, &used) ==
	    whole.verdict);
	MUST(used == whole.used && used <= n && whole.n <= n);
	free(whole.data);
	free(part.data);
}

#endif /* TESTS_FUZZ_PIECES_H */
