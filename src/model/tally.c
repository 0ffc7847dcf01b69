/* SPDX-License-Identifier: ISC */

#include "model/tally.h"

#include <errno.h>
#include <stdlib.h>

#define SIZE_MIN 64

void
tally_init(struct tally *t, const struct hash_key *key)
{
	*t = (struct tally){ .key = *key };
}

void
tally_done(struct tally *t)
{
	free(t->slots);
	t->slots = NULL;
	t->size = t->used = 0;
}

/* Where the tag is, or would be. There is always a free slot. */
static size_t
find(const struct tally *t, uint64_t tag)
{
	size_t mask = t->size - 1, i = tag & mask;

	while (t->slots[i].tag != 0 && t->slots[i].tag != tag)
		i = (i + 1) & mask;
	return i;
}

int
tally_resize(struct tally *t, size_t owners)
{
	struct tally fresh = { .key = t->key, .size = SIZE_MIN };

	if (owners < t->used)
		owners = t->used;
	while (fresh.size < 2 * owners)
		fresh.size *= 2;
	if (fresh.size == t->size)
		return 0;
	fresh.slots = calloc(fresh.size, sizeof(*fresh.slots));
	if (fresh.slots == NULL)
		return -ENOMEM;
	fresh.used = t->used;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].tag != 0)
			fresh.slots[find(&fresh, t->slots[i].tag)] =
			    t->slots[i];
	free(t->slots);
	*t = fresh;
	return 0;
}

uint64_t
tally_tag(const struct tally *t, const void *owner, size_t n)
{
	uint64_t tag = hash_keyed(&t->key, owner, n);

	return tag != 0 ? tag : 1;
}

uint32_t
tally_count(const struct tally *t, uint64_t tag)
{
	return t->size == 0 ? 0 : t->slots[find(t, tag)].count;
}

int
tally_add(struct tally *t, uint64_t tag)
{
	struct tally_slot *s;

	if (t->size == 0)
		return -ENOBUFS;
	s = &t->slots[find(t, tag)];
	if (s->tag == 0) {
		if (2 * (t->used + 1) > t->size)
			return -ENOBUFS;
		s->tag = tag;
		t->used++;
	}
	s->count++;
	return 0;
}

/* Whoever was pushed past the hole comes back to it: no marks are left. */
static void
close_gap(struct tally *t, size_t hole)
{
	size_t mask = t->size - 1;

	for (size_t i = (hole + 1) & mask; t->slots[i].tag != 0;
	     i = (i + 1) & mask) {
		size_t home = t->slots[i].tag & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		t->slots[hole] = t->slots[i];
		hole = i;
	}
	t->slots[hole] = (struct tally_slot){ 0 };
}

void
tally_remove(struct tally *t, uint64_t tag)
{
	size_t i;

	if (t->size == 0)
		return;
	i = find(t, tag);
	if (t->slots[i].tag == 0 || --t->slots[i].count > 0)
		return;
	t->used--;
	close_gap(t, i);
}
