/* SPDX-License-Identifier: ISC */

/* view - the herd as JSON: the GETs of control.h (DESIGN: status --json) */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/bounds.h"
#include "control/control.h"
#include "control/enroll.h"
#include "control/fields.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/sample.h"
#include "control/scaling.h"
#include "control/service.h"
#include "control/upgrade.h"
#include "redis/url.h"

#ifndef PACKAGE_VERSION
#include "config.h"
#endif

/* A signal's number may be 0, and a pid unknown: then null. */
static json_t *
positive(long n)
{
	return n > 0 ? json_integer(n) : json_null();
}

/* --- instances ------------------------------------------------------------ */

static json_t *
exit_json(const struct spawn_exit *exit)
{
	static const char *const kinds[] = {
		[EXIT_EXITED] = "exited",
		[EXIT_SIGNALLED] = "signalled",
		[EXIT_OOM] = "oom",
		[EXIT_UNKNOWN] = "unknown",
	};
	char at[CLOCK_TEXT], text[64];
	json_t *o = json_object();

	put(o, "kind", json_string(kinds[exit->kind]));
	put(o, "code",
	    exit->kind == EXIT_EXITED ? json_integer(exit->code) : json_null());
	put(o, "signal", positive(exit->signal));
	put(o, "at", json_string(clock_text(at, exit->at_wall_ms)));
	put(o, "text",
	    json_string(replica_exit_text(exit, text, sizeof(text))));
	return o;
}

static json_t *
tail_json(const char *tail)
{
	json_t *lines = json_array();
	struct span rest = span_of(tail), line;

	while (span_next(&rest, '\n', &line))
		if (line.n > 0)
			json_array_append_new(
			    lines, json_stringn_nocheck(line.p, line.n));
	return lines;
}

static json_t *
next_try(const struct replica *r)
{
	uint64_t now = loop_now(r->service->control->loop);

	if (replica_state(r) != INSTANCE_BACKOFF)
		return json_null();
	return json_real(seconds(r->next_try > now ? r->next_try - now : 0));
}

static json_t *
instance_json(const struct replica *r)
{
	json_t *o = json_object();
	uint64_t now = loop_now(r->service->control->loop);

	put(o, "id", json_string(r->id));
	put(o, "service", json_string(r->service->spec->name));
	put(o, "pid", positive(r->pid));
	put(o, "state", json_string(instance_state_name(replica_state(r))));
	put(o, "new", json_boolean(rollout_is_new(r)));
	put(o, "reason", json_string(r->why));
	put(o, "restarts", json_integer(r->restarts));
	put(o, "uptime_s",
	    r->pid > 0 ? json_real(seconds(now - r->spawned)) : json_real(0));
	put(o, "address",
	    r->address[0] ? json_string(r->address) : json_null());
	put(o, "mem_bytes", json_integer((json_int_t)r->usage.mem_bytes));
	put(o, "cpu_pct", json_real(r->usage.cpu_pct));
	put(o, "next_try_s", next_try(r));
	put(o, "last_exit", r->has_exit ? exit_json(&r->exit) : json_null());
	put(o, "last_lines", tail_json(r->tail));
	return o;
}

static json_t *
instances_of(const struct service *s)
{
	json_t *list = json_array();

	LIST_EACH (r, &s->replicas, struct replica, link)
		json_array_append_new(list, instance_json(r));
	LIST_EACH (r, &s->extra, struct replica, link)
		if (r->in != NULL)
			json_array_append_new(list, instance_json(r));
	return list;
}

/* --- services ------------------------------------------------------------- */

static void
append_text(void *list, const char *text)
{
	json_array_append_new(list, json_string(text));
}

static json_t *
unenforced(const struct service *s)
{
	const struct herd_host *host = herd_host(s->control->herd);
	const struct conf_resources *res = &s->spec->resources;
	json_t *list = json_array();
	unsigned missing = 0;

	if (res->memory > 0 && !host->cgroup_memory)
		json_array_append_new(list, json_string("memory"));
	if (res->cpu_percent > 0 && !host->cgroup_cpu)
		json_array_append_new(list, json_string("cpu"));
	if (res->processes > 0 && !host->cgroup_pids)
		json_array_append_new(list, json_string("processes"));
	LIST_EACH (r, &s->replicas, struct replica, link)
		missing |= r->pid > 0 ? r->missing : 0;
	bounds_each(missing, append_text, list);
	return list;
}

static unsigned
restarts_of(const struct service *s)
{
	unsigned n = 0;

	LIST_EACH (r, &s->replicas, struct replica, link)
		n += r->restarts;
	return n;
}

static json_t *
service_json(const struct service *s)
{
	struct scoreboard_service_view v;
	char why[192];
	const char *state = service_state(s, why, sizeof(why));
	json_t *o = json_object();

	scoreboard_service_view(s->control->workers.board, s->cell, &v);
	put(o, "name", json_string(s->spec->name));
	put(o, "state", json_string(state));
	put(o, "reason", json_string(why));
	put(o, "ready", json_integer(service_ready(s)));
	put(o, "desired", json_integer(service_desired(s)));
	put(o, "restarts", json_integer(restarts_of(s)));
	put(o, "rps", json_real(s->rate.rps));
	put(o, "p99_ms", json_real((double)s->rate.p99_us / 1000.0));
	put(o, "queue", json_integer((json_int_t)v.queued));
	put(o, "inflight", json_integer((json_int_t)v.inflight));
	put(o, "autoscale", scaling_json(s));
	put(o, "unenforced", unenforced(s));
	put(o, "rollout", rollout_json(s));
	put(o, "instances", instances_of(s));
	return o;
}

static bool
is_shown(const struct service *s)
{
	return !s->redis;
}

json_t *
control_services(struct control *c)
{
	json_t *list = json_array();

	sample_processes(c);
	LIST_EACH (s, &c->services, struct service, link)
		if (is_shown(s))
			json_array_append_new(list, service_json(s));
	return list;
}

json_t *
control_service(struct control *c, const char *name)
{
	struct service *s = service_by_name(c, name);

	if (s == NULL)
		return NULL;
	sample_processes(c);
	return service_json(s);
}

json_t *
control_instances(struct control *c)
{
	json_t *list = json_array();

	sample_processes(c);
	LIST_EACH (s, &c->services, struct service, link) {
		json_t *of = instances_of(s);

		json_array_extend(list, of);
		json_decref(of);
	}
	return list;
}

/* The processes beside it in its place. */
static json_t *
beside(const struct replica *of)
{
	json_t *pids = json_array();

	LIST_EACH (r, &of->service->extra, struct replica, link)
		if (r->n == of->n && r->pid > 0)
			json_array_append_new(pids, json_integer(r->pid));
	return pids;
}

json_t *
control_instance(struct control *c, const char *id)
{
	struct replica *r = replica_by_id(c, id);
	json_t *o;

	if (r == NULL)
		return NULL;
	sample_processes(c);
	o = instance_json(r);
	put(o, "beside", beside(r));
	return o;
}

/* --- the rest ------------------------------------------------------------- */

static json_t *
registry_json(struct control *c)
{
	struct service *s = service_by_name(c, ENROLL_REDIS);
	const char *state = registry_state_name(c->enroll.state);
	json_t *o = json_object();

	put(o, "state", json_string(state));
	put(o, "reason",
	    json_string(c->enroll.state == REGISTRY_DOWN
		    ? enroll_reason(c)
		    : registry_reason(c->enroll.registry)));
	if (s != NULL && s->redis)
		put(o, "redis", service_json(s));
	return o;
}

static json_t *
workers_json(struct control *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < c->workers.n; i++) {
		const struct worker *w = &c->workers.all[i];
		struct scoreboard_worker_view v = { 0 };
		json_t *o;

		if (!instance_wanted(w->in) && w->child == 0)
			continue; /* a place for an upgrade */
		o = json_object();
		(void)scoreboard_worker_view(c->workers.board, i, &v);
		put(o, "pid", positive(w->pid));
		put(o, "state",
		    json_string(instance_state_name(instance_state(w->in))));
		put(o, "restarts", json_integer(w->restarts));
		put(o, "connections", json_integer((json_int_t)v.connections));
		put(o, "requests", json_integer((json_int_t)v.requests));
		put(o, "generation", json_integer((json_int_t)v.generation));
		put(o, "refused",
		    w->refused[0] != '\0' ? json_string(w->refused)
					  : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
addresses_json(struct control *c)
{
	json_t *list = json_array();

	LIST_EACH (l, &c->workers.listeners, struct listener, link)
		if (!l->internal)
			json_array_append_new(list, json_string(l->address));
	return list;
}

json_t *
control_status(struct control *c)
{
	json_t *o = json_object(), *keeper = json_object();

	put(keeper, "pid", positive(herd_keeper_pid(c->herd)));
	put(o, "node", json_string(c->conf->node.name));
	put(o, "version", json_string(PACKAGE_VERSION));
	put(o, "pid", json_integer(getpid()));
	put(o, "keeper", keeper);
	put(o, "generation", json_integer((json_int_t)c->publish.generation));
	put(o, "listen", addresses_json(c));
	put(o, "registry", registry_json(c));
	put(o, "workers", workers_json(c));
	put(o, "upgrade", upgrade_json(c));
	put(o, "services", control_services(c));
	return o;
}

static void
mask(struct redis_url *url)
{
	if (url->password[0] != '\0')
		str_cut(url->password, sizeof(url->password), "***");
}

static json_t *
masked_sentinels(const char *text)
{
	char out[REDIS_URL_MAX];
	struct redis_sentinels list;
	struct redis_url url;

	if (redis_sentinels_parse(&list, &url, span_of(text), NULL) < 0)
		return json_null();
	mask(&url);
	mask(&list.at[0]);
	return redis_sentinels_text(&list, &url, out, sizeof(out)) < 0
	    ? json_null()
	    : json_string(out);
}

/* The URL without its password; what cannot be read is left out whole. */
static json_t *
masked_url(const char *text)
{
	char out[REDIS_URL_MAX];
	struct redis_url url;

	if (redis_sentinels_are_in(span_of(text)))
		return masked_sentinels(text);
	if (redis_url_parse(&url, span_of(text), NULL) < 0)
		return json_null();
	if (url.password[0] == '\0')
		return json_string(text);
	mask(&url);
	return redis_url_text(&url, out, sizeof(out)) < 0 ? json_null()
							  : json_string(out);
}

json_t *
control_config(struct control *c)
{
	json_t *o = conf_json(c->conf);
	json_t *registry = json_object_get(o, "registry");

	if (c->conf->registry.kind == CONF_REGISTRY_URL &&
	    json_is_object(registry))
		put(registry, "url", masked_url(c->conf->registry.url));
	else if (c->conf->registry.kind == CONF_REGISTRY_URL)
		put(o, "registry", masked_url(c->conf->registry.url));
	return o;
}

json_t *
control_nodes(struct control *c)
{
	return registry_nodes(c->enroll.registry);
}

uint64_t
control_generation(const struct control *c)
{
	return c->wishes;
}
