/* SPDX-License-Identifier: ISC */

/*
 * verdicts - credentials that were judged before, by their digest
 *
 * The digest is a keyed one (HMAC-SHA256 under a key that no other process
 * has), so what is kept says nothing about the credentials, and nobody can
 * choose where it is kept. Bounded: the one that was not asked for longest
 * makes room. Each has an end. Memory is held only for what is there, counted
 * by the meter, and no more than a share of its ceiling: what is remembered
 * shall not be what others have to go for.
 */

#ifndef PROXY_VERDICTS_H
#define PROXY_VERDICTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"

#define VERDICTS_DIGEST 32
#define VERDICTS_BUCKETS 1024
#define VERDICTS_LINES_MAX 2048
#define VERDICTS_SHARE 8 /* an eighth of the meter's ceiling */

struct verdict;

struct verdicts {
	struct list order; /* asked for longest ago first */
	struct verdict **buckets;
	unsigned n, max;
	size_t held;
	struct buf_meter *meter; /* borrowed, or NULL */
};

void verdicts_init(struct verdicts *v, unsigned max, struct buf_meter *meter);
void verdicts_done(struct verdicts *v);

/* There may be so many from now on; the meter's ceiling may be another. */
void verdicts_limit(struct verdicts *v, unsigned max);

/* Forget up to n, the oldest first; how many there were. */
unsigned verdicts_trim(struct verdicts *v, unsigned n);

/* True with the lines that were kept with it, until the next call. */
bool verdicts_get(struct verdicts *v,
    const unsigned char digest[VERDICTS_DIGEST], uint64_t now_ms,
    struct span *lines);

/*
 * Keep it until until_ms; without memory, or with too many lines, it is not.
 * True: the oldest had to go for it.
 */
bool verdicts_put(struct verdicts *v,
    const unsigned char digest[VERDICTS_DIGEST], uint64_t until_ms,
    struct span lines);

#endif /* PROXY_VERDICTS_H */
