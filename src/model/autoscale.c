/* SPDX-License-Identifier: ISC */

#include "model/autoscale.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PANIC_TIMES 2 /* what is ready */
#define PACE_MIN_MS 100
#define PACE_MAX_MS 1000
#define PACE_TIMES 6

/* --- slices of time ------------------------------------------------------- */

static uint64_t
width_of(uint64_t span_ms)
{
	return span_ms >= AUTOSCALE_SLICES ? span_ms / AUTOSCALE_SLICES : 1;
}

static void
empty_slice(struct autoscale_slices *s, uint64_t number)
{
	size_t at = (size_t)(number % (AUTOSCALE_SLICES + 1));

	s->sum[at] = 0;
	s->count[at] = s->most[at] = 0;
}

/* Make room for `now`: what is older than the span is forgotten. */
static size_t
turn(struct autoscale_slices *s, uint64_t span_ms, uint64_t now)
{
	uint64_t number = now / width_of(span_ms), from = s->last + 1;

	if (number > s->last + AUTOSCALE_SLICES)
		from = number - AUTOSCALE_SLICES;
	for (uint64_t i = from; i <= number; i++)
		empty_slice(s, i);
	if (number > s->last)
		s->last = number;
	return (size_t)(s->last % (AUTOSCALE_SLICES + 1));
}

static void
put(struct autoscale_slices *s, uint64_t span_ms, uint64_t now, uint64_t value)
{
	size_t at = turn(s, span_ms, now);

	s->sum[at] += value;
	s->count[at]++;
	if (value > s->most[at])
		s->most[at] = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint64_t
mean_milli(const struct autoscale_slices *s)
{
	uint64_t sum = 0, n = 0;

	for (size_t i = 0; i <= AUTOSCALE_SLICES; i++) {
		sum += s->sum[i];
		n += s->count[i];
	}
	return n == 0 ? 0 : sum * 1000 / n;
}

static unsigned
most(const struct autoscale_slices *s)
{
	uint32_t v = 0;

	for (size_t i = 0; i <= AUTOSCALE_SLICES; i++)
		if (s->most[i] > v)
			v = s->most[i];
	return v;
}

/* --- its life ------------------------------------------------------------- */

static unsigned
within(const struct autoscale_policy *p, uint64_t n)
{
	if (n < p->min)
		return p->min;
	return n > p->max ? p->max : (unsigned)n;
}

static void
forget(struct autoscale *a, uint64_t now)
{
	memset(&a->stable, 0, sizeof(a->stable));
	memset(&a->peak, 0, sizeof(a->peak));
	memset(&a->wishes, 0, sizeof(a->wishes));
	a->born_ms = now;
	a->panic = false;
}

void
autoscale_begin(struct autoscale *a, const struct autoscale_policy *p,
    unsigned desired, uint64_t now_ms)
{
	*a = (struct autoscale){
		.desired = within(p, desired),
		.cause = AUTOSCALE_BEGUN,
		.last_ms = now_ms,
		.busy_ms = now_ms,
	};
	a->wish = a->desired;
	forget(a, now_ms);
}

bool
autoscale_bounds(struct autoscale *a, const struct autoscale_policy *p)
{
	unsigned n = within(p, a->desired);

	if (n == a->desired)
		return false;
	a->desired = a->wish = n;
	a->cause = AUTOSCALE_BOUNDS;
	return true;
}

bool
autoscale_wake(
    struct autoscale *a, const struct autoscale_policy *p, uint64_t now_ms)
{
	if (now_ms > a->last_ms)
		a->last_ms = now_ms;
	a->busy_ms = a->last_ms;
	if (a->desired > 0)
		return false;
	forget(a, a->last_ms);
	a->desired = a->wish = within(p, 1);
	a->cause = AUTOSCALE_WOKEN;
	a->bound = AUTOSCALE_FREE;
	return true;
}

/* --- seeing --------------------------------------------------------------- */

static uint64_t
copies(uint64_t load_milli, uint64_t target_milli)
{
	return load_milli / target_milli + (load_milli % target_milli != 0);
}

static uint64_t
keep_time(struct autoscale *a, const struct autoscale_policy *p, uint64_t now)
{
	if (now < a->last_ms)
		now = a->last_ms;
	if (now - a->last_ms > p->window_ms / 2) {
		forget(a, now);
		a->busy_ms = now;
	}
	a->last_ms = now;
	return now;
}

static void
look_for_panic(struct autoscale *a, const struct autoscale_policy *p,
    uint64_t now, uint64_t wanted)
{
	uint64_t ready = a->last.ready;

	if (wanted > ready && wanted >= PANIC_TIMES * ready) {
		a->panic = true;
		a->panic_at = now;
	} else if (a->panic && now - a->panic_at >= p->window_ms) {
		a->panic = false;
	}
}

static bool
is_idle(const struct autoscale *a, const struct autoscale_policy *p)
{
	return a->last_ms - a->busy_ms >= p->window_ms + p->grace_ms;
}

/* Nobody is there to measure the load with: it stays as it is, or ends. */
static void
wish_blindly(struct autoscale *a, const struct autoscale_policy *p)
{
	forget(a, a->last_ms);
	a->reason = is_idle(a, p) ? AUTOSCALE_IDLE : a->cause;
	a->wish = is_idle(a, p) ? p->min : within(p, a->desired);
}

static void
wish_by_load(struct autoscale *a, const struct autoscale_policy *p)
{
	uint64_t stable = copies(a->stable_milli, p->target_milli);
	uint64_t peak = copies(a->panic_milli, p->target_milli);
	uint64_t wanted = stable;

	look_for_panic(a, p, a->last_ms, peak);
	a->reason = AUTOSCALE_LOAD;
	if (a->panic && peak > wanted) {
		a->reason = AUTOSCALE_PANIC;
		wanted = peak;
	}
	if (a->panic && wanted < a->desired)
		wanted = a->desired;
	if (a->last.wait_ms > p->wait_ms && wanted <= a->desired) {
		wanted = a->desired + (a->last.starting == 0);
		a->reason = AUTOSCALE_WAITING;
	}
	if (wanted == 0 && !is_idle(a, p))
		wanted = 1;
	if (wanted == 0)
		a->reason = AUTOSCALE_IDLE;
	a->wish = within(p, wanted);
	a->bound = wanted > p->max ? AUTOSCALE_AT_MAX : AUTOSCALE_FREE;
}

bool
autoscale_see(struct autoscale *a, const struct autoscale_policy *p,
    uint64_t now_ms, const struct autoscale_sample *s)
{
	uint64_t now = keep_time(a, p, now_ms);

	a->last = *s;
	if (s->busy || s->load > 0)
		a->busy_ms = now;
	a->bound = AUTOSCALE_FREE;
	if (a->desired == 0)
		return false; /* autoscale_wake() alone leads out */
	put(&a->stable, p->window_ms, now, s->load);
	put(&a->peak, p->panic_ms, now, s->load);
	a->stable_milli = mean_milli(&a->stable);
	a->panic_milli = mean_milli(&a->peak);
	if (s->ready > 0)
		wish_by_load(a, p);
	else
		wish_blindly(a, p);
	put(&a->wishes, p->grace_ms, now, a->wish);
	return a->wish > a->desired;
}

/* --- deciding ------------------------------------------------------------- */

static bool
set(struct autoscale *a, unsigned n)
{
	if (n == a->desired)
		return false;
	a->desired = n;
	a->cause = a->reason;
	a->was_milli = a->reason == AUTOSCALE_PANIC ? a->panic_milli
						    : a->stable_milli;
	return true;
}

static bool
add(struct autoscale *a, const struct autoscale_policy *p, unsigned room)
{
	unsigned starting = a->last.starting, more = a->wish - a->desired;
	unsigned free = p->surge > starting ? p->surge - starting : 0;

	if (more > free) {
		more = free;
		a->bound = AUTOSCALE_AT_SURGE;
	}
	if (more > room) {
		more = room;
		a->bound = AUTOSCALE_AT_MEMORY;
	}
	return set(a, a->desired + more);
}

static bool
seen_enough(const struct autoscale *a, const struct autoscale_policy *p)
{
	uint64_t seen = a->last_ms - a->born_ms;

	return seen >= p->window_ms && seen >= p->grace_ms;
}

static bool
take(struct autoscale *a, const struct autoscale_policy *p)
{
	unsigned n = most(&a->wishes);

	/* Nothing came for so long that nothing else need be known. */
	if (a->reason == AUTOSCALE_IDLE && a->wish == 0)
		return set(a, 0);
	if (n < a->wish)
		n = a->wish;
	if (n >= a->desired || !a->last.whole || !seen_enough(a, p))
		return false;
	return set(a, n);
}

bool
autoscale_decide(
    struct autoscale *a, const struct autoscale_policy *p, unsigned room)
{
	if (a->wish > a->desired)
		return add(a, p, room);
	if (a->wish < a->desired && !a->last.hold)
		return take(a, p);
	return false;
}

/* --- in words ------------------------------------------------------------- */

uint64_t
autoscale_pace(const struct autoscale_policy *p)
{
	uint64_t ms = p->panic_ms / PACE_TIMES;

	if (ms < PACE_MIN_MS)
		return PACE_MIN_MS;
	return ms > PACE_MAX_MS ? PACE_MAX_MS : ms;
}

uint64_t
autoscale_target(unsigned said, unsigned concurrency)
{
	if (said > 0)
		return (uint64_t)said * 1000;
	if (concurrency > 0)
		return (uint64_t)concurrency * AUTOSCALE_SHARE * 10;
	return AUTOSCALE_TARGET * 1000;
}

const char *
autoscale_text(const struct autoscale *a, const struct autoscale_policy *p,
    char out[AUTOSCALE_TEXT])
{
	double was = (double)a->was_milli / 1000.0;
	double target = (double)p->target_milli / 1000.0;
	double window = (double)(a->cause == AUTOSCALE_PANIC ? p->panic_ms
							     : p->window_ms) /
	    1000.0;

	switch (a->cause) {
	case AUTOSCALE_BEGUN:
		snprintf(out, AUTOSCALE_TEXT, "as it was found");
		break;
	case AUTOSCALE_WOKEN:
		snprintf(out, AUTOSCALE_TEXT, "woken at zero");
		break;
	case AUTOSCALE_LOAD:
	case AUTOSCALE_PANIC:
		snprintf(out, AUTOSCALE_TEXT,
		    "%.1f in flight over %.3g s, %.3g a copy%s", was, window,
		    target, a->cause == AUTOSCALE_PANIC ? ": panic" : "");
		break;
	case AUTOSCALE_WAITING:
		snprintf(out, AUTOSCALE_TEXT,
		    "requests waited for more than %.3g s",
		    (double)p->wait_ms / 1000.0);
		break;
	case AUTOSCALE_IDLE:
		snprintf(out, AUTOSCALE_TEXT, "nothing came for %.3g s",
		    (double)(p->window_ms + p->grace_ms) / 1000.0);
		break;
	case AUTOSCALE_BOUNDS:
		snprintf(out, AUTOSCALE_TEXT, "min is %u and max %u", p->min,
		    p->max);
		break;
	}
	return out;
}

const char *
autoscale_held(const struct autoscale *a, const struct autoscale_policy *p,
    char out[AUTOSCALE_TEXT])
{
	switch (a->bound) {
	case AUTOSCALE_FREE:
		out[0] = '\0';
		break;
	case AUTOSCALE_AT_MAX:
		snprintf(out, AUTOSCALE_TEXT, "max is %u", p->max);
		break;
	case AUTOSCALE_AT_SURGE:
		snprintf(out, AUTOSCALE_TEXT, "%u more wait: %u start already",
		    a->wish - a->desired, a->last.starting);
		break;
	case AUTOSCALE_AT_MEMORY:
		snprintf(out, AUTOSCALE_TEXT,
		    "%u more wait: there is no memory for them",
		    a->wish - a->desired);
		break;
	}
	return out;
}
