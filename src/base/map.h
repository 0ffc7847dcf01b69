/* SPDX-License-Identifier: ISC */

/*
 * map - from names to pointers
 *
 * Open addressing under a keyed hash. Keys are copied; values are borrowed.
 * NULL is not a value. The order of iteration means nothing; a map may not
 * change while it is walked, except by map_del() of the entry at hand.
 */

#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>

#include "base/str.h"

struct map_entry;

struct map {
	struct map_entry *entries; /* NULL until the first key */
	size_t cap;		   /* a power of two */
	size_t len;		   /* live keys */
	size_t used;		   /* live and dead slots */
};

void map_init(struct map *m);
void map_done(struct map *m); /* frees the keys, not the values */

/* 0 or -ENOMEM; an old value under the key is replaced. */
int map_put(struct map *m, struct span key, void *value) MUST_CHECK;

void *map_get(const struct map *m, struct span key); /* or NULL */
void *map_del(struct map *m, struct span key);	     /* what stood there */

/* Walk: *at starts at 0. The next value, or NULL at the end. key may be NULL */
void *map_next(const struct map *m, size_t *at, const char **key);

#endif /* BASE_MAP_H */
