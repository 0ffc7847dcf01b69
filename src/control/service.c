/* SPDX-License-Identifier: ISC */

#include "control/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "control/cells.h"
#include "control/enroll.h"
#include "control/event.h"
#include "control/publish.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/scaling.h"

/* --- its life ------------------------------------------------------------- */

static void
insert_by_name(struct control *c, struct service *s)
{
	LIST_EACH (at, &c->services, struct service, link) {
		if (strcmp(at->spec->name, s->spec->name) > 0) {
			link_insert(&s->link, &at->link);
			return;
		}
	}
	list_push(&c->services, &s->link);
}

struct service *
service_add(struct control *c, const struct conf *conf,
    const struct conf_service *spec, int cell)
{
	struct service *s = calloc(1, sizeof(*s));

	cell = cells_take_service(c, cell);
	if (s == NULL || cell < 0) {
		free(s);
		return NULL;
	}
	s->control = c;
	s->conf = conf_ref(conf);
	s->spec = spec;
	s->desired = spec->replicas_min;
	s->cell = (unsigned)cell;
	list_init(&s->replicas);
	list_init(&s->extra);
	rand_hex(s->token, 16);
	rollout_init(s);
	insert_by_name(c, s);
	scaling_apply(s);
	return s;
}

void
service_free(struct service *s)
{
	list_remove(&s->link);
	rollout_done(s);
	scaling_free(s);
	cells_free_service(s->control, s->cell);
	conf_unref(s->conf);
	free(s->rate.then);
	free(s);
}

struct service *
service_by_name(struct control *c, const char *name)
{
	LIST_EACH (s, &c->services, struct service, link)
		if (strcmp(s->spec->name, name) == 0)
			return s;
	return NULL;
}

static uint64_t
max_ms(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void
service_policy(const struct conf_service *spec, struct instance_policy *p)
{
	*p = (struct instance_policy){
		.start_ms = spec->start_timeout_ms,
		.drain_ms = max_ms(
		    spec->stop.drain_ms, spec->stop.websocket_drain_ms),
		.stop_ms = spec->stop.timeout_ms,
		.restart_first_ms = spec->restart.first_ms,
		.restart_base_ms = spec->restart.base_ms,
		.restart_max_ms = spec->restart.max_ms,
		.reset_ms = spec->restart.reset_ms,
	};
}

void
service_set_spec(
    struct service *s, const struct conf *conf, const struct conf_service *spec)
{
	const struct conf *old = s->conf;

	/* What the file newly says counts more than an earlier `scale`. */
	if (spec->replicas_min != s->spec->replicas_min ||
	    spec->replicas_max != s->spec->replicas_max)
		s->scaled = false;
	s->conf = conf_ref(conf);
	s->spec = spec;
	if (!s->scaled && spec->replicas_min == spec->replicas_max)
		s->desired = spec->replicas_min;
	scaling_apply(s);
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (r->process_conf->hash_spawn == spec->hash_spawn)
			replica_take_spec(r);
	LIST_EACH (r, &s->extra, struct replica, link)
		if (r->process_conf->hash_spawn == spec->hash_spawn)
			replica_take_spec(r);
	conf_unref(old);
}

/* --- what it waits for ---------------------------------------------------- */

static bool
redis_is_ready(struct control *c, char *why, size_t size)
{
	struct service *redis = service_by_name(c, ENROLL_REDIS);

	if (redis != NULL && redis->redis ? service_ready(redis) > 0
					  : enroll_up(c))
		return true;
	snprintf(why, size, "waits for redis: %s", enroll_reason(c));
	return false;
}

static bool
dependency_is_ready(struct service *s, const char *name, char *why, size_t size)
{
	struct service *on = service_by_name(s->control, name);

	if (strcmp(name, ENROLL_REDIS) == 0 && (on == NULL || on->redis))
		return redis_is_ready(s->control, why, size);
	if (on != NULL && (service_ready(on) > 0 || scaling_sleeps(on)))
		return true;
	snprintf(why, size, "waits for %s", name);
	return false;
}

static bool
may_start(struct service *s)
{
	char why[sizeof(s->why)] = "";
	bool ok = true;

	for (const char *const *d = s->spec->depends_on; ok && *d; d++)
		ok = dependency_is_ready(s, *d, why, sizeof(why));
	if (ok && s->spec->needs_redis)
		ok = redis_is_ready(s->control, why, sizeof(why));
	snprintf(s->why, sizeof(s->why), "%s", ok ? "" : why);
	return ok;
}

/* --- as many as wanted ---------------------------------------------------- */

unsigned
service_desired(const struct service *s)
{
	return s->stopped || s->removed ? 0 : s->desired;
}

static struct replica *
replica_at(struct service *s, unsigned n)
{
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (r->n == n)
			return r;
	return NULL;
}

static bool
is_down(enum instance_state state)
{
	return state == INSTANCE_IDLE || state == INSTANCE_STOPPED;
}

/* Out of the current ones; freed when its process is gone. */
static void
retire(struct service *s, struct replica *r)
{
	list_remove(&r->link);
	list_push(&s->extra, &r->link);
	r->current = false;
	enroll_forget(r);
	if (is_down(replica_state(r)))
		replica_free_later(r);
	else
		replica_post(r, INSTANCE_EV_UNWANT, "not wanted any more");
}

static void
add_missing(struct service *s)
{
	for (unsigned n = 0; n < service_desired(s); n++) {
		struct replica *r = replica_at(s, n);

		if (r != NULL)
			continue;
		r = replica_new(s, n);
		if (r == NULL)
			return; /* the next change tries again */
		rollout_place(r);
		r->current = true;
		list_push(&s->replicas, &r->link);
	}
}

static void
wake(struct service *s)
{
	if (service_desired(s) == 0 || !may_start(s))
		return;
	LIST_EACH_SAFE (r, &s->replicas, struct replica, link)
		if (replica_state(r) == INSTANCE_IDLE)
			replica_post(r, INSTANCE_EV_WANT, "wanted");
}

static void
on_empty(struct service *s)
{
	struct control *c = s->control;

	if (!s->removed || !list_empty(&s->replicas) || !list_empty(&s->extra))
		return;
	service_free(s);
	publish_soon(c);
}

void
service_settle(struct service *s)
{
	bool keep_places = s->stopped && !s->removed;

	LIST_EACH_SAFE (r, &s->replicas, struct replica, link) {
		if (keep_places && r->n < s->desired)
			replica_post(r, INSTANCE_EV_UNWANT, "stopped");
		else if (r->n >= service_desired(s))
			retire(s, r);
	}
	add_missing(s);
	wake(s);
	rollout_settled(s);
	publish_soon(s->control);
	on_empty(s);
}

void
service_consider_all(struct control *c)
{
	if (c->stopping)
		return;
	LIST_EACH_SAFE (s, &c->services, struct service, link)
		wake(s);
}

void
service_changed(
    struct replica *r, enum instance_state from, enum instance_state to)
{
	struct service *s = r->service;
	struct control *c = s->control;

	rollout_changed(r, from, to); /* may make it the current one */
	if (r->current)
		enroll_replica(r);
	else if (to == INSTANCE_STOPPED && r->in != NULL)
		replica_free_later(r);
	if (to == INSTANCE_READY || from == INSTANCE_READY)
		service_consider_all(c);
	on_empty(s);
}

/* --- wishes --------------------------------------------------------------- */

void
service_stop(struct service *s)
{
	rollout_stopped(s);
	s->stopped = true;
	service_settle(s);
}

static void
start_again(struct service *s)
{
	LIST_EACH_SAFE (r, &s->replicas, struct replica, link)
		if (!instance_wanted(r->in))
			replica_post(r, INSTANCE_EV_WANT, "started");
}

void
service_start(struct service *s)
{
	s->stopped = false;
	scaling_wake(s, "started by an operator");
	add_missing(s);
	rollout_align(s);
	if (may_start(s))
		start_again(s);
	publish_soon(s->control);
}

void
service_scale(struct service *s, unsigned replicas)
{
	s->desired = replicas;
	s->scaled = true;
	scaling_apply(s);
	service_settle(s);
}

void
service_release(struct service *s)
{
	if (!s->scaled)
		return;
	s->scaled = false;
	if (s->spec->replicas_min == s->spec->replicas_max)
		s->desired = s->spec->replicas_min;
	scaling_apply(s);
	service_settle(s);
}

void
service_remove(struct service *s)
{
	rollout_removed(s);
	s->removed = true;
	service_settle(s);
}

/* --- how it is ------------------------------------------------------------ */

unsigned
service_ready(const struct service *s)
{
	unsigned n = 0;

	LIST_EACH (r, &s->replicas, struct replica, link)
		n += replica_ready(r);
	return n;
}

/* How many current replicas are in each state. */
static void
count_states(const struct service *s, unsigned n[INSTANCE_NSTATES])
{
	memset(n, 0, sizeof(n[0]) * INSTANCE_NSTATES);
	LIST_EACH (r, &s->replicas, struct replica, link)
		n[replica_state(r)]++;
}

static void
replica_reason(const struct replica *r, char *why, size_t size)
{
	char exit[64];
	uint64_t now = loop_now(r->service->control->loop);
	unsigned n = check_window_count(&r->crashes, now);

	if (r->has_exit)
		replica_exit_text(&r->exit, exit, sizeof(exit));
	if (check_window_full(&r->crashes, now))
		snprintf(why, size, "crash loop: %u crashes in 5 min%s%s", n,
		    r->has_exit ? "; " : "", r->has_exit ? exit : "");
	else
		snprintf(why, size, "%s", r->why);
}

static void
reason(const struct service *s, char *why, size_t size)
{
	snprintf(why, size, "%s", s->why);
	LIST_EACH (r, &s->replicas, struct replica, link) {
		if (why[0] != '\0')
			return;
		if (!replica_ready(r))
			replica_reason(r, why, size);
	}
	if (why[0] == '\0')
		rollout_reason(s, why, size);
	if (why[0] == '\0')
		scaling_reason(s, why, size);
}

const char *
service_state(const struct service *s, char *why, size_t size)
{
	unsigned n[INSTANCE_NSTATES], desired = service_desired(s);

	count_states(s, n);
	if (s->stopped || s->removed) {
		snprintf(why, size, "stopped by an operator");
		return "stopped";
	}
	reason(s, why, size);
	if (n[INSTANCE_READY] == desired)
		return desired == 0 ? "idle" : "ready";
	if (n[INSTANCE_READY] > 0)
		return "degraded";
	if (n[INSTANCE_STOPPED] > 0 && n[INSTANCE_STOPPED] == desired)
		return "stopped";
	if (n[INSTANCE_BACKOFF] > 0)
		return "backoff";
	return n[INSTANCE_UNREADY] > 0 ? "degraded" : "starting";
}
