/* SPDX-License-Identifier: ISC */

#include "model/outlier.h"

#define UNIT 16 /* of a burden, for a request */

/* By halves, and along a straight line between them. */
static uint32_t
fade(uint32_t burden, uint64_t ms)
{
	uint32_t rest = (uint32_t)(ms % OUTLIER_HALF_MS);

	if (ms / OUTLIER_HALF_MS >= 32)
		return 0;
	burden >>= ms / OUTLIER_HALF_MS;
	return burden - burden / 2 * rest / OUTLIER_HALF_MS;
}

uint32_t
outlier_burden(struct outlier *o, uint64_t now_ms)
{
	uint32_t left = fade(o->burden, now_ms - o->burden_ms);

	if (left < UNIT)
		o->burden = 0;
	return left / UNIT;
}

static void
weigh_down(struct outlier *o, uint64_t now_ms)
{
	uint32_t left = fade(o->burden, now_ms - o->burden_ms);

	o->burden = left + OUTLIER_BURDEN * UNIT;
	if (o->burden > OUTLIER_BURDEN_MAX * UNIT)
		o->burden = OUTLIER_BURDEN_MAX * UNIT;
	o->burden_ms = now_ms;
}

/* Whether half of a number of requests failed. */
static bool
mostly_fails(struct outlier *o, const struct outlier_policy *p)
{
	if (o->seen >= 4 * (uint64_t)p->errors) {
		o->seen = 0;
		o->failed = 0;
	}
	o->seen++;
	return ++o->failed >= 2 * p->errors;
}

enum outlier_verdict
outlier_failure(
    struct outlier *o, const struct outlier_policy *p, uint64_t now_ms)
{
	bool mostly;

	weigh_down(o, now_ms);
	if (p->errors == 0)
		return OUTLIER_STAYS;
	if (o->errors < p->errors)
		o->errors++;
	mostly = mostly_fails(o, p);
	if (o->errors == p->errors)
		return OUTLIER_IN_A_ROW;
	return mostly ? OUTLIER_MOSTLY : OUTLIER_STAYS;
}

bool
outlier_allows(const struct outlier_policy *p, unsigned n, unsigned out)
{
	return out + 1 < n &&
	    (uint64_t)(out + 1) * 100 <= (uint64_t)n * p->percent;
}

static void
forgive(struct outlier *o, const struct outlier_policy *p, uint64_t now_ms)
{
	uint64_t served = now_ms - o->until_ms;

	if (p->ms == 0 || served / p->ms >= o->times)
		o->times = 0;
	else
		o->times -= (unsigned)(served / p->ms);
}

uint64_t
outlier_eject(
    struct outlier *o, const struct outlier_policy *p, uint64_t now_ms)
{
	uint64_t ms;

	forgive(o, p, now_ms);
	if (o->times < OUTLIER_TIMES_MAX)
		o->times++;
	ms = p->ms * o->times;
	o->errors = 0;
	o->failed = 0;
	o->seen = 0;
	o->until_ms = now_ms + ms;
	return ms;
}
