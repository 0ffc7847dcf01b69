/* SPDX-License-Identifier: ISC */

#include "model/balance.h"

#include "base/hash.h"

/* --- least ---------------------------------------------------------------- */

struct loaded {
	uint32_t i;
	uint64_t load; /* with the new one */
};

/* Loads are sums over all workers: asked for once. */
static struct loaded
weigh(struct balance *b, uint32_t i)
{
	return (struct loaded){ i, (uint64_t)b->ops->load(b->arg, i) + 1 };
}

/* By load/weight, without a division. */
static int
compare(const struct balance *b, struct loaded a, struct loaded c)
{
	uint64_t x = a.load * b->endpoints[c.i].weight;
	uint64_t y = c.load * b->endpoints[a.i].weight;

	return x < y ? -1 : x > y;
}

/* From a random place on, so that equals share. */
static uint32_t
scan_least(struct balance *b)
{
	struct loaded best = { .i = BALANCE_NONE };
	uint32_t at = rng_below(b->rng, b->n);

	for (uint32_t seen = 0; seen < b->n; seen++) {
		if (b->ops->usable(b->arg, at)) {
			struct loaded one = weigh(b, at);

			if (best.i == BALANCE_NONE || compare(b, one, best) < 0)
				best = one;
		}
		at = at + 1 == b->n ? 0 : at + 1;
	}
	return best.i;
}

static uint32_t
pick_least(struct balance *b)
{
	uint32_t i, k;
	bool can_i, can_k;

	if (b->n <= BALANCE_SCAN)
		return scan_least(b);
	i = rng_below(b->rng, b->n);
	k = rng_below(b->rng, b->n - 1);
	k += k >= i;
	can_i = b->ops->usable(b->arg, i);
	can_k = b->ops->usable(b->arg, k);
	if (can_i && can_k)
		return compare(b, weigh(b, i), weigh(b, k)) <= 0 ? i : k;
	if (can_i || can_k)
		return can_i ? i : k;
	return scan_least(b);
}

/* --- round robin ---------------------------------------------------------- */

#define ROUND (UINT64_C(1) << 32) /* what a weight of 1 waits for its turn */

/* Equals in the order of the list. */
static bool
before(const struct balance_endpoint *e, uint32_t i, uint32_t k)
{
	int64_t d = (int64_t)(e[i].due - e[k].due);

	return d < 0 || (d == 0 && i < k);
}

/* Whoever is in this place waits longer now. */
static void
sink(struct balance_endpoint *e, uint32_t n, uint32_t at)
{
	uint32_t i = e[at].place, below;

	while ((below = 2 * at + 1) < n) {
		if (below + 1 < n &&
		    before(e, e[below + 1].place, e[below].place))
			below++;
		if (before(e, i, e[below].place))
			break;
		e[at].place = e[below].place;
		at = below;
	}
	e[at].place = i;
}

void
balance_begin(struct balance_endpoint *endpoints, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		endpoints[i].place = i;
	for (uint32_t at = n / 2; at-- > 0;)
		sink(endpoints, n, at);
}

uint64_t
balance_now(const struct balance_endpoint *endpoints, uint32_t n)
{
	return n == 0 ? 0 : endpoints[endpoints[0].place].due;
}

/* In the middle of its round: the turns of unequal ones fall apart. */
uint64_t
balance_first(uint32_t weight, uint64_t now)
{
	return now + ROUND / weight / 2;
}

static uint32_t
take_turn(struct balance *b, uint32_t at)
{
	struct balance_endpoint *e = b->endpoints;
	uint32_t i = e[at].place;

	e[i].due += ROUND / e[i].weight;
	sink(e, b->n, at);
	return i;
}

/* Few can be had: the first that is due among them. */
static uint32_t
scan_due(struct balance *b)
{
	const struct balance_endpoint *e = b->endpoints;
	uint32_t best = BALANCE_NONE;

	for (uint32_t at = 0; at < b->n; at++)
		if (b->ops->usable(b->arg, e[at].place) &&
		    (best == BALANCE_NONE ||
			before(e, e[at].place, e[best].place)))
			best = at;
	return best == BALANCE_NONE ? BALANCE_NONE : take_turn(b, best);
}

static uint32_t
pick_round_robin(struct balance *b)
{
	for (int tries = 0; tries < BALANCE_SCAN; tries++) {
		uint32_t i = take_turn(b, 0);

		if (b->ops->usable(b->arg, i))
			return i;
	}
	return scan_due(b);
}

/* --- hash ----------------------------------------------------------------- */

/*
 * -log2 of x / 2^64 in units of 2^-16, by the integer part and a straight line
 * between powers of two: off by less than 9 %, alike on every machine.
 */
static uint64_t
minus_log2(uint64_t x)
{
	unsigned zeros = x == 0 ? 63 : (unsigned)__builtin_clzll(x);
	uint64_t fraction = (x << zeros << 1) >> 48; /* 0 .. 65535 */

	return ((uint64_t)(zeros + 1) << 16) - fraction;
}

static uint64_t
mix(uint64_t key, uint64_t identity)
{
	uint64_t z = key ^ (identity * 0x9e3779b97f4a7c15U);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

/* Weighted rendezvous: the least of -log(hash) / weight wins. */
static uint32_t
scan_hash(struct balance *b, uint64_t slot, bool all)
{
	uint32_t best = BALANCE_NONE;
	uint64_t best_hash = 0, best_score = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		struct balance_endpoint *e = &b->endpoints[i];
		uint64_t hash = mix(slot, e->identity);
		uint64_t score = (minus_log2(hash) << 20) / e->weight;

		if (!all && !b->ops->usable(b->arg, i))
			continue;
		if (best != BALANCE_NONE &&
		    (score > best_score ||
			(score == best_score && hash <= best_hash)))
			continue;
		best = i;
		best_hash = hash;
		best_score = score;
	}
	return best;
}

static uint32_t
owner_of(struct balance *b, uint64_t slot)
{
	uint32_t i;

	if (b->owners == NULL)
		return scan_hash(b, slot, true);
	if (b->owners[slot] != 0)
		return b->owners[slot] - 1U;
	i = scan_hash(b, slot, true);
	b->owners[slot] = (uint16_t)(i + 1);
	return i;
}

static uint32_t
pick_hash(struct balance *b, uint64_t key)
{
	uint64_t slot = mix(key, 0) % BALANCE_SLOTS;
	uint32_t i = owner_of(b, slot);

	return b->ops->usable(b->arg, i) ? i : scan_hash(b, slot, false);
}

uint32_t
balance_pick(struct balance *b, enum balance_policy policy, uint64_t key)
{
	if (b->n == 0)
		return BALANCE_NONE;
	switch (policy) {
	case BALANCE_ROUND_ROBIN:
		return pick_round_robin(b);
	case BALANCE_HASH:
		return pick_hash(b, key);
	case BALANCE_LEAST:
		break;
	}
	return pick_least(b);
}

uint32_t
balance_slow_start(uint32_t weight, uint64_t age_ms)
{
	uint64_t tenths;

	if (age_ms >= BALANCE_SLOW_START_MS)
		return weight;
	tenths = 1 + age_ms * 9 / BALANCE_SLOW_START_MS;
	weight = (uint32_t)(weight * tenths / 10);
	return weight == 0 ? 1 : weight;
}

uint64_t
balance_hash(struct span s)
{
	static const struct hash_key same = { 0x64726f766572,
		0x62616c616e6365 };

	return hash_keyed(&same, s.p, s.n);
}

/* --- keys ----------------------------------------------------------------- */

/* name=value among pairs that sep divides. */
static bool
find_pair(struct span pairs, char sep, struct span name, struct span *value)
{
	struct span pair;

	while (span_next(&pairs, sep, &pair)) {
		pair = span_trim(pair);
		if (!span_starts(pair, name) || pair.n == name.n ||
		    pair.p[name.n] != '=')
			continue;
		value->p = pair.p + name.n + 1;
		value->n = pair.n - name.n - 1;
		return true;
	}
	return false;
}

bool
balance_cookie(struct span cookies, struct span name, struct span *value)
{
	return find_pair(cookies, ';', name, value);
}

bool
balance_query(struct span query, struct span name, struct span *value)
{
	return find_pair(query, '&', name, value);
}
