/* SPDX-License-Identifier: ISC */

#include "control/publish_build.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "control/certificates.h"
#include "control/health.h"
#include "control/publish_auth.h"
#include "control/publish_route.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/scaling.h"
#include "control/service.h"
#include "link/snapshot.h"

#define BUILD_MAX (32U << 20)

struct build {
	struct control *c;
	struct arena arena;
	struct snapshot snap;
	struct snapshot_service *services;
	struct snapshot_route *routes;
	bool no_memory;
};

static void *
take(struct build *b, size_t n, size_t size)
{
	void *p = arena_alloc(&b->arena, n * size);

	if (p == NULL)
		b->no_memory = true;
	return p;
}

static void
add_endpoint(struct snapshot_endpoint *e, const struct replica *r)
{
	*e = (struct snapshot_endpoint){
		.name = r->id,
		.address = r->address,
		.cell = (uint32_t)r->cell,
		.weight = 100,
		.ready_since_ms = r->ready_at,
		.flags = rollout_on_trial(r) ? SNAPSHOT_ENDPOINT_TRIAL : 0U,
	};
}

static bool
takes_traffic(const struct replica *r)
{
	return replica_ready(r) && r->cell >= 0;
}

static void
add_endpoints(
    struct build *b, struct snapshot_service *out, const struct service *s)
{
	struct snapshot_endpoint *all;
	uint32_t n = 0;

	LIST_EACH (r, &s->replicas, struct replica, link)
		n += takes_traffic(r);
	LIST_EACH (r, &s->extra, struct replica, link)
		n += takes_traffic(r);
	all = take(b, n, sizeof(*all));
	if (all == NULL)
		return;
	out->endpoints = all;
	out->nendpoints = n;
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (takes_traffic(r))
			add_endpoint(all++, r);
	LIST_EACH (r, &s->extra, struct replica, link)
		if (takes_traffic(r))
			add_endpoint(all++, r);
}

/* Whether a request may hope: a replica is on its way, not in a crash loop. */
static bool
is_starting(const struct service *s)
{
	LIST_EACH (r, &s->replicas, struct replica, link) {
		enum instance_state state = replica_state(r);

		if (state == INSTANCE_STARTING || state == INSTANCE_IDLE)
			return true;
		if (state == INSTANCE_BACKOFF && instance_crashes(r->in) <= 2)
			return true;
	}
	return false;
}

static void
add_calls(
    struct build *b, struct snapshot_service *out, const struct service *s)
{
	size_t n = 0;
	uint32_t *calls;

	while (s->spec->calls[n] != NULL)
		n++;
	calls = take(b, n, sizeof(*calls));
	if (calls == NULL)
		return;
	out->calls = calls;
	for (size_t i = 0; i < n; i++) {
		uint32_t index = 0;

		LIST_EACH (to, &b->c->services, struct service, link) {
			if (strcmp(to->spec->name, s->spec->calls[i]) == 0)
				calls[out->ncalls++] = index;
			index++;
		}
	}
}

static uint32_t
ms32(uint64_t ms)
{
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static void
add_service(
    struct build *b, struct snapshot_service *out, const struct service *s)
{
	const struct conf_limits *limits = &s->spec->limits;

	*out = (struct snapshot_service){
		.name = s->spec->name,
		.cell = s->cell,
		.flags = (is_starting(s) ? SNAPSHOT_SERVICE_STARTING : 0U) |
		    (s->spec->access_log ? 0U : SNAPSHOT_SERVICE_UNLOGGED),
		.balance = (uint32_t)s->spec->balance,
		.hash = (uint32_t)s->spec->hash,
		.hash_name = s->spec->hash_name,
		.concurrency = limits->concurrency,
		.queue = limits->queue,
		.queue_timeout_ms = ms32(limits->queue_timeout_ms),
		.request_timeout_ms = ms32(limits->request_timeout_ms),
		.idle_timeout_ms = ms32(limits->idle_timeout_ms),
		.websocket_idle_ms = ms32(limits->websocket_idle_ms),
		.eject_errors = s->spec->ejection.errors,
		.eject_ms = ms32(s->spec->ejection.time_ms),
		.eject_percent = s->spec->ejection.percent,
		.body = limits->body,
		.token = s->token,
	};
	scaling_publish(s, out);
	add_endpoints(b, out, s);
	add_calls(b, out, s);
}

static bool
is_silent(const struct replica *r)
{
	return health_silent(r) && r->cell >= 0;
}

/* The endpoints where nothing is worth waiting for. */
static void
add_silent(struct build *b)
{
	uint32_t *cells, n = 0;

	EACH_REPLICA(b->c, r)
	n += is_silent(r);
	b->snap.silent = cells = take(b, n, sizeof(*cells));
	b->snap.nsilent = cells == NULL ? 0 : n;
	if (cells == NULL)
		return;
	EACH_REPLICA(b->c, r)
	if (is_silent(r))
		*cells++ = (uint32_t)r->cell;
}

static void
count(struct build *b)
{
	LIST_EACH (s, &b->c->services, struct service, link) {
		b->snap.nservices++;
		b->snap.nroutes += (uint32_t)s->spec->nroutes;
	}
}

static void
add_route(struct build *b, struct snapshot_route *out,
    const struct conf_route *r, uint32_t service)
{
	if (publish_route(&b->arena, r, service, out) < 0 ||
	    publish_auth(b->c, &b->arena, &r->auth, &out->auth) < 0)
		b->no_memory = true;
}

static void
add_services(struct build *b)
{
	uint32_t at = 0, route = 0;

	count(b);
	b->services = take(b, b->snap.nservices, sizeof(*b->services));
	b->routes = take(b, b->snap.nroutes, sizeof(*b->routes));
	if (b->no_memory)
		return;
	LIST_EACH (s, &b->c->services, struct service, link) {
		add_service(b, &b->services[at], s);
		for (size_t i = 0; i < s->spec->nroutes; i++)
			add_route(
			    b, &b->routes[route++], &s->spec->routes[i], at);
		at++;
	}
	b->snap.services = b->services;
	b->snap.routes = b->routes;
}

static void *
room(void *arg, size_t n)
{
	return take(arg, 1, n);
}

static void
fill_http2(const struct conf *conf, struct snapshot_listener *to)
{
	static const uint32_t flags[] = {
		[CONF_HTTP2_NEVER] = SNAPSHOT_LISTENER_HTTP2_NEVER,
		[CONF_HTTP2_TLS] = 0,
		[CONF_HTTP2_ALWAYS] = SNAPSHOT_LISTENER_HTTP2_ALWAYS,
	};

	for (size_t i = 0; i < conf->nlisten; i++) {
		const struct conf_listen *from = &conf->listen[i];

		if (strcmp(from->address, to->address) != 0)
			continue;
		to->flags |= flags[from->http2];
		to->http2_streams = from->http2_streams;
	}
}

static void
add_listeners(struct build *b)
{
	struct snapshot_listener *all, *out;
	uint32_t n = 0;

	LIST_EACH (l, &b->c->workers.listeners, struct listener, link)
		n++;
	all = take(b, n, sizeof(*all));
	if (all == NULL)
		return;
	b->snap.listeners = all;
	LIST_EACH (l, &b->c->workers.listeners, struct listener, link) {
		out = &all[b->snap.nlisteners++];
		*out = (struct snapshot_listener){
			.id = l->id,
			.flags = l->internal ? SNAPSHOT_LISTENER_INTERNAL : 0U,
			.address = l->address,
		};
		if (l->internal)
			continue;
		certificates_fill(b->c, out, room, b);
		fill_http2(b->c->conf, out);
	}
}

static void
add_trusted(struct build *b)
{
	const struct conf *conf = b->c->conf;
	struct snapshot_network *all = take(b, conf->ntrusted, sizeof(*all));

	if (all == NULL)
		return;
	for (size_t i = 0; i < conf->ntrusted; i++) {
		memcpy(all[i].address, conf->trusted[i].address, 16);
		all[i].prefix = conf->trusted[i].prefix;
	}
	b->snap.trusted = all;
	b->snap.ntrusted = (uint32_t)conf->ntrusted;
}

static void
add_limits(struct build *b)
{
	const struct conf_ceilings *l = &b->c->conf->limits;

	b->snap.limits = (struct limits){
		.connections = l->connections,
		.connections_per_address = l->connections_per_address,
		.requests_per_connection = l->requests_per_connection,
		.idle_timeout = (uint32_t)l->idle_timeout_ms,
		.memory_kib = (uint32_t)(l->memory / 1024),
		.head_size = (uint32_t)l->head_size,
		.head_lines = l->head_lines,
		.target = (uint32_t)l->target,
		.head_timeout = (uint32_t)l->head_timeout_ms,
		.body_rate = (uint32_t)l->body_rate,
		.body_grace = (uint32_t)l->body_grace_ms,
		.send_timeout = (uint32_t)l->send_timeout_ms,
		.half_close_timeout = (uint32_t)l->half_close_timeout_ms,
		.linger_timeout = (uint32_t)l->linger_timeout_ms,
		.linger_size = (uint32_t)l->linger_size,
		.connect_timeout = (uint32_t)l->connect_timeout_ms,
		.pool = l->pool,
		.pool_timeout = (uint32_t)l->pool_timeout_ms,
		.response_head = (uint32_t)l->response_head,
		.http2_resets = l->http2_resets,
		.http2_controls = l->http2_controls,
		.http2_window = (uint32_t)l->http2_window,
		.auth_verdicts = l->auth_verdicts,
		.auth_refusals = l->auth_refusals,
		.auth_keep = (uint32_t)l->auth_keep_ms,
		.auth_queue = l->auth_queue,
		.auth_timeout = (uint32_t)l->auth_timeout_ms,
		.interims = l->interims,
	};
}

int
publish_build(struct control *c, int *fd, struct err *err)
{
	struct build b = { .c = c };
	int r = -ENOMEM;

	arena_init(&b.arena, 16384, BUILD_MAX);
	b.snap.generation = c->publish.generation;
	b.snap.record_texts = c->conf->access.format != CONF_ACCESS_OFF;
	certificates_tickets(c, &b.snap);
	add_listeners(&b);
	add_trusted(&b);
	add_limits(&b);
	add_services(&b);
	add_silent(&b);
	if (b.no_memory)
		err_set(err, r, "out of memory");
	else
		r = snapshot_memfd(&b.snap, fd, err);
	arena_done(&b.arena);
	return r;
}
