/* SPDX-License-Identifier: ISC */

/*
 * balance - which of a service's endpoints gets the next request
 *
 * A policy is one function over a list of endpoints of which it knows weight
 * and identity; what changes from request to request (how loaded, whether it
 * can be had at all) it asks through balance_ops. Nothing here allocates, and
 * nothing is remembered but in the struct balance of the service.
 *
 *  - least: the fewest requests for their weight. Up to BALANCE_SCAN endpoints
 *    all are looked at; above, two drawn at random (power of two choices), and
 *    all only if neither can be had. Ties are broken at random.
 *  - round robin: in turn, smoothly by weight (5:1:1 gives a a a b c a a). Each
 *    endpoint is due again 1/weight after its last turn, and the first in a
 *    heap of those times is next; one that cannot be had loses its turn.
 *  - hash: a key is one of BALANCE_SLOTS, and a slot belongs to the endpoint
 *    with the highest hash(slot, endpoint) by weight (rendezvous), so that it
 *    stays where it is when others come and go. The next highest when the
 *    first cannot be had. Slots fall to endpoints as by lot, so the shares of n
 *    equal ones differ by the root of n/BALANCE_SLOTS (standard deviation):
 *    1 % of 10, 4 % of 100, 12 % of 1,000. Less than 5 % of 1,000 would take
 *    eight times as many slots: 1 MiB for each service and worker, and eight
 *    times as many looks at all of them after each change. Fewer than 65,536
 *    keys differ by more than that of themselves.
 *
 * What a choice costs does not grow with the endpoints, but for the logarithm
 * of the heap, as long as most of them can be had: owners remembers whose a
 * slot is once somebody asked for it.
 *
 * Weights are effective ones: configured, times 10 % to 100 % during the slow
 * start (balance_slow_start()).
 */

#ifndef MODEL_BALANCE_H
#define MODEL_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"
#include "base/str.h"

#define BALANCE_SCAN 8
#define BALANCE_SLOTS 65536
#define BALANCE_SLOW_START_MS 10000
#define BALANCE_NONE UINT32_MAX

enum balance_policy { BALANCE_LEAST, BALANCE_ROUND_ROBIN, BALANCE_HASH };

enum balance_key {
	BALANCE_KEY_HEADER,
	BALANCE_KEY_COOKIE,
	BALANCE_KEY_QUERY,
	BALANCE_KEY_PATH,
	BALANCE_KEY_SOURCE
};

struct balance_endpoint {
	uint64_t identity; /* stable hash of its name */
	uint32_t weight;   /* at least 1 */
	uint32_t place;	   /* round robin's heap: who is in the place of mine */
	uint64_t due;	   /* its next turn; only differences count */
};

struct balance_ops {
	/* Whether it may be chosen now: not down, not full, not tried. */
	bool (*usable)(void *arg, uint32_t i);
	/* Requests that it has, and what its errors count as: outlier.h. */
	uint32_t (*load)(void *arg, uint32_t i);
};

struct balance {
	struct balance_endpoint *endpoints; /* borrowed */
	uint32_t n;
	/*
	 * Hash: 1 + the owner of each slot, 0 where nobody asked; borrowed.
	 * All 0 again when a weight changes. NULL: looked for each time.
	 */
	uint16_t *owners;
	struct rng *rng; /* borrowed */
	const struct balance_ops *ops;
	void *arg;
};

/* An index, or BALANCE_NONE when none is usable. key is for BALANCE_HASH. */
uint32_t balance_pick(
    struct balance *b, enum balance_policy policy, uint64_t key);

/*
 * Round robin over a new list begins; every weight and every due is set. Where
 * it is now, and when somebody new is due, so that he gets no more than his
 * share; both within the same list.
 */
void balance_begin(struct balance_endpoint *endpoints, uint32_t n);
uint64_t balance_now(const struct balance_endpoint *endpoints, uint32_t n);
uint64_t balance_first(uint32_t weight, uint64_t now);

/* The weight of an endpoint that has been ready for age_ms; at least 1. */
uint32_t balance_slow_start(uint32_t weight, uint64_t age_ms);

/* The same on every worker and node: not keyed, so not for tables. */
uint64_t balance_hash(struct span s);

/* Where the key of BALANCE_KEY_COOKIE and _QUERY stands; false: not there. */
bool balance_cookie(struct span cookies, struct span name, struct span *value);
bool balance_query(struct span query, struct span name, struct span *value);

#endif /* MODEL_BALANCE_H */
