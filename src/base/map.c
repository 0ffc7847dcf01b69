/* SPDX-License-Identifier: ISC */

#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct map_entry {
	char *key;   /* NULL: never used, or dead if hash is 1 */
	void *value; /* NULL: not live */
	uint64_t hash;
};

#define DEAD 1U

void
map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void
map_done(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->entries[i].key);
	free(m->entries);
	map_init(m);
}

static struct map_entry *
lookup(const struct map *m, struct span key, uint64_t hash)
{
	size_t mask = m->cap - 1;

	if (m->cap == 0)
		return NULL;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct map_entry *e = &m->entries[i];

		if (e->key == NULL && e->hash != DEAD)
			return NULL;
		if (e->key != NULL && e->hash == hash &&
		    span_eq(span_of(e->key), key))
			return e;
	}
}

static struct map_entry *
free_slot(struct map_entry *entries, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (entries[i].key != NULL)
		i = (i + 1) & (cap - 1);
	return &entries[i];
}

static int
grow(struct map *m)
{
	size_t cap = 16;
	struct map_entry *entries;

	while (cap < m->len * 2 + 2)
		cap *= 2;
	entries = calloc(cap, sizeof(*entries));
	if (entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->entries[i].key != NULL)
			*free_slot(
			    entries, cap, m->entries[i].hash) = m->entries[i];
	free(m->entries);
	m->entries = entries;
	m->cap = cap;
	m->used = m->len;
	return 0;
}

static char *
copy_key(struct span key)
{
	char *s = malloc(key.n + 1);

	if (s == NULL)
		return NULL;
	if (key.n > 0)
		memcpy(s, key.p, key.n);
	s[key.n] = '\0';
	return s;
}

int
map_put(struct map *m, struct span key, void *value)
{
	uint64_t hash = hash_bytes(key.p, key.n) | 2; /* never 0 or DEAD */
	struct map_entry *e = lookup(m, key, hash);
	char *copy;

	if (e != NULL) {
		e->value = value;
		return 0;
	}
	if ((m->used + 1) * 4 > m->cap * 3 && grow(m) < 0)
		return -ENOMEM;
	copy = copy_key(key);
	if (copy == NULL)
		return -ENOMEM;
	e = free_slot(m->entries, m->cap, hash);
	if (e->hash != DEAD)
		m->used++;
	*e = (struct map_entry){ copy, value, hash };
	m->len++;
	return 0;
}

void *
map_get(const struct map *m, struct span key)
{
	struct map_entry *e;

	if (m->len == 0)
		return NULL;
	e = lookup(m, key, hash_bytes(key.p, key.n) | 2);
	return e == NULL ? NULL : e->value;
}

void *
map_del(struct map *m, struct span key)
{
	struct map_entry *e;
	void *value;

	if (m->len == 0)
		return NULL;
	e = lookup(m, key, hash_bytes(key.p, key.n) | 2);
	if (e == NULL)
		return NULL;
	value = e->value;
	free(e->key);
	*e = (struct map_entry){ NULL, NULL, DEAD };
	m->len--;
	return value;
}

void *
map_next(const struct map *m, size_t *at, const char **key)
{
	while (*at < m->cap) {
		const struct map_entry *e = &m->entries[(*at)++];

		if (e->key == NULL)
			continue;
		if (key != NULL)
			*key = e->key;
		return e->value;
	}
	return NULL;
}
