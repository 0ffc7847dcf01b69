/* SPDX-License-Identifier: ISC */

#include "proxy/verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "tls/digest.h"

struct verdict {
	struct link link;
	struct verdict *next; /* in its bucket */
	unsigned char digest[VERDICTS_DIGEST];
	uint64_t until_ms;
	size_t n;
	char lines[];
};

void
verdicts_init(struct verdicts *v, unsigned max)
{
	list_init(&v->order);
	v->buckets = NULL;
	v->n = 0;
	v->max = max;
}

void
verdicts_done(struct verdicts *v)
{
	LIST_EACH_SAFE (e, &v->order, struct verdict, link)
		free(e);
	free(v->buckets);
	verdicts_init(v, v->max);
}

static struct verdict **
bucket_of(struct verdicts *v, const unsigned char *digest)
{
	uint32_t hash;

	memcpy(&hash, digest, sizeof(hash));
	return &v->buckets[hash % VERDICTS_BUCKETS];
}

static struct verdict *
find(struct verdicts *v, const unsigned char *digest)
{
	struct verdict *e;

	if (v->buckets == NULL)
		return NULL;
	for (e = *bucket_of(v, digest); e != NULL; e = e->next)
		if (digest_equal(e->digest, digest, VERDICTS_DIGEST))
			break;
	return e;
}

static void
drop(struct verdicts *v, struct verdict *e)
{
	struct verdict **at = bucket_of(v, e->digest);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	list_remove(&e->link);
	free(e);
	v->n--;
}

bool
verdicts_get(struct verdicts *v, const unsigned char digest[VERDICTS_DIGEST],
    uint64_t now_ms, struct span *lines)
{
	struct verdict *e = find(v, digest);

	if (e == NULL)
		return false;
	if (now_ms >= e->until_ms) {
		drop(v, e);
		return false;
	}
	list_remove(&e->link);
	list_push(&v->order, &e->link);
	*lines = (struct span){ e->lines, e->n };
	return true;
}

static bool
make_room(struct verdicts *v)
{
	if (v->buckets == NULL)
		v->buckets = calloc(VERDICTS_BUCKETS, sizeof(*v->buckets));
	if (v->buckets == NULL)
		return false;
	if (v->n >= v->max)
		drop(v, LIST_FIRST(&v->order, struct verdict, link));
	return true;
}

void
verdicts_put(struct verdicts *v, const unsigned char digest[VERDICTS_DIGEST],
    uint64_t until_ms, struct span lines)
{
	struct verdict *e = find(v, digest), **bucket;

	if (e != NULL)
		drop(v, e);
	if (lines.n > VERDICTS_LINES_MAX || !make_room(v))
		return;
	e = malloc(sizeof(*e) + lines.n);
	if (e == NULL)
		return;
	memset(&e->link, 0, sizeof(e->link));
	memcpy(e->digest, digest, VERDICTS_DIGEST);
	e->until_ms = until_ms;
	e->n = lines.n;
	if (lines.n > 0)
		memcpy(e->lines, lines.p, lines.n);
	bucket = bucket_of(v, digest);
	e->next = *bucket;
	*bucket = e;
	list_push(&v->order, &e->link);
	v->n++;
}
