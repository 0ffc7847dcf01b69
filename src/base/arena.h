/* SPDX-License-Identifier: ISC */

/*
 * arena - memory that is freed all at once, up to a ceiling
 *
 * For what lives as long as one exchange or one snapshot. Blocks double from
 * `first` bytes; nothing is returned before arena_done() or arena_reset().
 */

#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t first;
	size_t max;   /* ceiling for the sum of all blocks */
	size_t total; /* bytes in blocks now */
};

void arena_init(struct arena *a, size_t first, size_t max);
void arena_done(struct arena *a);
void arena_reset(struct arena *a); /* keeps the first block, for reuse */

/* n bytes aligned to 16, zeroed; NULL over the ceiling or out of memory. */
void *arena_alloc(struct arena *a, size_t n);
char *arena_copy(struct arena *a, struct span s); /* with a NUL; or NULL */

#endif /* BASE_ARENA_H */
