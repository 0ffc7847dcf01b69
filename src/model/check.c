/* SPDX-License-Identifier: ISC */

#include "model/check.h"

void
check_init(struct check *k)
{
	*k = (struct check){ 0 };
}

void
check_adopt(struct check *k, bool up)
{
	*k = (struct check){ .known = true, .up = up };
}

static enum check_turn
turn(struct check *k, bool up)
{
	if (k->known && k->up == up)
		return CHECK_SAME;
	k->known = true;
	k->up = up;
	return up ? CHECK_PASSED : CHECK_FAILED;
}

enum check_turn
check_post(struct check *k, bool passed, unsigned rise, unsigned fall)
{
	if (passed) {
		k->fails = 0;
		k->passes++;
		if (!k->known || k->passes >= rise)
			return turn(k, true);
		return CHECK_SAME;
	}
	k->passes = 0;
	k->fails++;
	if (k->known && k->fails >= fall)
		return turn(k, false);
	return CHECK_SAME; /* not up yet: the start deadline decides */
}

uint64_t
check_delay(const struct check *k, uint64_t since_start_ms,
    uint64_t interval_ms, uint64_t took_ms)
{
	if (k->known)
		return took_ms < interval_ms ? interval_ms - took_ms : 0;
	return since_start_ms < CHECK_START_FAST_FOR ? CHECK_START_FAST_MS
						     : CHECK_START_SLOW_MS;
}

void
check_window_add(struct check_window *w, uint64_t now)
{
	w->at[w->next] = now;
	w->next = (w->next + 1) % CHECK_CRASHES;
	if (w->kept < CHECK_CRASHES)
		w->kept++;
}

unsigned
check_window_count(const struct check_window *w, uint64_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->kept; i++)
		n += now - w->at[i] < CHECK_CRASH_WINDOW_MS;
	return n;
}

bool
check_window_full(const struct check_window *w, uint64_t now)
{
	return check_window_count(w, now) >= CHECK_CRASHES;
}
