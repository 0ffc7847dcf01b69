/* SPDX-License-Identifier: ISC */

/*
 * bucket - token buckets by key, shared by processes
 *
 * A bucket holds `burst` tokens at most and gets one more every step_ns; a
 * request takes one. It is kept as one number, the moment at which it will be
 * full again ("generic cell rate algorithm"), so that taking a token is one
 * compare-and-swap, and a bucket that is full needs no memory at all.
 *
 * The table is memory that the caller owns (zeroed, shared between processes):
 * lines of BUCKET_WAYS buckets, one line for a key. It allocates nothing and
 * takes no lock, so a process that dies in the middle of it harms nobody. A new
 * key takes the place of one whose bucket is full, which loses nothing; where
 * all of a line are in use, of the one that is full soonest, which is told
 * (`evicted`): its owner gets his burst anew.
 *
 * What is promised: of one key never more than burst + t / step_ns requests in
 * any time t, over all processes together. Two processes that meet a new key at
 * the same moment may each let one more through.
 *
 * Keys are hashes under a secret, 64 bits; times are nanoseconds of one clock.
 */

#ifndef MODEL_BUCKET_H
#define MODEL_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUCKET_WAYS 8

struct bucket_slot {
	_Atomic uint64_t key;	  /* 0: nobody's */
	_Atomic uint64_t full_at; /* the past: it is full */
};

struct bucket_line {
	struct bucket_slot slots[BUCKET_WAYS];
};

struct bucket_rate {
	uint64_t step_ns; /* between two tokens; above 0 */
	uint64_t fill_ns; /* burst * step_ns */
};

struct bucket_answer {
	bool ok;
	bool evicted;	  /* another key lost its bucket to this one */
	uint64_t left;	  /* tokens, after this request */
	uint64_t wait_ns; /* until there is one again; 0 with ok */
	uint64_t full_ns; /* until all of them are there */
};

/* `count` in `period_s` seconds, and `burst` at once; all above 0. */
struct bucket_rate bucket_rate(
    uint32_t count, uint32_t period_s, uint32_t burst);

/* Ask one bucket: a token is taken where there is one. The new full_at. */
uint64_t bucket_ask(const struct bucket_rate *r, uint64_t full_at, uint64_t now,
    struct bucket_answer *a);

/* The same in a table of `nlines`, a power of two. */
void bucket_take(struct bucket_line *lines, size_t nlines, uint64_t key,
    const struct bucket_rate *r, uint64_t now, struct bucket_answer *a);

#endif /* MODEL_BUCKET_H */
