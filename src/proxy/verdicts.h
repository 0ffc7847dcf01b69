/* SPDX-License-Identifier: ISC */

/*
 * verdicts - credentials that were judged before, by their digest
 *
 * The digest is a keyed one (HMAC-SHA256 under a key that no other process
 * has), so what is kept says nothing about the credentials, and nobody can
 * choose where it is kept. Bounded: the one that was not asked for longest
 * makes room. Each has an end. Memory is held only for what is there.
 */

#ifndef PROXY_VERDICTS_H
#define PROXY_VERDICTS_H

#include <stdint.h>

#include "base/list.h"
#include "base/str.h"

#define VERDICTS_DIGEST 32
#define VERDICTS_BUCKETS 1024
#define VERDICTS_LINES_MAX 2048

struct verdict;

struct verdicts {
	struct list order; /* asked for longest ago first */
	struct verdict **buckets;
	unsigned n, max;
};

void verdicts_init(struct verdicts *v, unsigned max);
void verdicts_done(struct verdicts *v);

/* True with the lines that were kept with it, until the next call. */
bool verdicts_get(struct verdicts *v,
    const unsigned char digest[VERDICTS_DIGEST], uint64_t now_ms,
    struct span *lines);

/* Keep it until until_ms; without memory, or with too many lines, it is not. */
void verdicts_put(struct verdicts *v,
    const unsigned char digest[VERDICTS_DIGEST], uint64_t until_ms,
    struct span lines);

#endif /* PROXY_VERDICTS_H */
