/* SPDX-License-Identifier: ISC */

#include "control/rollout.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "control/applied.h"
#include "control/enroll.h"
#include "control/event.h"
#include "control/publish.h"
#include "control/replica.h"
#include "control/rollout_impl.h"
#include "control/service.h"

void
rollout_say(struct service *s, const char *to, const char *cause)
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

/* --- which one is next ---------------------------------------------------- */

static struct replica *
current_at(struct service *s, unsigned n)
{
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (r->n == n)
			return r;
	return NULL;
}

bool
rollout_outdated(const struct replica *r)
{
	const struct service *s = r->service;

	if (s->rollout.kind == ROLLOUT_RESTART)
		return r->child <= s->rollout.after;
	return r->other || r->process_conf->hash_spawn != s->spec->hash_spawn;
}

unsigned
rollout_new_copies(const struct service *s)
{
	unsigned n = s->rollout.candidate != NULL;

	LIST_EACH (r, &s->replicas, struct replica, link)
		n += !rollout_outdated(r);
	return n;
}

static struct replica *
next_place(struct service *s)
{
	struct rollout *ro = &s->rollout;

	LIST_EACH (r, &s->replicas, struct replica, link) {
		if (r->n < ro->next || r->n > ro->last || !rollout_outdated(r))
			continue;
		ro->next = r->n + 1;
		return r;
	}
	return NULL;
}

static bool
serves(const struct replica *r)
{
	return !r->service->redis &&
	    (replica_state(r) == INSTANCE_READY ||
		replica_state(r) == INSTANCE_UNREADY);
}

static bool
any_serves(const struct service *s)
{
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (serves(r))
			return true;
	return false;
}

/* One more process than wanted is the most there is: those that leave count. */
static bool
is_busy(const struct service *s)
{
	if (s->rollout.candidate != NULL)
		return true;
	LIST_EACH (r, &s->extra, struct replica, link)
		if (r->in != NULL && instance_has_process(r->in) && !r->dropped)
			return true;
	return false;
}

bool
rollout_holding(const struct service *s)
{
	const struct rollout *ro = &s->rollout;
	bool settled = ro->candidate == NULL ||
	    (ro->proven && replica_ready(ro->candidate));

	return ro->paused ||
	    (ro->kind == ROLLOUT_DEPLOY && ro->canary > 0 && settled &&
		rollout_new_copies(s) >= ro->canary);
}

static bool
holds(struct service *s)
{
	struct rollout *ro = &s->rollout;

	if (!rollout_holding(s))
		return false;
	if (!ro->told && !ro->paused) {
		ro->told = true;
		rollout_say(s, "held", ro->cause);
	}
	return true;
}

/* --- its steps ------------------------------------------------------------ */

void
rollout_end(struct service *s, enum rollout_result result)
{
	static const char *const words[] = {
		[ROLLOUT_NONE] = "done",
		[ROLLOUT_DONE] = "done",
		[ROLLOUT_FAILED] = "failed",
		[ROLLOUT_REVERTED] = "rolled back",
		[ROLLOUT_UNDONE] = "undone",
		[ROLLOUT_CANCELLED] = "cancelled",
	};
	struct rollout *ro = &s->rollout;

	if (!ro->on)
		return;
	ro->on = false;
	ro->failing = false;
	ro->result = result;
	loop_defer_cancel(&ro->later);
	rollout_watch_end(s);
	rollout_say(
	    s, words[result], ro->failed[0] != '\0' ? ro->failed : ro->cause);
	applied_save(s->control);
	publish_soon(s->control);
}

void
rollout_drop_candidate(struct service *s, const char *cause)
{
	struct replica *r = s->rollout.candidate;

	if (r == NULL)
		return;
	s->rollout.candidate = NULL;
	r->dropped = true;
	replica_post(r, INSTANCE_EV_UNWANT, cause);
}

static void
start_candidate(struct service *s, const struct replica *old)
{
	struct rollout *ro = &s->rollout;
	struct replica *r = replica_new(s, old->n);

	if (r == NULL) {
		snprintf(ro->failed, sizeof(ro->failed),
		    "%s failed: out of memory", ro->cause);
		rollout_end(s, ROLLOUT_FAILED);
		return;
	}
	r->restarts = old->restarts;
	ro->candidate = r;
	list_push(&s->extra, &r->link);
	replica_post(r, INSTANCE_EV_WANT, ro->cause);
}

static void
replace(struct service *s, struct replica *r)
{
	struct rollout *ro = &s->rollout;

	if (serves(r)) {
		start_candidate(s, r);
		return;
	}
	ro->recycled = r;
	replica_take_spec(r);
	if (!s->stopped)
		replica_post(r, INSTANCE_EV_RECYCLE, ro->cause);
	ro->recycled = NULL;
}

/* The new copy takes the place, and the old one drains. */
static void
swap(struct service *s)
{
	struct replica *r = s->rollout.candidate;
	struct replica *old = current_at(s, r->n);

	if (old == NULL) {
		rollout_drop_candidate(s, "not wanted any more");
		return;
	}
	list_remove(&r->link);
	link_insert(&r->link, &old->link);
	list_remove(&old->link);
	list_push(&s->extra, &old->link);
	s->rollout.candidate = NULL;
	r->current = true;
	old->current = false;
	replica_note(r);
	replica_note(old);
	enroll_replica(r);
	if (replica_state(old) == INSTANCE_STOPPED)
		replica_free_later(old);
	else
		replica_post(old, INSTANCE_EV_UNWANT, s->rollout.cause);
}

static void
settle_candidate(struct service *s)
{
	struct rollout *ro = &s->rollout;

	if (ro->candidate == NULL || !replica_ready(ro->candidate))
		return;
	if (ro->kind == ROLLOUT_DEPLOY && !ro->proven) {
		if (rollout_watch_left(s) > 0)
			return;
		ro->proven = true;
		applied_save(s->control);
	}
	if (!holds(s))
		swap(s);
}

static bool
goes_on(const struct service *s)
{
	const struct rollout *ro = &s->rollout;

	return ro->on && !ro->asleep && !ro->failing && !s->control->stopping;
}

void
rollout_advance(struct service *s)
{
	struct rollout *ro = &s->rollout;

	if (goes_on(s))
		settle_candidate(s);
	while (goes_on(s) && !is_busy(s) && !holds(s)) {
		struct replica *r = next_place(s);

		if (r != NULL)
			replace(s, r);
		else if (ro->kind == ROLLOUT_REVERT)
			rollout_end(s, ro->result);
		else
			rollout_end(s, ROLLOUT_DONE);
	}
}

/* --- how it begins -------------------------------------------------------- */

void
rollout_init(struct service *s)
{
	s->rollout.last = UINT_MAX;
	rollout_watch_init(s);
}

void
rollout_done(struct service *s)
{
	loop_timer_done(&s->rollout.tick);
	loop_defer_cancel(&s->rollout.later);
	json_decref(s->previous);
}

/* What has no process is started with the version in force. */
static void
take_spec_of_idle(struct service *s)
{
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (!instance_has_process(r->in))
			replica_take_spec(r);
}

void
rollout_begin(struct service *s, enum rollout_kind kind, const char *cause)
{
	struct rollout *ro = &s->rollout;

	ro->on = true;
	ro->kind = kind;
	ro->result = ROLLOUT_NONE;
	ro->first = ro->next = 0;
	ro->last = UINT_MAX;
	ro->after = s->control->last_child;
	ro->canary = 0;
	ro->proven = ro->paused = ro->told = ro->failing = false;
	ro->failed[0] = '\0';
	str_cut(ro->cause, sizeof(ro->cause), cause);
	rollout_say(s, "started", cause);
	publish_soon(s->control);
}

int
rollout_restart(struct service *s, unsigned first, unsigned last,
    const char *cause, struct err *err)
{
	struct rollout *ro = &s->rollout;

	if (ro->on)
		return err_set(err, -EBUSY, "%s: a %s is under way",
		    s->spec->name, ro->cause);
	rollout_begin(s, ROLLOUT_RESTART, cause);
	ro->first = ro->next = first;
	ro->last = last;
	rollout_advance(s);
	return 0;
}

static bool
runs_already(const struct service *s)
{
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (!r->other &&
		    r->process_conf->hash_spawn == s->spec->hash_spawn)
			return true;
	return false;
}

/* The way back from an unfinished deploy is where that one came from. */
static void
keep_previous(struct service *s, json_t *before, bool unfinished)
{
	if (unfinished) {
		json_decref(before);
		return;
	}
	json_decref(s->previous);
	s->previous = before;
}

void
rollout_deploy(struct service *s, json_t *before, unsigned canary)
{
	struct rollout *ro = &s->rollout;
	bool unfinished = ro->on && ro->kind == ROLLOUT_DEPLOY;
	bool careful = any_serves(s);

	rollout_end(s, ROLLOUT_CANCELLED);
	rollout_drop_candidate(s, "reload");
	keep_previous(s, before, unfinished);
	if (service_desired(s) == 0) {
		take_spec_of_idle(s);
		return;
	}
	if (unfinished && runs_already(s)) {
		/* The files say what they said before it. */
		rollout_begin(s, ROLLOUT_REVERT, "reload");
		ro->result = ROLLOUT_DONE;
		json_decref(s->previous);
		s->previous = NULL;
	} else if (careful) {
		rollout_begin(s, ROLLOUT_DEPLOY, "reload");
		ro->canary = canary;
		rollout_watch_begin(s);
	} else {
		rollout_begin(s, ROLLOUT_RESTART, "reload");
	}
	rollout_advance(s);
}

void
rollout_align(struct service *s)
{
	struct rollout *ro = &s->rollout;
	bool other = false;

	if (ro->on)
		return;
	if (ro->kind == ROLLOUT_RESTART) { /* this start is the next one */
		ro->result = ROLLOUT_NONE;
		ro->failed[0] = '\0';
	}
	take_spec_of_idle(s);
	LIST_EACH (r, &s->replicas, struct replica, link)
		other |= r->process_conf->hash_spawn != s->spec->hash_spawn;
	if (!other)
		return;
	rollout_begin(s, ROLLOUT_REVERT, "start");
	ro->result = ROLLOUT_DONE;
	rollout_advance(s);
}

/* --- what happens meanwhile ----------------------------------------------- */

/* An end that nobody asked for. */
static bool
has_failed(
    const struct replica *r, enum instance_state from, enum instance_state to)
{
	return to == INSTANCE_BACKOFF ||
	    (to == INSTANCE_STOPPING && instance_wanted(r->in)) ||
	    (to == INSTANCE_STOPPED &&
		(from == INSTANCE_STARTING || from == INSTANCE_READY ||
		    from == INSTANCE_UNREADY));
}

static void
new_copy_failed(
    struct service *s, const struct replica *r, enum instance_state from)
{
	struct rollout *ro = &s->rollout;
	char why[sizeof(r->why) + 64];

	snprintf(why, sizeof(why), "new copy %s: %s",
	    from == INSTANCE_STARTING ? "not ready" : "failed", r->why);
	if (ro->kind == ROLLOUT_DEPLOY) {
		rollout_fail(s, why);
		return;
	}
	snprintf(ro->failed, sizeof(ro->failed), "%s failed: %.200s", ro->cause,
	    why);
	rollout_end(s, ROLLOUT_FAILED);
	rollout_drop_candidate(s, NULL);
}

static void
candidate_changed(
    struct replica *r, enum instance_state from, enum instance_state to)
{
	struct service *s = r->service;
	struct rollout *ro = &s->rollout;
	/* Going back is not given up, unless it says: do not restart me. */
	bool final = to == INSTANCE_STOPPED;

	if (to == INSTANCE_READY && ro->kind == ROLLOUT_DEPLOY && !ro->proven &&
	    s->spec->rollout.watch_ms > 0)
		rollout_say(s, "watched", r->id);
	if (has_failed(r, from, to) && (ro->kind != ROLLOUT_REVERT || final))
		new_copy_failed(s, r, from);
}

void
rollout_changed(
    struct replica *r, enum instance_state from, enum instance_state to)
{
	struct service *s = r->service;
	struct rollout *ro = &s->rollout;

	if (!ro->on || r == ro->recycled)
		return;
	if (r == ro->candidate)
		candidate_changed(r, from, to);
	else if (ro->kind == ROLLOUT_DEPLOY && r->current &&
	    !rollout_outdated(r) && has_failed(r, from, to))
		new_copy_failed(s, r, from);
	rollout_advance(s);
}

/* --- what operators change meanwhile -------------------------------------- */

void
rollout_removed(struct service *s)
{
	rollout_end(s, ROLLOUT_CANCELLED);
	rollout_drop_candidate(s, "removed");
	json_decref(s->previous);
	s->previous = NULL;
}

void
rollout_settled(struct service *s)
{
	struct rollout *ro = &s->rollout;

	if (!ro->on || ro->asleep)
		return;
	if (service_desired(s) == 0) {
		rollout_stopped(s);
		return;
	}
	if (ro->candidate != NULL && ro->candidate->n >= service_desired(s))
		rollout_drop_candidate(s, "not wanted any more");
	rollout_advance(s);
}

/* One that is to run the version before; or its configuration alone. */
static const struct conf_service *
version_before(const struct service *s, const struct conf **conf)
{
	LIST_EACH (r, &s->replicas, struct replica, link) {
		*conf = r->conf;
		if (!r->other && rollout_outdated(r))
			return r->process_conf;
	}
	*conf = s->control->earlier;
	return *conf == NULL ? NULL : conf_service(*conf, s->spec->name);
}

void
rollout_place(struct replica *r)
{
	const struct service *s = r->service;
	const struct rollout *ro = &s->rollout;
	const struct conf_service *spec;
	const struct conf *conf;

	if (!ro->on || ro->kind != ROLLOUT_DEPLOY ||
	    (ro->proven && ro->canary == 0))
		return;
	spec = version_before(s, &conf);
	if (spec != NULL)
		replica_take(r, conf, spec);
}

bool
rollout_adopt(struct replica *r)
{
	struct rollout *ro = &r->service->rollout;
	enum instance_state state = replica_state(r);

	if (!ro->on || ro->candidate != NULL || rollout_outdated(r) ||
	    (state != INSTANCE_STARTING && state != INSTANCE_READY &&
		state != INSTANCE_UNREADY))
		return false;
	ro->candidate = r;
	return true;
}

void
rollout_resume(struct service *s)
{
	struct rollout *ro = &s->rollout;

	if (!ro->on)
		return;
	ro->asleep = false;
	rollout_say(s, "taken over", ro->cause);
	if (ro->kind == ROLLOUT_DEPLOY)
		rollout_watch_begin(s);
	rollout_advance(s);
}
