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

#define TABLE (VERDICTS_BUCKETS * sizeof(struct verdict *))

static size_t
size_of(size_t lines)
{
	return sizeof(struct verdict) + lines;
}

void
verdicts_init(struct verdicts *v, unsigned max, struct buf_meter *meter)
{
	list_init(&v->order);
	v->buckets = NULL;
	v->n = 0;
	v->held = 0;
	v->max = max;
	v->meter = meter;
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
	v->held -= size_of(e->n);
	buf_meter_free(v->meter, e, size_of(e->n));
	v->n--;
}

unsigned
verdicts_trim(struct verdicts *v, unsigned n)
{
	unsigned gone = 0;

	for (; gone < n && v->n > 0; gone++)
		drop(v, LIST_FIRST(&v->order, struct verdict, link));
	if (v->n == 0 && v->buckets != NULL) {
		buf_meter_free(v->meter, v->buckets, TABLE);
		v->buckets = NULL;
	}
	return gone;
}

static size_t
share(const struct verdicts *v)
{
	return v->meter == NULL ? SIZE_MAX : v->meter->max / VERDICTS_SHARE;
}

void
verdicts_limit(struct verdicts *v, unsigned max)
{
	v->max = max;
	while (v->n > max || v->held > share(v))
		verdicts_trim(v, 1);
}

void
verdicts_done(struct verdicts *v)
{
	verdicts_trim(v, v->n);
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
make_buckets(struct verdicts *v)
{
	if (v->buckets != NULL)
		return true;
	v->buckets = buf_meter_alloc(v->meter, TABLE);
	return v->buckets != NULL;
}

static bool
fits(const struct verdicts *v, size_t lines)
{
	return v->n < v->max && v->held + size_of(lines) <= share(v);
}

/* One that is on no list yet; NULL: there is no memory for it. */
static struct verdict *
make(struct verdicts *v, size_t lines)
{
	struct verdict *e = NULL;

	if (make_buckets(v))
		e = buf_meter_alloc(v->meter, size_of(lines));
	if (e != NULL) {
		v->held += size_of(lines);
		v->n++;
	}
	return e;
}

bool
verdicts_put(struct verdicts *v, const unsigned char digest[VERDICTS_DIGEST],
    uint64_t until_ms, struct span lines)
{
	struct verdict *e = find(v, digest), **bucket;
	bool pushed = false;

	if (e != NULL)
		drop(v, e);
	if (lines.n > VERDICTS_LINES_MAX)
		return false;
	while (v->n > 0 && !fits(v, lines.n))
		pushed = verdicts_trim(v, 1) > 0;
	if (!fits(v, lines.n) || (e = make(v, lines.n)) == NULL)
		return pushed;
	memcpy(e->digest, digest, VERDICTS_DIGEST);
	e->until_ms = until_ms;
	e->n = lines.n;
	if (lines.n > 0)
		memcpy(e->lines, lines.p, lines.n);
	bucket = bucket_of(v, digest);
	e->next = *bucket;
	*bucket = e;
	list_push(&v->order, &e->link);
	return pushed;
}
