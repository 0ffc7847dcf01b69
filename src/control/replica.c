/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE /* sigabbrev_np() */

#include "control/replica.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/bounds.h"
#include "control/cells.h"
#include "control/event.h"
#include "control/health.h"
#include "control/note.h"
#include "control/launch.h"
#include "control/publish.h"
#include "control/rollout.h"
#include "control/service.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define DRAIN_POLL_MS 10

static void
say_why(struct replica *r, const char *why)
{
	if (why != NULL)
		str_cut(r->why, sizeof(r->why), why);
}

/* --- what the state machine asks ------------------------------------------ */

static void
on_spawn_refused(void *arg)
{
	struct replica *r = arg;

	replica_post(r, INSTANCE_EV_SPAWN_FAILED, NULL);
}

static void
op_spawn(void *owner, struct instance *in)
{
	struct replica *r = owner;
	struct err err;

	if (instance_crashes(in) > 0)
		r->restarts++;
	r->next_try = 0;
	r->other = false;
	if (launch_process(r, &err) == 0)
		return;
	log_error(r->id, "cannot start: %s", err.text);
	say_why(r, err.text);
	loop_defer(r->service->control->loop, &r->later, on_spawn_refused, r);
}

static void
op_term(void *owner, struct instance *in)
{
	struct replica *r = owner;

	(void)in;
	launch_signal(r, r->process_conf->stop.signal, false);
}

static void
op_kill(void *owner, struct instance *in)
{
	struct replica *r = owner;

	(void)in;
	launch_signal(r, SIGKILL, true);
}

static void
op_arm(void *owner, struct instance *in, uint64_t ms)
{
	struct replica *r = owner;

	if (instance_state(in) == INSTANCE_BACKOFF)
		r->next_try = loop_now(r->service->control->loop) + ms;
	if (ms == UINT64_MAX)
		loop_timer_disarm(&r->deadline);
	else
		loop_timer_arm(&r->deadline, ms);
}

/* Requests and WebSockets have a time each to come to their end. */
static bool
drained(const struct replica *r)
{
	struct control *c = r->service->control;
	const struct conf_stop *stop = &r->service->spec->stop;
	uint64_t took = loop_now(c->loop) - r->since;
	unsigned tunnels, requests = cells_busy(c, r->cell, &tunnels);

	return cells_left(c, r->drain_generation) &&
	    (requests == 0 || took >= stop->drain_ms) &&
	    (tunnels == 0 || took >= stop->websocket_drain_ms);
}

static void
on_drain_poll(void *arg)
{
	struct replica *r = arg;

	if (drained(r))
		replica_post(r, INSTANCE_EV_DRAINED, NULL);
	else
		loop_timer_arm(&r->drain, DRAIN_POLL_MS);
}

static void
log_change(struct replica *r, enum instance_state from)
{
	struct control *c = r->service->control;
	uint64_t now = loop_now(c->loop);
	const struct event_note note = {
		.type = "instance",
		.service = r->service->spec->name,
		.instance = r->id,
		.from = instance_state_name(from),
		.to = instance_state_name(replica_state(r)),
		.cause = r->why[0] != '\0' ? r->why : NULL,
		.ms = now - r->since,
	};

	r->since = now;
	event_post(c, &note);
}

static void
enter(struct replica *r, enum instance_state state)
{
	struct control *c = r->service->control;

	switch (state) {
	case INSTANCE_READY:
		r->why[0] = '\0';
		r->ready_at = loop_now(c->loop);
		r->ready_wall = clock_wall_ms();
		health_ready(r);
		break;
	case INSTANCE_DRAINING:
		r->drain_generation = publish_next(c);
		loop_timer_arm(&r->drain, 0);
		health_end(r);
		break;
	case INSTANCE_STOPPING:
		health_end(r);
		break;
	default:
		break;
	}
}

static void
op_changed(void *owner, struct instance *in, enum instance_state from)
{
	struct replica *r = owner;
	struct control *c = r->service->control;
	enum instance_state to = instance_state(in);

	log_change(r, from);
	if (from == INSTANCE_DRAINING)
		loop_timer_disarm(&r->drain);
	enter(r, to);
	replica_note(r);
	publish_soon(c);
	service_changed(r, from, to); /* may free r at the end of the turn */
}

static const struct instance_ops ops = {
	.spawn = op_spawn,
	.term = op_term,
	.kill = op_kill,
	.arm = op_arm,
	.changed = op_changed,
};

/* --- its life ------------------------------------------------------------- */

static void
on_deadline(void *arg)
{
	struct replica *r = arg;
	enum instance_state state = replica_state(r);

	if (state == INSTANCE_STARTING)
		say_why(r, "start timeout");
	replica_post(r, INSTANCE_EV_DEADLINE, NULL);
}

struct replica *
replica_new(struct service *s, unsigned n)
{
	struct control *c = s->control;
	struct replica *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->service = s;
	r->n = n;
	r->cell = -1;
	r->since = loop_now(c->loop);
	snprintf(r->id, sizeof(r->id), "%s.%u", s->spec->name, n);
	service_policy(s->spec, &r->policy);
	r->conf = conf_ref(s->conf);
	r->process_conf = s->spec;
	loop_timer_init(&r->deadline, c->loop, on_deadline, r);
	loop_timer_init(&r->drain, c->loop, on_drain_poll, r);
	health_init(r);
	r->in = instance_new(&r->policy, &ops, r, &c->rng);
	if (r->in == NULL) {
		conf_unref(r->conf);
		free(r);
		return NULL;
	}
	return r;
}

void
replica_take(
    struct replica *r, const struct conf *conf, const struct conf_service *spec)
{
	const struct conf *old = r->conf;

	r->conf = conf_ref(conf);
	r->process_conf = spec;
	service_policy(r->process_conf, &r->policy);
	health_take_spec(r);
	conf_unref(old);
}

void
replica_take_spec(struct replica *r)
{
	replica_take(r, r->service->conf, r->service->spec);
}

static void
on_free(void *arg)
{
	struct replica *r = arg;

	conf_unref(r->conf);
	free(r);
}

static void
quiet(struct replica *r)
{
	list_remove(&r->link);
	health_end(r);
	loop_defer_cancel(&r->later);
	instance_free(r->in);
	r->in = NULL;
	loop_timer_done(&r->deadline);
	loop_timer_done(&r->drain);
}

void
replica_free_later(struct replica *r)
{
	quiet(r);
	launch_release(r);
	loop_defer(r->service->control->loop, &r->later, on_free, r);
}

void
replica_abandon(struct replica *r)
{
	quiet(r);
	on_free(r);
}

void
replica_post(struct replica *r, enum instance_event ev, const char *why)
{
	if (r->in == NULL)
		return; /* on its way out */
	say_why(r, why);
	if (instance_post(r->in, ev) < 0)
		log_error(r->id, "event %d means nothing in state %s", (int)ev,
		    instance_state_name(replica_state(r)));
}

enum instance_state
replica_state(const struct replica *r)
{
	return instance_state(r->in);
}

bool
replica_ready(const struct replica *r)
{
	return r->in != NULL && replica_state(r) == INSTANCE_READY;
}

/* --- what the herd says --------------------------------------------------- */

/* Once for each change of it, not for each process. */
static void
say_missing(const struct replica *r, unsigned missing)
{
	char names[160];

	if (missing != 0 && missing != r->missing)
		log_warn(r->id,
		    "started without what this host cannot give: "
		    "%s",
		    bounds_text(missing, names, sizeof(names)));
}

void
replica_spawned(struct replica *r, pid_t pid, unsigned missing)
{
	missing = bounds_not_given(r, missing);
	say_missing(r, missing);
	r->pid = pid;
	r->missing = missing;
	r->spawned = loop_now(r->service->control->loop);
	r->oversize = false;
	if (replica_state(r) == INSTANCE_STARTING)
		health_begin(r);
}

void
replica_spawn_failed(struct replica *r, int error, const char *stage)
{
	bool exec = strcmp(stage, "exec") == 0;
	char why[sizeof(r->why)];

	snprintf(why, sizeof(why), "cannot start %s: %s%s%s",
	    r->process_conf->command[0], exec ? "" : stage, exec ? "" : ": ",
	    strerror(-error));
	log_error(r->id, "%s", why);
	health_end(r);
	launch_release(r);
	replica_post(r, INSTANCE_EV_SPAWN_FAILED, why);
}

static const char *
signal_name(int signo)
{
	const char *abbrev = sigabbrev_np(signo);

	return abbrev == NULL ? "?" : abbrev;
}

const char *
replica_exit_text(const struct spawn_exit *exit, char *buf, size_t size)
{
	switch (exit->kind) {
	case EXIT_EXITED:
		snprintf(buf, size, "exit %d", exit->code);
		break;
	case EXIT_SIGNALLED:
		snprintf(buf, size, "exit %d (SIG%s)", 128 + exit->signal,
		    signal_name(exit->signal));
		break;
	case EXIT_OOM:
		snprintf(buf, size, "out of memory (limit reached)");
		break;
	case EXIT_UNKNOWN:
		snprintf(buf, size, "exit unknown");
		break;
	}
	return buf;
}

static void
keep_exit(struct replica *r, const struct spawn_exit *exit, struct span tail)
{
	struct span cut = tail;

	r->has_exit = true;
	r->exit = *exit;
	if (r->oversize)
		r->exit.kind = EXIT_OOM;
	if (cut.n > REPLICA_TAIL_MAX) {
		cut.p += cut.n - REPLICA_TAIL_MAX;
		cut.n = REPLICA_TAIL_MAX;
	}
	if (str_copy(r->tail, sizeof(r->tail), cut) < 0)
		r->tail[0] = '\0';
}

static bool
asked_for(enum instance_state state)
{
	return state == INSTANCE_DRAINING || state == INSTANCE_STOPPING;
}

void
replica_exited(
    struct replica *r, const struct spawn_exit *exit, struct span tail)
{
	struct control *c = r->service->control;
	bool final = exit->kind == EXIT_EXITED && exit->code == 125;
	bool crash = !asked_for(replica_state(r));
	char why[64];

	keep_exit(r, exit, tail);
	if (crash && !final)
		check_window_add(&r->crashes, loop_now(c->loop));
	health_end(r);
	launch_release(r);
	replica_post(r, final ? INSTANCE_EV_EXITED_FINAL : INSTANCE_EV_EXITED,
	    crash ? replica_exit_text(&r->exit, why, sizeof(why)) : NULL);
}

/* --- looking them up ------------------------------------------------------ */

static struct replica *
find(struct control *c, bool (*is)(const struct replica *r, uint64_t key),
    uint64_t key)
{
	LIST_EACH (s, &c->services, struct service, link) {
		LIST_EACH (r, &s->replicas, struct replica, link)
			if (is(r, key))
				return r;
		LIST_EACH (r, &s->extra, struct replica, link)
			if (is(r, key))
				return r;
	}
	return NULL;
}

static bool
is_child(const struct replica *r, uint64_t child)
{
	return r->child == child;
}

static bool
is_pid(const struct replica *r, uint64_t pid)
{
	return (uint64_t)r->pid == pid;
}

struct replica *
replica_by_child(struct control *c, uint64_t child)
{
	return child == 0 ? NULL : find(c, is_child, child);
}

struct replica *
replica_by_pid(struct control *c, pid_t pid)
{
	return pid <= 0 ? NULL : find(c, is_pid, (uint64_t)pid);
}

struct replica *
replica_by_id(struct control *c, const char *id)
{
	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (r, &s->replicas, struct replica, link)
			if (strcmp(r->id, id) == 0)
				return r;
	return NULL;
}

void
replica_note(struct replica *r)
{
	char text[NOTE_MAX];
	int n;

	if (r->child == 0 || r->in == NULL)
		return;
	n = note_replica(r, text, sizeof(text));
	if (n > 0)
		(void)herd_note(
		    r->service->control->herd, r->child, text, (size_t)n);
}
