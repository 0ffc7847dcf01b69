/* SPDX-License-Identifier: ISC */

#include "control/rollout.h"

#include <errno.h>
#include <stdio.h>

#include "control/event.h"
#include "control/replica.h"
#include "control/service.h"

static void
say(struct service *s, const char *to, const char *cause)
{
	const struct event_note note = {
		.type = "rollout",
		.service = s->spec->name,
		.from = "rollout",
		.to = to,
		.cause = cause,
	};

	event_post(s->control, &note);
}

static struct replica *
current_at(struct service *s, unsigned n)
{
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (r->n == n)
			return r;
	return NULL;
}

static void
finish(struct service *s)
{
	s->rollout.on = false;
	s->rollout.old = NULL;
	say(s, "done", s->rollout.cause);
}

static void
stop_failed(struct service *s, const char *why)
{
	struct replica *r = s->rollout.candidate;

	char text[256];

	snprintf(text, sizeof(text), "%s failed: new copy not ready: %s",
	    s->rollout.cause, why);
	str_cut(s->rollout.failed, sizeof(s->rollout.failed), text);
	s->rollout.on = false;
	s->rollout.candidate = NULL;
	s->rollout.old = NULL;
	say(s, "failed", s->rollout.failed);
	replica_post(r, INSTANCE_EV_UNWANT, NULL);
}

static bool
serves(const struct replica *r)
{
	return !r->service->redis &&
	    (replica_state(r) == INSTANCE_READY ||
		replica_state(r) == INSTANCE_UNREADY);
}

static void
start_candidate(struct service *s, struct replica *old)
{
	struct replica *r = replica_new(s, old->n);

	if (r == NULL) {
		s->rollout.on = false;
		snprintf(s->rollout.failed, sizeof(s->rollout.failed),
		    "%s failed: out of memory", s->rollout.cause);
		return;
	}
	r->restarts = old->restarts;
	s->rollout.old = old;
	s->rollout.candidate = r;
	list_push(&s->extra, &r->link);
	replica_post(r, INSTANCE_EV_WANT, s->rollout.cause);
}

static void
step(struct service *s)
{
	while (s->rollout.on && s->rollout.next <= s->rollout.last) {
		struct replica *r = current_at(s, s->rollout.next++);

		if (r == NULL)
			continue;
		if (serves(r)) {
			start_candidate(s, r);
			return;
		}
		replica_take_spec(r);
		replica_post(r, INSTANCE_EV_RECYCLE, s->rollout.cause);
	}
	if (s->rollout.on)
		finish(s);
}

int
rollout_start(struct service *s, unsigned first, unsigned last,
    const char *cause, struct err *err)
{
	if (s->rollout.on)
		return err_set(err, -EBUSY,
		    "%s: a %s is under way at replica %u", s->spec->name,
		    s->rollout.cause, s->rollout.next - 1);
	s->rollout =
	    (struct rollout){ .on = true, .next = first, .last = last };
	snprintf(s->rollout.cause, sizeof(s->rollout.cause), "%s", cause);
	say(s, "started", cause);
	step(s);
	return 0;
}

void
rollout_cancel(struct service *s, const char *cause)
{
	struct replica *r = s->rollout.candidate;

	if (!s->rollout.on)
		return;
	s->rollout.on = false;
	s->rollout.candidate = NULL;
	s->rollout.old = NULL;
	say(s, "cancelled", cause);
	if (r != NULL)
		replica_post(r, INSTANCE_EV_UNWANT, cause);
}

/* The new copy is ready: it takes the place, and the old one drains. */
static void
swap(struct service *s)
{
	struct replica *old = s->rollout.old;
	struct replica *r = s->rollout.candidate;

	list_remove(&r->link);
	link_insert(&r->link, &old->link);
	list_remove(&old->link);
	list_push(&s->extra, &old->link);
	s->rollout.candidate = NULL;
	r->current = true;
	old->current = false;
	replica_note(r);
	replica_note(old);
	replica_post(old, INSTANCE_EV_UNWANT, s->rollout.cause);
}

void
rollout_changed(struct replica *r, enum instance_state to)
{
	struct service *s = r->service;

	if (!s->rollout.on)
		return;
	if (r == s->rollout.candidate) {
		if (to == INSTANCE_READY)
			swap(s);
		else if (to == INSTANCE_BACKOFF || to == INSTANCE_STOPPING ||
		    to == INSTANCE_STOPPED)
			stop_failed(s, r->why);
		return;
	}
	if (r != s->rollout.old || s->rollout.candidate != NULL ||
	    instance_has_process(r->in))
		return;
	s->rollout.old = NULL; /* replaced, and gone */
	step(s);
}
