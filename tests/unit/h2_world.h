/* SPDX-License-Identifier: ISC */

/*
 * h2_world - a session of HTTP/2 against frames that are written byte by byte,
 * and against a clock of the test's own
 *
 * Each test begins with preface and SETTINGS given and acknowledged. go() gives
 * the session what was added and notes what it told and emitted since.
 */

#ifndef TESTS_UNIT_H2_WORLD_H
#define TESTS_UNIT_H2_WORLD_H

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/h2.h"

/* A frame that the session emitted. */
struct frame {
	unsigned type, flags;
	uint32_t id, word; /* word: the first four bytes of the payload */
	size_t n;
};

struct h2_world {
	struct h2 *h;
	struct h2_stream s[8];
	bool shut; /* the client takes nothing */
	struct buf in, out;
	struct frame sent[4096];
	size_t nsent, closed;
	uint64_t now;
	struct h2_event ev[64]; /* all that were not H2_NOTHING */
	size_t nev;
	struct buf bodies; /* what h2_read() gave of them */
	int verdict;
};

extern struct h2_world t;
extern const struct h2_limits limits;
extern const struct h2_ops ops;

void add(struct buf *b, const void *data, size_t n);
void add_frame(unsigned type, unsigned flags, uint32_t id, struct span payload);
void add_word(unsigned type, uint32_t id, uint32_t word);
void add_field(struct buf *b, const char *name, const char *value);
void add_request(
    uint32_t id, const char *method, unsigned flags, const char *length);

void go(void);
void write_out(void); /* what h2_write() emits is noted */
void note_sent(void); /* what was emitted already is */

size_t count(unsigned type);
const struct frame *find(unsigned type); /* the first; fails without one */

int answer(struct h2_stream *s, const char *head, const char *body);

int start(void **state);
int stop(void **state);

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

#endif /* TESTS_UNIT_H2_WORLD_H */
