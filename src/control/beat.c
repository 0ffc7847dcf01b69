/* SPDX-License-Identifier: ISC */

/* Workers that do not beat any more are killed: their exit does the rest. */

#include <signal.h>

#include "base/clock.h"
#include "control/workers.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define BEAT_MS 500
#define BEAT_MAX_MS 2000
#define BEAT_GRACE_MS 5000 /* after the spawn */

static bool
is_hung(struct control *c, const struct worker *w, uint64_t now)
{
	struct scoreboard_worker_view v;

	if (w->pid == 0 || now - w->since < BEAT_GRACE_MS)
		return false;
	if (!scoreboard_worker_view(c->workers.board, w->n, &v))
		return false; /* not begun: the start deadline looks after it */
	return now > v.heartbeat_ms && now - v.heartbeat_ms > BEAT_MAX_MS;
}

static void
on_beat(void *arg)
{
	struct control *c = arg;
	uint64_t now = clock_ms();
	bool late = now - c->workers.beat_at > BEAT_MAX_MS;

	/* When we were the ones that slept, they get another turn. */
	for (unsigned i = 0; !late && i < c->workers.n; i++) {
		struct worker *w = &c->workers.all[i];

		if (!is_hung(c, w, now))
			continue;
		log_error(
		    w->slot, "no heartbeat for %u ms: killed", BEAT_MAX_MS);
		(void)herd_signal(c->herd, w->child, SIGKILL, true);
	}
	c->workers.beat_at = now;
	loop_timer_arm(&c->workers.beat, BEAT_MS);
}

void
beat_begin(struct control *c)
{
	loop_timer_init(&c->workers.beat, c->loop, on_beat, c);
	c->workers.beat_at = clock_ms();
	loop_timer_arm(&c->workers.beat, BEAT_MS);
}
