/* SPDX-License-Identifier: ISC */

/*
 * autoscale - how many copies of a service its load asks for
 *
 * Fed with samples at a steady pace, it says the wanted count. The concept is
 * that of Knative's pod autoscaler (knative.dev, "Autoscaling": stable and
 * panic windows, scale-down delay, scale to zero):
 *
 *  - The load is how many requests are in flight or wait. Its mean over
 *    `window_ms` divided by `target`, rounded up, is what is wanted.
 *  - The mean over the shorter `panic_ms` asks for twice what is ready: panic.
 *    Then the larger of both counts, and nothing is taken away, until it has
 *    asked for less for a whole window.
 *  - A request that waits for longer than `wait_ms` asks for one copy more,
 *    unless one is on its way.
 *  - Less is wanted only if no sample of the last `grace_ms` wanted more, and
 *    all copies are ready: those that work may be the ones that would go.
 *  - Down to zero (`min` is 0) only when nothing at all came, was in flight or
 *    was open for `window_ms` + `grace_ms`; from zero only by autoscale_wake().
 *
 * At most `surge` copies may be on their way at once, and as many as memory
 * has room for. While none is ready none is added: it is not known whether any
 * can start, and what has piled up until then is no measure of the load. So
 * from zero it is one first. Up to `min`, and to that one, neither counts.
 *
 * What nobody saw is no reason to take away: after autoscale_begin(), and after
 * a gap of half a window (a clock that jumps, a process that slept), a whole
 * window and a whole grace have to be seen first. A clock that goes back
 * stands still.
 *
 * Pure: no clock, no I/O. Milliseconds of any steady clock; counts of requests.
 */

#ifndef MODEL_AUTOSCALE_H
#define MODEL_AUTOSCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTOSCALE_SLICES 30 /* of a window: how fine its end is cut */
#define AUTOSCALE_TARGET 10 /* in flight on one copy, where nothing says it */
#define AUTOSCALE_SHARE 70  /* per cent of limits.concurrency, where that is */
#define AUTOSCALE_TEXT 160

struct autoscale_policy {
	unsigned min, max;     /* min <= max, 1 <= max */
	uint64_t target_milli; /* requests on one copy, in thousandths; > 0 */
	unsigned surge;	       /* >= 1 */
	uint64_t window_ms, panic_ms, grace_ms, wait_ms;
};

struct autoscale_sample {
	uint64_t load;	   /* requests in flight and waiting */
	uint64_t wait_ms;  /* how long the oldest has waited; 0: nobody waits */
	unsigned ready;	   /* copies that take requests */
	unsigned starting; /* wanted ones that do not yet, or not any more */
	bool busy; /* a request came since the last one, or something is open */
	bool whole; /* all that are wanted are ready */
	bool hold;  /* nothing may be taken away now */
};

/* Why the last count is what it is. */
enum autoscale_cause {
	AUTOSCALE_BEGUN,   /* as it was found */
	AUTOSCALE_WOKEN,   /* somebody waited, at zero */
	AUTOSCALE_LOAD,	   /* the mean over the window */
	AUTOSCALE_PANIC,   /* the mean over the panic window */
	AUTOSCALE_WAITING, /* requests wait for too long */
	AUTOSCALE_IDLE,	   /* nothing came */
	AUTOSCALE_BOUNDS,  /* min or max */
};

/* What kept it from adding all that is wanted. */
enum autoscale_bound {
	AUTOSCALE_FREE,
	AUTOSCALE_AT_MAX,
	AUTOSCALE_AT_SURGE,
	AUTOSCALE_AT_MEMORY,
};

struct autoscale_slices {
	uint64_t last; /* number of the newest slice, since time 0 */
	uint64_t sum[AUTOSCALE_SLICES + 1];
	uint32_t count[AUTOSCALE_SLICES + 1];
	uint32_t most[AUTOSCALE_SLICES + 1];
};

/* A plain value. Read freely; only the functions below write it. */
struct autoscale {
	unsigned desired;
	enum autoscale_cause cause; /* of desired */
	enum autoscale_bound bound; /* now */
	uint64_t was_milli; /* the mean that cause speaks of, when it did */

	unsigned wish;		     /* of the last sample, within min..max */
	enum autoscale_cause reason; /* of the wish */
	uint64_t stable_milli, panic_milli; /* means of the load, now */
	bool panic;

	struct autoscale_sample last;
	uint64_t last_ms;  /* of the last sample */
	uint64_t born_ms;  /* seen without a gap since */
	uint64_t busy_ms;  /* when it last was */
	uint64_t panic_at; /* when it last had a reason to */
	struct autoscale_slices stable, peak, wishes;
};

/* Goes on from `desired`, within min..max. */
void autoscale_begin(struct autoscale *a, const struct autoscale_policy *p,
    unsigned desired, uint64_t now_ms);

/* Another policy; what was seen stays. True: desired differs by it. */
bool autoscale_bounds(struct autoscale *a, const struct autoscale_policy *p);

/* Somebody waits, or an operator asks: at least one. True: desired differs. */
bool autoscale_wake(
    struct autoscale *a, const struct autoscale_policy *p, uint64_t now_ms);

/* See, and make a wish of it. True: it is for more than desired. */
bool autoscale_see(struct autoscale *a, const struct autoscale_policy *p,
    uint64_t now_ms, const struct autoscale_sample *s);

/*
 * After see: what of the wish comes true. room: how many copies more memory
 * has room for; UINT_MAX: any number. True: desired differs.
 */
bool autoscale_decide(
    struct autoscale *a, const struct autoscale_policy *p, unsigned room);

/* How often it wants to see, in ms: six times in a panic window, 1 s at most */
uint64_t autoscale_pace(const struct autoscale_policy *p);

/* Per copy, in thousandths: as said, or derived from limits.concurrency. */
uint64_t autoscale_target(unsigned said, unsigned concurrency);

/* "14.2 in flight over 60 s, 5.6 a copy", of desired. Returns out. */
const char *autoscale_text(const struct autoscale *a,
    const struct autoscale_policy *p, char out[AUTOSCALE_TEXT]);

/* "surge: 4 at once are on their way"; "" when nothing holds it. */
const char *autoscale_held(const struct autoscale *a,
    const struct autoscale_policy *p, char out[AUTOSCALE_TEXT]);

#endif /* MODEL_AUTOSCALE_H */
