/* SPDX-License-Identifier: ISC */

/*
 * outlier - an endpoint that only or mostly fails is left alone for a while
 *
 * After so many gateway errors in a row (refused or broken connections, no
 * answer in time, an invalid one, 502, 503, 504) an endpoint is ejected: for
 * `ms`, the next time for twice that, and so on up to OUTLIER_TIMES_MAX times;
 * each `ms` that it then serves takes one back. At most `percent` of a
 * service's endpoints are out, and never the last one. What is counted belongs
 * to one worker, as what it saw does.
 *
 * A success does not make up for what keeps failing beside it (each answer
 * with a body, say, while HEAD is well). So twice as many errors among four
 * times as many requests eject, too: of `errors` 5 in a row, or 10 of 20.
 * Those 20 begin with an error, and anew with the first one behind them.
 *
 * Until then, and where it may not go, an endpoint that fails at once has
 * nothing in flight and would look like the best choice of all. So an error
 * counts as OUTLIER_BURDEN requests that it has, of which half are left each
 * OUTLIER_HALF_MS: after a second a single one is forgotten. By that the errors
 * of a moment are fewer than a fifth of what is in flight elsewhere, which is
 * what may be retried (model/budget.h).
 */

#ifndef MODEL_OUTLIER_H
#define MODEL_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

#define OUTLIER_TIMES_MAX 10
#define OUTLIER_BURDEN 8
#define OUTLIER_BURDEN_MAX 65536
#define OUTLIER_HALF_MS 250

struct outlier_policy {
	unsigned errors; /* in a row; 0: nobody is ejected */
	unsigned percent;
	uint64_t ms;
};

/* Zeroed is ready. */
struct outlier {
	unsigned errors; /* in a row */
	unsigned failed; /* of those seen */
	uint64_t seen;	 /* requests */
	unsigned times;	 /* how often in a row it was out */
	uint32_t burden; /* of errors, in 1/16 requests, at burden_ms */
	uint64_t burden_ms;
	uint64_t until_ms;
};

static inline void
outlier_success(struct outlier *o)
{
	o->errors = 0;
	o->seen++;
}

enum outlier_verdict {
	OUTLIER_STAYS,
	OUTLIER_IN_A_ROW, /* one too many */
	OUTLIER_MOSTLY,	  /* half of its requests */
};

enum outlier_verdict outlier_failure(
    struct outlier *o, const struct outlier_policy *p, uint64_t now_ms);

/* Whether one more of n may go, when `out` are out already. */
bool outlier_allows(const struct outlier_policy *p, unsigned n, unsigned out);

/* From now on it is out. For how long. */
uint64_t outlier_eject(
    struct outlier *o, const struct outlier_policy *p, uint64_t now_ms);

static inline bool
outlier_is_out(const struct outlier *o, uint64_t now_ms)
{
	return o->until_ms > now_ms;
}

/* What is left of its burden; called through outlier_load(). */
uint32_t outlier_burden(struct outlier *o, uint64_t now_ms);

/* As how many requests its errors count now. */
static inline uint32_t
outlier_load(struct outlier *o, uint64_t now_ms)
{
	return o->burden == 0 ? 0 : outlier_burden(o, now_ms);
}

#endif /* MODEL_OUTLIER_H */
