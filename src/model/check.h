/* SPDX-License-Identifier: ISC */

/*
 * check - what a row of passed and failed checks means
 *
 * Counts passes and failures in a row and says when the verdict turns: after
 * `rise` passes or `fall` failures. The first pass after the start counts at
 * once, whatever rise says. Also when the next check is due, and how many
 * crashes lie in the window that is shown as a crash loop. Pure: the time is
 * an argument, in milliseconds of any steady clock.
 */

#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#define CHECK_START_FAST_MS 100	   /* cadence until the first pass, */
#define CHECK_START_FAST_FOR 10000 /* for so long; then */
#define CHECK_START_SLOW_MS 500

enum check_turn { CHECK_SAME, CHECK_PASSED, CHECK_FAILED };

struct check {
	unsigned passes, fails; /* in a row */
	bool known;		/* a first pass was seen */
	bool up;		/* the verdict */
};

void check_init(struct check *k);

/* Take over a verdict that an earlier process had reached. */
void check_adopt(struct check *k, bool up);

/* One check is done. What turned, if anything. */
enum check_turn check_post(
    struct check *k, bool passed, unsigned rise, unsigned fall);

/*
 * How long to wait before the next check; since_start_ms is the process's, and
 * took_ms the check's. From the first pass on they begin every interval_ms, so
 * that one that hangs is found within fall x interval + timeout; one that takes
 * longer is followed by the next at once.
 */
uint64_t check_delay(const struct check *k, uint64_t since_start_ms,
    uint64_t interval_ms, uint64_t took_ms);

/* --- crash loop ----------------------------------------------------------- */

#define CHECK_CRASHES 5			  /* so many ... */
#define CHECK_CRASH_WINDOW_MS (5 * 60000) /* ... in 5 minutes */

struct check_window { /* zeroed at first */
	uint64_t at[CHECK_CRASHES];
	unsigned next;
	unsigned kept;
};

void check_window_add(struct check_window *w, uint64_t now);
unsigned check_window_count(const struct check_window *w, uint64_t now);
bool check_window_full(const struct check_window *w, uint64_t now);

#endif /* MODEL_CHECK_H */
