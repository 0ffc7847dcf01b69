/* SPDX-License-Identifier: ISC */

#include "proxy/service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

/* Lost against other workers so often in a row: queue, and let the tick try. */
#define RACES_MAX 4

struct service *
service_new(struct worker *w, const char *name, uint32_t cell)
{
	struct service *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (str_copy(s->name, sizeof(s->name), span_of(name)) < 0) {
		free(s);
		return NULL;
	}
	s->w = w;
	s->refs = 1;
	s->count = scoreboard_service(w->sb, w->index, cell);
	s->conf.cell = cell;
	list_init(&s->queue);
	return s;
}

struct service *
service_ref(struct service *s)
{
	s->refs++;
	return s;
}

static void
drop_endpoints(struct service *s)
{
	for (uint32_t i = 0; i < s->nendpoints; i++)
		endpoint_unref(s->endpoints[i]);
	free(s->endpoints);
	free(s->weights);
	free(s->owners);
	s->endpoints = NULL;
	s->weights = NULL;
	s->owners = NULL;
	s->nendpoints = 0;
}

static void
drop_kinds(struct service *s)
{
	deadline_release(&s->queue_kind);
	deadline_release(&s->start_kind);
	deadline_release(&s->request_kind);
	deadline_release(&s->idle_kind);
	deadline_release(&s->pump_kind);
}

void
service_unref(struct service *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	drop_endpoints(s);
	drop_kinds(s);
	free(s);
}

/* --- snapshots ------------------------------------------------------------ */

void
service_call(struct service *s)
{
	if (s->conf.wake == 0 || s->nqueue == 0 || s->told)
		return;
	s->told = orders_wake(&s->w->orders, s->conf.cell);
}

static void
set_kinds(struct service *s)
{
	struct deadlines *ds = &s->w->deadlines;
	uint32_t start = s->conf.start_wait_ms;

	if (start == 0)
		start = s->conf.queue_timeout_ms;
	deadline_hold(ds, &s->queue_kind, s->conf.queue_timeout_ms);
	deadline_hold(ds, &s->start_kind, start);
	deadline_hold(ds, &s->request_kind, s->conf.request_timeout_ms);
	deadline_hold(ds, &s->idle_kind, s->conf.idle_timeout_ms);
	deadline_hold(ds, &s->pump_kind, s->conf.websocket_idle_ms);
}

void
service_apply(struct service *s, const struct snapshot_service *conf,
    uint32_t index, struct endpoint **endpoints,
    struct balance_endpoint *weights, uint16_t *owners)
{
	drop_endpoints(s);
	s->conf = *conf;
	s->index = index;
	s->record_name = recording_name(s->w, s->name);
	s->gone = false;
	s->endpoints = endpoints;
	s->weights = weights;
	s->owners = owners;
	s->nendpoints = conf->nendpoints;
	s->warming = true;
	s->warmed_ms = 0;
	s->settle_until_ms = 0;
	s->ejection = (struct outlier_policy){
		.errors = conf->eject_errors,
		.percent = conf->eject_percent,
		.ms = conf->eject_ms,
	};
	set_kinds(s);
	s->told = false;
	service_call(s);
}

void
service_retire(struct service *s)
{
	drop_endpoints(s);
	s->gone = true;
	s->conf.flags = 0;
	s->conf.wake = 0;
	s->conf.nendpoints = 0;
	s->conf.name = s->conf.hash_name = s->conf.token = "";
	s->conf.calls = NULL;
	s->conf.ncalls = 0;
}

/* --- choosing ------------------------------------------------------------- */

/* What is still asked when nothing better is left. */
enum despair { THE_GOOD, THE_EJECTED, THE_DOWN };

struct picking {
	struct service *s;
	struct exchange *x;
	uint32_t alive; /* that a place could be free on, some time */
	enum despair despair;
	uint32_t at; /* whose load this is */
	struct scoreboard_load load;
};

/* What usable() looked at, load() need not. */
static const struct scoreboard_load *
load_of(struct picking *p, uint32_t i)
{
	if (p->at != i)
		p->load = scoreboard_load(
		    p->s->w->sb, p->s->endpoints[i]->cell);
	p->at = i;
	return &p->load;
}

static bool
on_usable(void *arg, uint32_t i)
{
	struct picking *p = arg;
	struct endpoint *ep = p->s->endpoints[i];

	if (exchange_tried(p->x, ep->serial) ||
	    (ep->down && p->despair < THE_DOWN) ||
	    (p->despair < THE_EJECTED &&
		outlier_is_out(&ep->outlier, p->s->w->now_ms)))
		return false;
	p->alive++;
	if (ep->full_until_ms > p->s->w->now_ms)
		return false;
	return p->s->conf.concurrency == 0 ||
	    load_of(p, i)->inflight < p->s->conf.concurrency;
}

static uint32_t
on_load(void *arg, uint32_t i)
{
	struct picking *p = arg;
	const struct scoreboard_load *load = load_of(p, i);
	struct outlier *o = &p->s->endpoints[i]->outlier;

	return load->inflight + load->tunnels +
	    outlier_load(o, p->s->w->now_ms);
}

static const struct balance_ops picking_ops = {
	.usable = on_usable,
	.load = on_load,
};

static uint32_t
weight_now(const struct endpoint *ep, uint64_t now, bool *still)
{
	uint64_t since = ep->ready_since_ms;
	uint64_t age = since == 0 ? UINT64_MAX : now > since ? now - since : 0;

	*still |= age < BALANCE_SLOW_START_MS;
	return balance_slow_start(ep->weight, age);
}

static void
warm_up(struct service *s)
{
	bool still = false, changed = false;

	for (uint32_t i = 0; i < s->nendpoints; i++) {
		uint32_t weight = weight_now(
		    s->endpoints[i], s->w->now_ms, &still);

		changed |= weight != s->weights[i].weight;
		s->weights[i].weight = weight;
	}
	if (changed && s->owners != NULL)
		memset(s->owners, 0, BALANCE_SLOTS * sizeof(*s->owners));
	s->warming = still;
	s->warmed_ms = s->w->now_ms;
}

static uint32_t
choose(struct picking *p)
{
	struct service *s = p->s;
	struct balance b = {
		.endpoints = s->weights,
		.n = s->nendpoints,
		.owners = s->owners,
		.rng = &s->w->rng,
		.ops = &picking_ops,
		.arg = p,
	};

	if (s->warming && s->w->now_ms - s->warmed_ms >= SERVICE_WARM_MS)
		warm_up(s);
	p->alive = 0;
	p->at = BALANCE_NONE;
	return balance_pick(
	    &b, (enum balance_policy)s->conf.balance, p->x->key);
}

/* For the record. Few are out at any time, and mostly none. */
static void
note_choice(const struct service *s, struct exchange *x)
{
	x->notes.candidates = (uint16_t)s->nendpoints;
	x->notes.ejected = 0;
	if (s->w->ndown == 0 && s->w->now_ms >= s->w->ejected_until_ms)
		return;
	for (uint32_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i]->down ||
		    outlier_is_out(&s->endpoints[i]->outlier, s->w->now_ms))
			x->notes.ejected++;
}

static bool
has_proven(const struct service *s, const struct exchange *x)
{
	for (uint32_t i = 0; i < s->nendpoints; i++) {
		const struct endpoint *ep = s->endpoints[i];

		if (!ep->trial && !ep->down && !exchange_tried(x, ep->serial))
			return true;
	}
	return false;
}

bool
service_spares(const struct service *s, const struct exchange *x)
{
	return x->ep->trial && x->replay && x->idempotent &&
	    x->phase != EXCHANGE_ANSWERING && has_proven(s, x);
}

static enum service_verdict
pick(struct service *s, struct exchange *x, enum despair despair)
{
	struct picking p = { .s = s, .x = x, .despair = despair };
	unsigned races = 0;
	uint32_t i;

	while (races < RACES_MAX) {
		struct endpoint *ep;

		i = choose(&p);
		if (i == BALANCE_NONE && exchange_forgive(x))
			continue;
		if (i == BALANCE_NONE)
			break;
		ep = s->endpoints[i];
		if (!scoreboard_take(
			s->w->sb, s->w->index, ep->cell, s->conf.concurrency)) {
			races++;
			continue;
		}
		x->ep = endpoint_ref(ep);
		note_choice(s, x);
		count32(&s->count->inflight, 1);
		return SERVICE_GO;
	}
	if (p.alive > 0)
		return SERVICE_WAIT;
	return s->conf.flags & SNAPSHOT_SERVICE_STARTING ? SERVICE_START
							 : SERVICE_NONE;
}

/*
 * It hung up on x, and still listens: a process that is being killed closes one
 * descriptor after the other. Soon it is known.
 */
static bool
doubtful(const struct service *s, struct exchange *x)
{
	if (x->fault != FAULT_RESET || !x->idempotent || s->nendpoints == 0)
		return false;
	if (x->doubt_until_ms == 0)
		x->doubt_until_ms = s->w->now_ms + SERVICE_DOUBT_MS;
	return s->w->now_ms < x->doubt_until_ms;
}

/*
 * The last one has just died here; control is hearing of it, too, and its next
 * snapshot tells whether another is on its way. Not waited for without end:
 * control itself may be away.
 */
static bool
settling(struct service *s, struct exchange *x)
{
	bool down = false;

	for (uint32_t i = 0; i < s->nendpoints && !down; i++)
		down = s->endpoints[i]->down;
	if (!down)
		return doubtful(s, x);
	if (s->settle_until_ms == 0)
		s->settle_until_ms = s->w->now_ms + SERVICE_SETTLE_MS;
	return s->w->now_ms < s->settle_until_ms;
}

/* Refused by all is the same as none, unless there is nothing else. */
enum service_verdict
service_pick(struct service *s, struct exchange *x)
{
	enum service_verdict v = pick(s, x, THE_GOOD);

	if (v == SERVICE_NONE || v == SERVICE_START)
		v = pick(s, x, THE_EJECTED);
	if (v != SERVICE_NONE)
		return v;
	return settling(s, x) ? SERVICE_START : pick(s, x, THE_DOWN);
}

/* --- ejection ------------------------------------------------------------- */

static void
eject(struct service *s, struct endpoint *ep, enum outlier_verdict why)
{
	unsigned errors = s->ejection.errors;
	uint64_t now = s->w->now_ms;
	uint64_t ms = outlier_eject(&ep->outlier, &s->ejection, now);

	if (now + ms > s->w->ejected_until_ms)
		s->w->ejected_until_ms = now + ms;
	count64(&s->count->ejections, 1);
	atomic_store_explicit(&ep->count->out_until_s,
	    (uint32_t)((now + ms + 999) / 1000), memory_order_relaxed);
	if (why == OUTLIER_IN_A_ROW)
		log_warn(ep->name,
		    "in -> ejected cause=\"%u errors in a row\" ms=%llu",
		    errors, (unsigned long long)ms);
	else
		log_warn(ep->name,
		    "in -> ejected cause=\"%u errors in %u requests\" ms=%llu",
		    2 * errors, 4 * errors, (unsigned long long)ms);
}

void
service_praise(struct endpoint *ep)
{
	outlier_success(&ep->outlier);
}

void
service_blame(struct service *s, struct endpoint *ep)
{
	uint64_t now = s->w->now_ms;
	enum outlier_verdict v = outlier_failure(
	    &ep->outlier, &s->ejection, now);
	unsigned out = 0;

	if (v == OUTLIER_STAYS || ep->gone)
		return;
	for (uint32_t i = 0; i < s->nendpoints; i++)
		out += outlier_is_out(&s->endpoints[i]->outlier, now);
	if (outlier_allows(&s->ejection, s->nendpoints, out) &&
	    !outlier_is_out(&ep->outlier, now))
		eject(s, ep, v);
}

void
service_give(struct service *s, struct endpoint *ep)
{
	count32(&s->count->inflight, (uint32_t)-1);
	scoreboard_give(s->w->sb, s->w->index, ep->cell);
	endpoint_unref(ep);
}

void
service_tunnel(struct service *s, struct endpoint *ep)
{
	count32(&ep->count->tunnels, 1);
	count64(&s->count->upgrades, 1);
	count32(&s->count->inflight, (uint32_t)-1);
	scoreboard_give(s->w->sb, s->w->index, ep->cell);
	service_wake(s);
}

void
service_untunnel(struct service *s, struct endpoint *ep)
{
	(void)s;
	count32(&ep->count->tunnels, (uint32_t)-1);
	endpoint_unref(ep);
}

/* --- the queue ------------------------------------------------------------ */

bool
service_crowded(const struct service *s)
{
	if (s->nqueue > 0)
		return true;
	return s->conf.concurrency > 0 &&
	    scoreboard_waiter(s->w->sb, s->w->index, s->conf.cell, 0) != 0;
}

struct deadline_kind *
service_queue_kind(const struct service *s)
{
	return s->nendpoints == 0 ? s->start_kind : s->queue_kind;
}

static void
show_oldest(struct service *s)
{
	struct exchange *x = LIST_FIRST(&s->queue, struct exchange, link);

	atomic_store_explicit(&s->count->waiting_since_us,
	    x == NULL ? 0 : x->queued_us, memory_order_relaxed);
}

bool
service_enqueue(struct service *s, struct exchange *x)
{
	struct worker *w = s->w;

	if (!scoreboard_enqueue(w->sb, w->index, s->conf.cell, s->conf.queue))
		return false;
	if (x->queued_us == 0) {
		x->queued_us = w->now_us;
		list_push(&s->queue, &x->link);
	} else {
		list_unshift(&s->queue, &x->link); /* it had its turn */
	}
	if (s->nqueue++ == 0)
		list_push(&w->waiting, &s->waiting);
	show_oldest(s);
	service_call(s);
	if (!loop_timer_armed(&w->waiting_tick))
		loop_timer_arm(&w->waiting_tick, SERVICE_TICK_MS);
	return true;
}

void
service_dequeue(struct service *s, struct exchange *x)
{
	uint64_t waited;

	list_remove(&x->link);
	scoreboard_dequeue(s->w->sb, s->w->index, s->conf.cell);
	waited = s->w->now_us - x->queued_us;
	count32(&s->count->waited[histogram_bucket(waited)], 1);
	count_bar(&s->count->waited_bars, waited);
	recording_waited(x, waited);
	if (--s->nqueue == 0)
		list_remove(&s->waiting);
	show_oldest(s);
}

/* Somebody elsewhere has waited longer than our oldest: it is their turn. */
static bool
yield_turn(struct service *s, const struct exchange *oldest)
{
	uint64_t since = oldest == NULL ? 0 : oldest->queued_us;
	pid_t pid;

	if (s->conf.concurrency == 0)
		return false;
	pid = scoreboard_waiter(s->w->sb, s->w->index, s->conf.cell, since);
	if (pid == 0)
		return false;
	kill(pid, SIGURG); /* ignored by whoever does not wait for it */
	return true;
}

/*
 * Each that goes takes a place, so this ends. exchange_go() may answer with an
 * error and free x, and never queues it again.
 */
static void
wake(struct service *s, bool tick)
{
	struct exchange *x;

	service_ref(s);
	for (;;) {
		enum service_verdict v;

		x = LIST_FIRST(&s->queue, struct exchange, link);
		if (!(tick && x != NULL &&
			s->w->now_us - x->queued_us > SERVICE_PATIENCE_US) &&
		    yield_turn(s, x))
			break;
		if (x == NULL)
			break;
		v = service_pick(s, x);
		if (v == SERVICE_WAIT || v == SERVICE_START)
			break;
		service_dequeue(s, x);
		exchange_go(x, v == SERVICE_GO);
	}
	service_unref(s);
}

void
service_wake(struct service *s)
{
	if (s->nqueue > 0 || s->conf.concurrency > 0)
		wake(s, false);
}

void
service_wake_all(struct worker *w, bool tick)
{
	LIST_EACH_SAFE (s, &w->waiting, struct service, waiting)
		wake(s, tick);
	if (!list_empty(&w->waiting))
		loop_timer_arm(&w->waiting_tick, SERVICE_TICK_MS);
}
