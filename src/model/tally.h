/* SPDX-License-Identifier: ISC */

/*
 * tally - how many of something each of many owners has
 *
 * Open addressing with linear probing, at most half full, in one block that is
 * made beforehand: counting allocates nothing and looks at a few neighbours.
 * An owner is known by 64 bits of a keyed hash, so nobody can choose owners
 * that meet; that two do by chance is as likely as guessing the key.
 */

#ifndef MODEL_TALLY_H
#define MODEL_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"

struct tally_slot {
	uint64_t tag; /* 0: free */
	uint32_t count;
};

struct tally {
	struct hash_key key;
	struct tally_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t used; /* owners that have any */
};

void tally_init(struct tally *t, const struct hash_key *key);
void tally_done(struct tally *t);

/*
 * Make room for so many owners, with all that is counted; never less than
 * there are. -ENOMEM: it is as it was.
 */
int tally_resize(struct tally *t, size_t owners) MUST_CHECK;

/* An owner's tag; never 0. */
uint64_t tally_tag(const struct tally *t, const void *owner, size_t n);

uint32_t tally_count(const struct tally *t, uint64_t tag);

/* One more. -ENOBUFS: there is no room for another owner. */
int tally_add(struct tally *t, uint64_t tag) MUST_CHECK;
void tally_remove(struct tally *t, uint64_t tag); /* one that was added */

#endif /* MODEL_TALLY_H */
