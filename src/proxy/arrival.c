/* SPDX-License-Identifier: ISC */

/* The beginning of an exchange: where a request leads, and whether it may. */

#include <errno.h>
#include <string.h>

#include "http/path.h"
#include "model/balance.h"
#include "model/route.h"
#include "proxy/auth.h"
#include "proxy/caller.h"
#include "proxy/compose.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "proxy/policy.h"
#include "proxy/pump.h"
#include "proxy/service.h"
#include "proxy/table.h"
#include "proxy/worker.h"

/* --- the beginning -------------------------------------------------------- */

static unsigned
method_bit(enum method m)
{
	switch (m) {
	case METHOD_GET:
		return ROUTE_GET;
	case METHOD_HEAD:
		return ROUTE_HEAD;
	case METHOD_POST:
		return ROUTE_POST;
	case METHOD_PUT:
		return ROUTE_PUT;
	case METHOD_DELETE:
		return ROUTE_DELETE;
	case METHOD_PATCH:
		return ROUTE_PATCH;
	case METHOD_OPTIONS:
		return ROUTE_OPTIONS;
	default:
		return ROUTE_OTHER;
	}
}

static struct span
key_text(const struct exchange *x, const struct head *h)
{
	const struct snapshot_service *conf = &x->svc->conf;
	struct span name = span_of(conf->hash_name), value = { NULL, 0 };
	const struct head_header *hh;

	switch (conf->hash) {
	case SNAPSHOT_HASH_HEADER:
		hh = head_find_name(h, name);
		return hh != NULL ? hh->value : value;
	case SNAPSHOT_HASH_COOKIE:
		hh = head_find(h, HDR_COOKIE);
		if (hh != NULL)
			balance_cookie(hh->value, name, &value);
		return value;
	case SNAPSHOT_HASH_QUERY:
		balance_query(h->query, name, &value);
		return value;
	case SNAPSHOT_HASH_PATH:
		return h->path;
	default:
		return peer_text(x->down->peer);
	}
}

/* Who has no key goes anywhere. */
static void
set_key(struct exchange *x, const struct head *h)
{
	struct span s;

	if (x->svc->conf.balance != SNAPSHOT_HASH)
		return;
	s = key_text(x, h);
	x->key = s.n > 0 ? balance_hash(s) : rng_next(&x->w->rng);
}

/* What is left of the caller's time, and what the service gets. */
static void
set_remaining(struct exchange *x, const struct head *h, bool called)
{
	const struct head_header *said = called
	    ? head_find(h, HDR_DROVER_DEADLINE_MS)
	    : NULL;
	uint64_t ms;

	x->remaining_ms = x->svc->conf.request_timeout_ms;
	if (said != NULL && str_u64(said->value, &ms) == 0 && ms > 0 &&
	    (x->remaining_ms == 0 || ms < x->remaining_ms))
		x->remaining_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static void
read_head(struct exchange *x, const struct head *h)
{
	x->method = h->method;
	x->idempotent = method_idempotent(h->method);
	x->http10 = h->minor == 0;
	x->keep = h->keep_alive && !x->down->last &&
	    x->w->relief.step < PRESSURE_IDLE;
	x->framing = h->framing;
	x->left = h->length;
	x->expect = h->expect_100;
	x->replay = true;
	x->read_all = h->framing == FRAMING_NONE ||
	    (h->framing == FRAMING_LENGTH && h->length == 0);
	if (h->framing == FRAMING_CHUNKED) {
		chunk_init(&x->chunk);
		chunk_init(&x->measure);
	}
}

/* A preflight belongs to the route of the request that it asks leave for. */
static const struct table_route *
preflight_route(struct exchange *x, const struct head *h, struct route_query q)
{
	const struct table_route *to;
	struct route_answer a;
	enum method asked;

	if (!x->w->table->cors || !policy_preflight(h, &asked))
		return NULL;
	q.method = method_bit(asked);
	route_find(x->w->table->routes, &q, &a);
	to = a.rule != NULL ? a.rule->to : NULL;
	return to != NULL && to->policy != NULL && to->policy->cors ? to : NULL;
}

/* What routes are compared with. */
static struct span
plain_path(struct exchange *x, const struct head *h)
{
	char *out = x->w->heads;

	if (h->form == TARGET_ASTERISK)
		return SPAN("/");
	if (!path_is_spelled(h->path) || h->path.n > WORKER_HEADS)
		return h->path;
	return (struct span){ out, path_plain(h->path, out) };
}

static const struct table_route *
find_route(struct exchange *x, const struct head *h)
{
	struct compose_problem p = { .fault = FAULT_NO_ROUTE };
	struct route_query q = {
		.host = h->hostname,
		.path = plain_path(x, h),
		.method = method_bit(h->method),
		.internal = x->down->peer->internal,
	};
	const struct table_route *to = NULL;
	struct route_answer a;

	if (h->method == METHOD_OPTIONS)
		to = preflight_route(x, h, q);
	if (to != NULL)
		return to;
	route_find(x->w->table->routes, &q, &a);
	if (a.rule != NULL)
		return a.rule->to;
	p.status = a.allowed != 0 ? 405 : 404;
	p.allowed = a.allowed;
	p.detail = a.allowed != 0 ? "the route does not take this method"
				  : "no route leads from this address";
	exchange_problem(x, &p);
	return NULL;
}

/* --- how far an OPTIONS goes (RFC 9110, 7.6.2) ---------------------------- */

/* 1*DIGIT, and more than we can say is as much as we can. */
static int
read_forwards(struct span s, uint32_t *n)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
		if (v > UINT32_MAX)
			v = UINT32_MAX;
	}
	*n = (uint32_t)v;
	return 0;
}

/* The one line of that name, which ends here: the next one gets ours. */
static int
take_forwards(const struct head *h, uint32_t *n)
{
	unsigned lines = 0;

	for (size_t i = 0; i < h->nheaders; i++) {
		struct head_header *hh = &h->headers[i];

		if (!span_eq_nocase(hh->name, SPAN("Max-Forwards")))
			continue;
		hh->hop = true;
		if (++lines > 1 || read_forwards(hh->value, n) < 0)
			return -EINVAL;
	}
	return lines > 0 ? 0 : -ENOENT;
}

/* Ours is the last hop: what may be asked for at that path. */
static void
answer_options(struct exchange *x, const struct head *h)
{
	struct route_query q = {
		.host = h->hostname,
		.path = plain_path(x, h),
		.internal = x->down->peer->internal,
	};
	struct route_answer a;

	route_find(x->w->table->routes, &q, &a);
	exchange_reply(x, 204, FAULT_NONE,
	    compose_options(x, a.rule != NULL ? ROUTE_OTHER - 1 : a.allowed,
		x->w->heads, WORKER_HEADS));
}

/* False: it was answered. */
static bool
goes_on(struct exchange *x, const struct head *h)
{
	uint32_t n;
	int r = take_forwards(h, &n);

	if (r == -ENOENT)
		return true;
	if (r < 0) {
		exchange_fail(x, 400, FAULT_BAD_REQUEST,
		    "Max-Forwards is not one number");
		return false;
	}
	x->forwards = n;
	if (n == 0)
		answer_options(x, h);
	return n > 0;
}

/* --- who may come in ------------------------------------------------------ */

/* False: it was answered. */
static bool
let_in(struct exchange *x, const struct head *h, const char **caller,
    struct service *svc)
{
	const struct snapshot_service *from;

	if (!x->down->peer->internal)
		return true;
	from = caller_of(x->w->table, h);
	if (from == NULL) {
		struct compose_problem p = {
			.status = 401,
			.fault = FAULT_UNAUTHORIZED,
			.detail = "this listener wants a service's token",
			.challenge = true,
		};

		exchange_problem(x, &p);
		return false;
	}
	if (!table_may_call(from, svc)) {
		exchange_fail(x, 403, FAULT_UNAUTHORIZED,
		    "the calling service may not call this one");
		return false;
	}
	*caller = from->name;
	return true;
}

static void
take_upgrade(
    struct exchange *x, const struct head *h, const struct table_route *to)
{
	struct span token = pump_wanted(h, to->conf->upgrade);

	if (token.n > 0 && x->down->ops->tunnel != NULL)
		memcpy(x->upgrade, token.p, token.n); /* zeroed, and has room */
}

static void
enter_service(struct exchange *x, struct service *svc)
{
	x->svc = service_ref(svc);
	svc->budget.active++;
	count64(&svc->count->requests, 1);
}

/* By who it is and what the route's rules say. False: it was answered. */
static bool
admit(struct exchange *x, const struct head *h, const struct table_route *to,
    const char **caller)
{
	if (!let_in(x, h, caller, to->svc))
		return false;
	if (to->policy != NULL && !policy_admit(x, h, to->policy))
		return false;
	return h->method != METHOD_OPTIONS || goes_on(x, h);
}

static bool
prepare(struct exchange *x, const struct head *h)
{
	const struct table_route *to = find_route(x, h);
	const char *caller = NULL;
	struct span lines;
	bool judged;

	if (to == NULL)
		return false;
	x->notes.route = to->record_name;
	enter_service(x, to->svc);
	if (!admit(x, h, to, &caller))
		return false;
	/* A service has shown its own token. */
	judged = to->auth != NULL && caller == NULL;
	if (judged && !auth_judge(x, h, to->auth, &lines))
		return false;
	if (h->framing == FRAMING_LENGTH && h->length > to->svc->conf.body) {
		worker_hit(x->w, LIMIT_BODY);
		exchange_fail(x, 413, FAULT_BODY_TOO_LARGE,
		    "the body is over the limit of this service");
		return false;
	}
	/* Now it is known that it may say who it is. */
	if (caller != NULL && !x->down->peer->trusted)
		recording_begin(x, h, true);
	take_upgrade(x, h, to);
	set_key(x, h);
	set_remaining(x, h, caller != NULL);
	if (compose_request(x, h, to, caller) < 0 ||
	    (judged && auth_enter(x, h, to, lines) < 0)) {
		exchange_fail(
		    x, 503, FAULT_QUEUE_FULL, "no memory for the request");
		return false;
	}
	return true;
}

void
exchange_ask(struct exchange *x, struct service *svc)
{
	x->started_us = x->w->now_us;
	x->method = METHOD_GET;
	x->idempotent = true;
	x->keep = true;
	x->replay = true;
	x->read_all = true;
	enter_service(x, svc);
}

size_t
exchange_begin(struct downstream *d, const struct head *h, struct span rest)
{
	struct worker *w = d->w;
	bool short_of_memory = relief_step(&w->relief) >= PRESSURE_REQUESTS;
	struct exchange *x = exchange_new(w);
	size_t used = 0;

	count64(&w->cells->requests, 1);
	if (x == NULL) {
		downstream_close(d);
		return 0;
	}
	d->x = x;
	x->down = d;
	x->started_us = w->now_us;
	read_head(x, h);
	recording_begin(x, h, d->peer->trusted);
	if (short_of_memory) {
		worker_hit(w, LIMIT_MEMORY_REQUESTS);
		exchange_fail(x, 503, FAULT_QUEUE_FULL,
		    "too little memory is left for another request");
		return 0;
	}
	if (!prepare(x, h))
		return 0;
	if (!x->read_all && request_take(x, rest, &used) < 0)
		request_refuse(x);
	else if (x->wait != NULL)
		auth_begin(x);
	else
		exchange_admit(x);
	if (d->x == x)
		request_keep(x);
	return used;
}
