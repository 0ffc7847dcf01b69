/* SPDX-License-Identifier: ISC */

#include "redis/waiting.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 16

static int
grow(struct waiting_ring *r)
{
	size_t cap = r->cap == 0 ? FIRST : r->cap * 2;
	struct waiting *slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < r->count; i++)
		slots[i] = r->slots[(r->head + i) % r->cap];
	free(r->slots);
	r->slots = slots;
	r->cap = cap;
	r->head = 0;
	return 0;
}

int
waiting_room(struct waiting_ring *r, size_t max)
{
	if (r->count >= max)
		return -ENOBUFS;
	return r->count < r->cap ? 0 : grow(r);
}

void
waiting_push(struct waiting_ring *r, struct waiting w)
{
	r->slots[(r->head + r->count++) % r->cap] = w;
}

struct waiting
waiting_shift(struct waiting_ring *r)
{
	struct waiting w = r->slots[r->head];

	r->head = (r->head + 1) % r->cap;
	r->count--;
	return w;
}

uint64_t
waiting_deadline(const struct waiting_ring *r)
{
	return r->slots[r->head].deadline;
}

void
waiting_done(struct waiting_ring *r)
{
	free(r->slots);
	*r = (struct waiting_ring){ NULL, 0, 0, 0 };
}
