/* SPDX-License-Identifier: ISC */

#include "model/outlier.h"

bool
outlier_failure(struct outlier *o, const struct outlier_policy *p)
{
	if (p->errors == 0)
		return false;
	if (o->errors < p->errors)
		o->errors++;
	return o->errors == p->errors;
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
	o->until_ms = now_ms + ms;
	return ms;
}
