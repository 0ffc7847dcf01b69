/* SPDX-License-Identifier: ISC */

#include "model/bucket.h"

#define NS UINT64_C(1000000000)

struct bucket_rate
bucket_rate(uint32_t count, uint32_t period_s, uint32_t burst)
{
	struct bucket_rate r = { .step_ns = period_s * NS / count };

	if (r.step_ns == 0)
		r.step_ns = 1;
	r.fill_ns = burst * r.step_ns;
	return r;
}

uint64_t
bucket_ask(const struct bucket_rate *r, uint64_t full_at, uint64_t now,
    struct bucket_answer *a)
{
	uint64_t lack = full_at > now ? full_at - now : 0;

	/* Filled at another rate, before a reload. */
	if (lack > r->fill_ns)
		lack = r->fill_ns;
	a->ok = lack + r->step_ns <= r->fill_ns;
	a->wait_ns = a->ok ? 0 : lack + r->step_ns - r->fill_ns;
	if (a->ok)
		lack += r->step_ns;
	a->left = (r->fill_ns - lack) / r->step_ns;
	a->full_ns = lack;
	return now + lack;
}

static struct bucket_slot *
find(struct bucket_line *line, uint64_t key)
{
	for (unsigned i = 0; i < BUCKET_WAYS; i++)
		if (atomic_load(&line->slots[i].key) == key)
			return &line->slots[i];
	return NULL;
}

/* The one that is full, or will be soonest. */
static struct bucket_slot *
victim(struct bucket_line *line)
{
	struct bucket_slot *best = &line->slots[0];
	uint64_t soonest = atomic_load(&best->full_at);

	for (unsigned i = 1; i < BUCKET_WAYS; i++) {
		uint64_t at = atomic_load(&line->slots[i].full_at);

		if (at >= soonest)
			continue;
		best = &line->slots[i];
		soonest = at;
	}
	return best;
}

/*
 * A place for key. Of two processes that put the same key into two places, each
 * looks again afterwards, and both go on with the first of them.
 */
static struct bucket_slot *
claim(struct bucket_line *line, uint64_t key, uint64_t now, bool *evicted)
{
	struct bucket_slot *s, *first;

	while ((s = find(line, key)) == NULL) {
		uint64_t owner, full_at;

		s = victim(line);
		owner = atomic_load(&s->key);
		full_at = atomic_load(&s->full_at);
		if (owner == key ||
		    !atomic_compare_exchange_strong(&s->key, &owner, key))
			continue;
		*evicted = owner != 0 && full_at > now;
		if (*evicted)
			atomic_compare_exchange_strong(
			    &s->full_at, &full_at, 0);
		first = find(line, key);
		if (first != s && first != NULL)
			atomic_compare_exchange_strong(
			    &s->key, &(uint64_t){ key }, 0);
	}
	return s;
}

void
bucket_take(struct bucket_line *lines, size_t nlines, uint64_t key,
    const struct bucket_rate *r, uint64_t now, struct bucket_answer *a)
{
	struct bucket_line *line = &lines[key & (nlines - 1)];
	struct bucket_slot *s;
	uint64_t seen, next;

	a->evicted = false;
	key |= UINT64_C(1) << 63; /* never 0 */
	s = claim(line, key, now, &a->evicted);
	seen = atomic_load(&s->full_at);
	do
		next = bucket_ask(r, seen, now, a);
	while (
	    a->ok && !atomic_compare_exchange_weak(&s->full_at, &seen, next));
}
