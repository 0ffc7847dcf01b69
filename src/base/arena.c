/* SPDX-License-Identifier: ISC */

#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t cap;
	size_t pad; /* keeps data aligned to 16 */
	unsigned char data[];
};

void
arena_init(struct arena *a, size_t first, size_t max)
{
	*a = (struct arena){ .first = first, .max = max };
}

static void
free_blocks(struct arena *a, struct arena_block *keep)
{
	struct arena_block *b = a->blocks;

	while (b != keep) {
		struct arena_block *next = b->next;

		a->total -= b->cap;
		free(b);
		b = next;
	}
	a->blocks = keep;
}

void
arena_done(struct arena *a)
{
	free_blocks(a, NULL);
}

void
arena_reset(struct arena *a)
{
	struct arena_block *oldest = a->blocks;

	while (oldest != NULL && oldest->next != NULL)
		oldest = oldest->next;
	free_blocks(a, oldest);
	if (oldest != NULL)
		oldest->used = 0;
}

static struct arena_block *
add_block(struct arena *a, size_t n)
{
	size_t cap = a->blocks == NULL ? a->first : a->blocks->cap * 2;
	struct arena_block *b;

	if (n > a->max - a->total)
		return NULL;
	if (cap > a->max - a->total)
		cap = a->max - a->total;
	if (cap < n)
		cap = n;
	b = malloc(sizeof(*b) + cap);
	if (b == NULL)
		return NULL;
	*b = (struct arena_block){ .next = a->blocks, .cap = cap };
	a->blocks = b;
	a->total += cap;
	return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	void *p;

	if (n > SIZE_MAX - 16)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	if (b == NULL || b->cap - b->used < n)
		b = add_block(a, n);
	if (b == NULL)
		return NULL;
	p = b->data + b->used;
	b->used += n;
	return memset(p, 0, n);
}

char *
arena_copy(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (p != NULL && s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}
