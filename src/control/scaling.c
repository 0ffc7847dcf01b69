/* SPDX-License-Identifier: ISC */

#include "control/scaling.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/applied.h"
#include "control/cells.h"
#include "control/event.h"
#include "control/replica.h"
#include "control/sample.h"
#include "control/service.h"
#include "proc/memory.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

/* --- its policy ----------------------------------------------------------- */

void
scaling_policy(const struct conf_service *spec, struct autoscale_policy *p)
{
	const struct conf_autoscale *a = &spec->autoscale;

	*p = (struct autoscale_policy){
		.min = spec->replicas_min,
		.max = spec->replicas_max,
		.target_milli = autoscale_target(
		    a->target, spec->limits.concurrency),
		.surge = a->surge,
		.window_ms = a->window_ms,
		.panic_ms = a->panic_window_ms != 0 ? a->panic_window_ms
						    : a->window_ms / 10,
		.grace_ms = a->grace_ms,
		.wait_ms = a->queue_wait_ms,
	};
}

static bool
is_asked_for(const struct service *s)
{
	return s->spec->replicas_min < s->spec->replicas_max && !s->scaled;
}

static bool
is_on(const struct service *s)
{
	return s->scaling != NULL && !s->stopped && !s->removed &&
	    !s->control->stopping;
}

bool
scaling_sleeps(const struct service *s)
{
	return is_on(s) && s->desired == 0;
}

/* It comes up, however long that takes, or backs off: its queue holds. */
void
scaling_publish(const struct service *s, struct snapshot_service *out)
{
	uint64_t wait = s->spec->autoscale.wake_timeout_ms;

	if (s->spec->replicas_min > 0 || s->spec->replicas_max == 0)
		return;
	out->start_wait_ms = (uint32_t)wait;
	out->wake = scaling_sleeps(s);
	if (is_on(s) && service_ready(s) == 0)
		out->flags |= SNAPSHOT_SERVICE_STARTING;
}

/* --- putting it in force -------------------------------------------------- */

static void
on_save(void *arg)
{
	applied_save(arg);
}

static void
tell(struct scaling *g)
{
	struct service *s = g->service;
	char from[16], to[16];
	const struct event_note note = {
		.type = "scale",
		.service = s->spec->name,
		.from = from,
		.to = to,
		.cause = g->last.why,
	};

	snprintf(from, sizeof(from), "%u", g->last.from);
	snprintf(to, sizeof(to), "%u", g->last.to);
	event_post(s->control, &note);
}

static void
take_note(struct scaling *g, const char *why)
{
	struct service *s = g->service;
	char text[AUTOSCALE_TEXT];

	if (why == NULL)
		why = autoscale_text(&g->model, &g->policy, text);
	g->last.from = s->desired;
	g->last.to = s->desired = g->model.desired;
	g->last.at_wall = clock_wall_ms();
	str_cut(g->last.why, sizeof(g->last.why), why);
	if (g->last.to > g->last.from)
		g->ups++;
	else
		g->downs++;
	tell(g);
}

static void
put_in_force(struct scaling *g, const char *why)
{
	struct service *s = g->service;
	struct control *c = s->control;

	take_note(g, why);
	service_settle(s);
	if (s->desired == 0)
		service_consider_all(c); /* who depends on it need not wait */
	loop_defer(c->loop, &c->scaling.save, on_save, c);
}

/* --- looking -------------------------------------------------------------- */

static bool
is_starting(const struct replica *r)
{
	enum instance_state state = replica_state(r);

	return state == INSTANCE_STARTING || state == INSTANCE_IDLE ||
	    state == INSTANCE_BACKOFF;
}

static unsigned
tunnels_of(const struct service *s)
{
	unsigned all = 0, n;

	LIST_EACH (r, &s->replicas, struct replica, link) {
		(void)cells_busy(s->control, r->cell, &n);
		all += n;
	}
	LIST_EACH (r, &s->extra, struct replica, link) {
		(void)cells_busy(s->control, r->cell, &n);
		all += n;
	}
	return all;
}

static uint64_t
waited_ms(uint64_t since_us)
{
	uint64_t now = clock_us();

	return since_us == 0 || since_us >= now ? 0 : (now - since_us) / 1000;
}

static void
look(struct scaling *g, struct autoscale_sample *out)
{
	const struct service *s = g->service;
	struct scoreboard_demand d = scoreboard_demand(
	    s->control->workers.board, s->cell);
	unsigned all = 0;

	*out = (struct autoscale_sample){
		.load = d.load,
		.wait_ms = waited_ms(d.since_us),
		.ready = service_ready(s),
		.busy = d.requests != g->requests || tunnels_of(s) > 0,
		.hold = s->rollout.on,
	};
	LIST_EACH (r, &s->replicas, struct replica, link) {
		out->starting += is_starting(r);
		all++;
	}
	out->whole = out->ready == all;
	g->requests = d.requests;
}

/* What one copy takes: what it may, or what those that run do. 0: not known */
static uint64_t
memory_of_one(struct service *s)
{
	uint64_t most = s->spec->resources.memory;

	if (most > 0)
		return most;
	sample_processes(s->control);
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (r->usage.mem_bytes > most)
			most = r->usage.mem_bytes;
	return most;
}

static unsigned
room(struct service *s, unsigned starting)
{
	struct control *c = s->control;
	const char *root = c->scaling.root != NULL ? c->scaling.root : "";
	uint64_t one = memory_of_one(s), left;

	if (one == 0)
		return UINT_MAX;
	left = memory_available(root, herd_keeper_pid(c->herd));
	if (left == UINT64_MAX)
		return UINT_MAX;
	left /= one;
	left -= left < starting ? left : starting;
	return left > UINT_MAX ? UINT_MAX : (unsigned)left;
}

static void
arm(struct scaling *g)
{
	if (is_on(g->service) && g->service->desired > 0)
		loop_timer_arm(&g->tick, autoscale_pace(&g->policy));
	else
		loop_timer_disarm(&g->tick);
}

static bool
is_held(const struct autoscale *a)
{
	return a->bound == AUTOSCALE_AT_SURGE ||
	    a->bound == AUTOSCALE_AT_MEMORY;
}

static void
on_tick(void *arg)
{
	struct scaling *g = arg;
	struct service *s = g->service;
	struct autoscale_sample now;
	unsigned more = UINT_MAX;

	if (!is_on(s)) {
		arm(g);
		return;
	}
	look(g, &now);
	if (autoscale_see(
		&g->model, &g->policy, loop_now(s->control->loop), &now))
		more = room(s, now.starting);
	if (autoscale_decide(&g->model, &g->policy, more))
		put_in_force(g, NULL);
	g->held += is_held(&g->model);
	arm(g);
}

/* --- waking --------------------------------------------------------------- */

void
scaling_wake(struct service *s, const char *cause)
{
	struct scaling *g = s->scaling;

	if (!is_on(s))
		return;
	if (autoscale_wake(&g->model, &g->policy, loop_now(s->control->loop))) {
		g->wakes++;
		put_in_force(g, cause);
	}
	arm(g);
}

void
scaling_wake_cell(struct control *c, unsigned cell)
{
	LIST_EACH (s, &c->services, struct service, link) {
		if (s->cell == cell && !s->redis) {
			scaling_wake(s, "a request waits");
			return;
		}
	}
}

void
scaling_seen(struct service *s, uint64_t queued)
{
	if (queued > 0 && scaling_sleeps(s))
		scaling_wake(s, "requests wait");
}

/* --- on and off ----------------------------------------------------------- */

static struct scaling *
begin(struct service *s)
{
	struct control *c = s->control;
	struct scaling *g = calloc(1, sizeof(*g));

	if (g == NULL) {
		log_error(s->spec->name,
		    "not scaled by its load: out of memory; the next reload "
		    "tries again");
		if (s->desired < s->spec->replicas_min)
			s->desired = s->spec->replicas_min;
		return NULL;
	}
	g->service = s;
	scaling_policy(s->spec, &g->policy);
	loop_timer_init(&g->tick, c->loop, on_tick, g);
	autoscale_begin(&g->model, &g->policy, s->desired, loop_now(c->loop));
	s->desired = g->model.desired;
	return g;
}

void
scaling_free(struct service *s)
{
	if (s->scaling == NULL)
		return;
	loop_timer_done(&s->scaling->tick);
	free(s->scaling);
	s->scaling = NULL;
}

void
scaling_apply(struct service *s)
{
	struct scaling *g = s->scaling;

	if (!is_asked_for(s) || s->redis) {
		scaling_free(s);
		return;
	}
	if (g == NULL)
		g = s->scaling = begin(s);
	if (g == NULL)
		return;
	scaling_policy(s->spec, &g->policy);
	if (autoscale_bounds(&g->model, &g->policy))
		take_note(g, NULL);
	arm(g);
}

/* --- for the next control process ----------------------------------------- */

json_t *
scaling_save(const struct service *s)
{
	const struct scaling *g = s->scaling;

	if (g == NULL)
		return NULL;
	return json_pack("{si sI si si ss}", "desired", (int)s->desired, "at",
	    (json_int_t)g->last.at_wall, "from", (int)g->last.from, "to",
	    (int)g->last.to, "why", g->last.why);
}

void
scaling_restore(struct service *s, json_t *saved)
{
	struct scaling *g = s->scaling;
	int desired, from = 0, to = 0;
	const char *why = "";
	json_int_t at = 0;

	if (g == NULL ||
	    json_unpack(saved, "{s:i s?I s?i s?i s?s}", "desired", &desired,
		"at", &at, "from", &from, "to", &to, "why", &why) < 0 ||
	    desired < 0 || from < 0 || to < 0 || at < 0)
		return;
	autoscale_begin(&g->model, &g->policy, (unsigned)desired,
	    loop_now(s->control->loop));
	s->desired = g->model.desired;
	g->last.at_wall = (uint64_t)at;
	g->last.from = (unsigned)from;
	g->last.to = (unsigned)to;
	str_cut(g->last.why, sizeof(g->last.why), why);
	arm(g);
}

void
scaling_take_over(struct service *s)
{
	struct scaling *g = s->scaling;
	unsigned n = s->desired;

	if (g == NULL)
		return;
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (r->n >= n)
			n = r->n + 1;
	autoscale_begin(&g->model, &g->policy, n, loop_now(s->control->loop));
	s->desired = g->model.desired;
	arm(g);
}
