/* SPDX-License-Identifier: ISC */

/*
 * The watch of a deploy: what the workers count in the cells of the new copies
 * is read ten times a second. A cell belongs to one process, so the sums need
 * no memory of ours, and are there again under the next control process; a
 * worker that dies takes what it counted with it. A canary may be held for
 * long, so what is judged begins anew after each `watch`.
 */

#include <inttypes.h>
#include <stdio.h>

#include "control/replica.h"
#include "control/rollout_impl.h"

#define TICK_MS 100

/* --- counting ------------------------------------------------------------- */

static void
add_answers(struct rollout_tally *t, const struct replica *r)
{
	struct scoreboard_endpoint_view v;
	uint64_t asked;

	if (r->cell < 0)
		return;
	scoreboard_endpoint_view(
	    r->service->control->workers.board, (unsigned)r->cell, &v);
	asked = v.requests + v.connect_failures;
	t->answers += asked > v.inflight ? asked - v.inflight : 0;
	t->errors += v.errors + v.resets + v.timeouts + v.bad_responses +
	    v.connect_failures;
}

struct rollout_tally
rollout_tally(const struct service *s)
{
	struct rollout_tally t = { 0 };

	if (s->control->workers.board == NULL)
		return t;
	if (s->rollout.candidate != NULL)
		add_answers(&t, s->rollout.candidate);
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (!rollout_outdated(r))
			add_answers(&t, r);
	return t;
}

static uint64_t
since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static struct rollout_tally
judged(struct service *s)
{
	struct rollout *ro = &s->rollout;
	uint64_t now = loop_now(s->control->loop);
	struct rollout_tally t = rollout_tally(s), out;

	out.answers = since(t.answers, ro->window.answers);
	out.errors = since(t.errors, ro->window.errors);
	if (ro->proven && now - ro->window.at >= s->spec->rollout.watch_ms) {
		ro->window.at = now;
		ro->window.answers = t.answers;
		ro->window.errors = t.errors;
	}
	return out;
}

bool
rollout_on_trial(const struct replica *r)
{
	const struct rollout *ro = &r->service->rollout;

	if (!ro->on || ro->kind == ROLLOUT_RESTART)
		return false;
	return rollout_outdated(r) == (ro->kind == ROLLOUT_REVERT);
}

/* --- the verdict ---------------------------------------------------------- */

uint64_t
rollout_watch_left(const struct service *s)
{
	const struct replica *r = s->rollout.candidate;
	uint64_t watch = s->spec->rollout.watch_ms;
	uint64_t been;

	if (r == NULL || !replica_ready(r))
		return watch;
	been = since(loop_now(s->control->loop), r->ready_at);
	return watch > been ? watch - been : 0;
}

static bool
fails_too_often(struct service *s, char *why, size_t size)
{
	const struct conf_rollout *conf = &s->spec->rollout;
	struct rollout_tally t = judged(s);
	uint64_t of = t.answers > t.errors ? t.answers : t.errors;

	if (t.errors < conf->minimum || t.errors * 100 <= of * conf->errors)
		return false;
	snprintf(why, size,
	    "%" PRIu64 " errors in %" PRIu64 " answers of new copies, "
	    "more than %u%%",
	    t.errors, of, conf->errors);
	return true;
}

static bool
is_away(const struct replica *r, char *why, size_t size)
{
	const struct service *s = r->service;
	uint64_t now = loop_now(s->control->loop);

	if (replica_state(r) != INSTANCE_UNREADY ||
	    s->spec->rollout.watch_ms == 0 ||
	    now - r->since < s->spec->rollout.watch_ms)
		return false;
	snprintf(why, size, "new copy stays unready: %s", r->why);
	return true;
}

static bool
stays_unready(const struct service *s, char *why, size_t size)
{
	const struct replica *c = s->rollout.candidate;

	if (c != NULL && is_away(c, why, size))
		return true;
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (!rollout_outdated(r) && is_away(r, why, size))
			return true;
	return false;
}

static void
on_tick(void *arg)
{
	struct service *s = arg;
	struct rollout *ro = &s->rollout;
	char why[200];

	if (!ro->on || ro->kind != ROLLOUT_DEPLOY || ro->failing)
		return;
	loop_timer_arm(&ro->tick, TICK_MS);
	if (fails_too_often(s, why, sizeof(why)) ||
	    stays_unready(s, why, sizeof(why)))
		rollout_fail(s, why);
	else
		rollout_advance(s);
}

void
rollout_watch_init(struct service *s)
{
	loop_timer_init(&s->rollout.tick, s->control->loop, on_tick, s);
}

void
rollout_watch_begin(struct service *s)
{
	struct rollout *ro = &s->rollout;

	ro->window.at = loop_now(s->control->loop);
	ro->window.answers = ro->window.errors = 0;
	loop_timer_arm(&ro->tick, TICK_MS);
}

void
rollout_watch_end(struct service *s)
{
	loop_timer_disarm(&s->rollout.tick);
}
