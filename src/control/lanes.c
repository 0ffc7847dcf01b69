/* SPDX-License-Identifier: ISC */

/* Which worker has which lane: begun, taken over, replaced. */

#include <signal.h>

#include "control/note.h"
#include "control/workers.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

/* A place begins with it; what leaves in an upgrade gets more time. */
const struct instance_policy workers_policy = {
	.start_ms = 10000,
	.stop_ms = 30000,
	.restart_first_ms = 0,
	.restart_base_ms = 100,
	.restart_max_ms = 5000,
	.reset_ms = 10000,
};

/* The longest that a tunnel may take to drain. */
static uint64_t
longest_drain(const struct control *c)
{
	uint64_t ms = workers_policy.stop_ms;

	for (size_t i = 0; i < c->conf->nservices; i++) {
		const struct conf_service *s = &c->conf->services[i];

		if (s->stop.drain_ms > ms)
			ms = s->stop.drain_ms;
		if (s->stop.websocket_drain_ms > ms)
			ms = s->stop.websocket_drain_ms;
	}
	return ms;
}

bool
workers_adopt(
    struct control *c, const struct note *note, uint64_t child, pid_t pid)
{
	struct worker *w;

	if (note->n >= c->workers.n || note->lane >= c->workers.lanes ||
	    c->workers.all[note->n].child != 0)
		return false;
	w = &c->workers.all[note->n];
	w->lane = note->lane;
	w->epoch = note->epoch;
	w->child = child;
	w->pid = pid;
	w->restarts = note->restarts;
	w->applied = 0; /* it may use anything until it says hello */
	w->leaving = note->leaving;
	if (w->leaving)
		w->policy.stop_ms = longest_drain(c);
	return instance_adopt(w->in,
		   w->leaving ? INSTANCE_STOPPING : INSTANCE_STARTING, 0) == 0;
}

static bool
is_served(const struct control *c, unsigned lane)
{
	for (unsigned i = 0; i < c->workers.n; i++)
		if (c->workers.all[i].lane == lane &&
		    instance_wanted(c->workers.all[i].in))
			return true;
	return false;
}

void
workers_start(struct control *c)
{
	for (unsigned lane = 0; lane < c->workers.lanes; lane++)
		if (!is_served(c, lane) && workers_begin(c, lane) == NULL)
			log_error("proxy", "no place for worker %u", lane);
}

/* --- one after the other -------------------------------------------------- */

static bool
is_free(const struct worker *w)
{
	return w->child == 0 && !instance_wanted(w->in) &&
	    !instance_has_process(w->in);
}

struct worker *
workers_begin(struct control *c, unsigned lane)
{
	/* Its own place first: there it is found at every other start. */
	for (unsigned i = 0; i < c->workers.n; i++) {
		struct worker *w = &c->workers.all[(i + lane) % c->workers.n];

		if (!is_free(w))
			continue;
		w->lane = lane;
		w->leaving = false;
		w->restarts = 0;
		w->policy = workers_policy;
		instance_post(w->in, INSTANCE_EV_WANT);
		return w;
	}
	return NULL;
}

void
workers_leave(struct worker *w)
{
	char note[NOTE_MAX];
	int n;

	w->leaving = true;
	n = note_worker(w, note, sizeof(note));
	if (n > 0 && w->child != 0)
		(void)herd_note(w->control->herd, w->child, note, (size_t)n);
	w->policy.stop_ms = longest_drain(w->control);
	instance_post(w->in, INSTANCE_EV_UNWANT);
}

void
workers_again(struct worker *w)
{
	instance_post(w->in, INSTANCE_EV_RECYCLE);
}
