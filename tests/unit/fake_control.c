/* SPDX-License-Identifier: ISC */

#include "fake_control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_LINES 5 /* kept of each instance */

void
fake_control_init(struct control *c, struct loop *loop)
{
	*c = (struct control){
		.loop = loop,
		.generation = 7,
		.next_pid = 200,
		.next_event = 1,
		.services = {
			{ .name = "data", .stopped = true, .desired = 1 },
			{ .name = "image", .desired = 2, .pids = { 100, 101 } },
			{ .name = "video", .desired = 2, .pids = { 102, 0 },
			    .crashed = { false, true } },
		},
	};
	list_init(&c->watches);
}

void
fake_control_done(struct control *c)
{
	for (size_t i = 0; i < CONTROL_EVENTS; i++)
		free(c->events[i]);
}

/* --- views ---------------------------------------------------------------- */

static unsigned
up(const struct fake_service *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_INSTANCES; i++)
		n += s->pids[i] != 0;
	return n;
}

static void
settle(struct control *c, struct fake_service *s)
{
	if (c->stuck || s->settle == 0 || --s->settle > 0)
		return;
	for (unsigned i = 0; i < FAKE_INSTANCES; i++) {
		bool wanted = !s->stopped && i < s->desired;

		if (!wanted)
			s->pids[i] = 0;
		else if (s->pids[i] == 0 || s->renew)
			s->pids[i] = c->next_pid++;
		if (wanted)
			s->crashed[i] = false;
	}
	s->renew = false;
}

static json_t *
instance_json(const struct fake_service *s, unsigned i)
{
	char id[64];
	json_t *o;

	snprintf(id, sizeof(id), "%s.%u", s->name, i);
	o = json_pack("{s:s, s:s, s:i, s:i, s:s, s:i, s:f}", "id", id, "state",
	    s->pids[i]		? "ready"
		: s->crashed[i] ? "backoff"
				: "stopped",
	    "restarts", s->crashed[i] ? 6 : 0, "uptime_s", 300, "address",
	    "unix:/run/drover/s", "mem_bytes", 48 << 20, "cpu_pct", 1.5);
	if (s->pids[i] != 0)
		json_object_set_new(o, "pid", json_integer(s->pids[i]));
	else
		json_object_set_new(o, "pid", json_null());
	if (s->crashed[i]) {
		json_object_set_new(o, "next_try_s", json_integer(12));
		json_object_set_new(o, "last_exit",
		    json_pack("{s:s, s:i, s:s}", "kind", "signalled", "signal",
			11, "at", "2026-01-31T23:59:59.123Z"));
	}
	return o;
}

static const char *
state_of(const struct fake_service *s)
{
	if (s->stopped)
		return up(s) == 0 ? "stopped" : "degraded";
	return up(s) == s->desired && s->settle == 0 ? "ready" : "degraded";
}

static json_t *
service_json(struct control *c, struct fake_service *s)
{
	json_t *list = json_array();

	settle(c, s);
	for (unsigned i = 0; i < FAKE_INSTANCES; i++)
		if (i < s->desired || s->pids[i] != 0)
			json_array_append_new(list, instance_json(s, i));
	return json_pack("{s:{s:s, s:s, s:i}, s:s, s:s, s:s, s:i, s:i, s:i, "
			 "s:f, s:f, s:i, s:i, s:[], s:o}",
	    "rollout", "phase", c->phase != NULL ? c->phase : "none", "reason",
	    c->phase != NULL ? "as told" : "", "new", 1, "name", s->name,
	    "state", state_of(s), "reason",
	    strcmp(s->name, "video") == 0 && up(s) < s->desired
		? "video.1 crashed"
		: "",
	    "ready", s->stopped ? 0 : up(s), "desired",
	    s->stopped ? 0 : s->desired, "restarts", 6, "rps", 3.0, "p99_ms",
	    1200.0, "queue", 4, "inflight", 2, "unenforced", "instances", list);
}

json_t *
control_services(struct control *c)
{
	json_t *all = c->out_of_memory ? NULL : json_array();

	for (size_t i = 0; all != NULL && i < FAKE_SERVICES; i++)
		json_array_append_new(all, service_json(c, &c->services[i]));
	return all;
}

json_t *
control_status(struct control *c)
{
	if (c->out_of_memory)
		return NULL;
	return json_pack(
	    "{s:s, s:s, s:i, s:{s:i}, s:I, s:{s:s, s:s}, s:[{s:i}],"
	    " s:o, s:{s:s, s:i, s:s}}",
	    "node", "a", "version", "0", "pid", 1, "keeper", "pid", 0x7ffffff0,
	    "generation", (json_int_t)c->generation, "registry", "state",
	    c->registry_down ? "down" : "up", "reason",
	    c->registry_down ? "connection refused" : "", "workers", "pid", 2,
	    "services", control_services(c), "upgrade", "phase", "none",
	    "epoch", (int)c->epoch, "failed",
	    c->failed != NULL ? c->failed : "");
}

static struct fake_service *
find(struct control *c, const char *name, size_t n)
{
	for (size_t i = 0; i < FAKE_SERVICES; i++)
		if (strlen(c->services[i].name) == n &&
		    strncmp(c->services[i].name, name, n) == 0)
			return &c->services[i];
	return NULL;
}

/* The service of "image.0" and its 0; NULL if there is no such instance. */
static struct fake_service *
find_instance(struct control *c, const char *id, unsigned *i)
{
	const char *dot = strchr(id, '.');
	struct fake_service *s;
	uint64_t n;

	if (dot == NULL || str_u64(span_of(dot + 1), &n) < 0)
		return NULL;
	s = find(c, id, (size_t)(dot - id));
	if (s == NULL || n >= s->desired)
		return NULL;
	*i = (unsigned)n;
	return s;
}

json_t *
control_service(struct control *c, const char *name)
{
	struct fake_service *s = find(c, name, strlen(name));

	return s != NULL ? service_json(c, s) : NULL;
}

json_t *
control_instances(struct control *c)
{
	json_t *all = json_array();

	for (size_t i = 0; i < FAKE_SERVICES; i++)
		for (unsigned k = 0; k < c->services[i].desired; k++)
			json_array_append_new(
			    all, instance_json(&c->services[i], k));
	return all;
}

json_t *
control_instance(struct control *c, const char *id)
{
	unsigned i;
	struct fake_service *s = find_instance(c, id, &i);

	if (s == NULL)
		return NULL;
	settle(c, s);
	return instance_json(s, i);
}

json_t *
control_config(struct control *c)
{
	(void)c;
	return json_pack("{s:s}", "workers", "auto");
}

json_t *
control_nodes(struct control *c)
{
	(void)c;
	return json_pack("{s:s, s:[{s:s, s:b, s:b, s:s, s:i}]}", "cluster",
	    "drover", "nodes", "node", "a", "self", 1, "live", 1, "address",
	    "10.0.0.1:7070", "lease_ms", 12000);
}

json_t *
control_request(struct control *c, const char *id)
{
	json_t *found = json_array();

	(void)c;
	if (strcmp(id, "image.0") == 0)
		json_array_append_new(found,
		    json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:i, s:i,"
			      " s:[{s:s, s:s}], s:[s], s:i, s:i}",
			"request_id", "image.0", "method", "GET", "path", "/a",
			"status", 200, "end", "complete", "service", "image",
			"route", "/a/", "candidates", 2, "ejected", 1, "tried",
			"endpoint", "image.0", "outcome", "answered", "flags",
			"reused", "wait_us", 1500, "total_us", 2000000));
	return json_pack("{s:o, s:i}", "requests", found, "searched", 7);
}

int
control_metrics(struct control *c, struct buf *out)
{
	(void)c;
	return buf_puts(out, "# TYPE drover_up gauge\ndrover_up 1\n");
}

uint64_t
control_generation(const struct control *c)
{
	return c->generation;
}

/* --- commands ------------------------------------------------------------- */

static int
begin(struct control *c, struct fake_service *s, const char *name,
    struct err *err)
{
	int r = c->fail;

	c->fail = 0;
	if (r < 0)
		return err_set(err, r, "refused as told");
	if (s == NULL)
		return err_set(err, -ENOENT, "no service %s", name);
	s->settle = c->settle + 1;
	c->generation++;
	c->commands++;
	return 0;
}

int
control_start(struct control *c, const char *name, struct err *err)
{
	struct fake_service *s = find(c, name, strlen(name));
	int r = begin(c, s, name, err);

	if (r == 0)
		s->stopped = false;
	return r;
}

int
control_stop(struct control *c, const char *name, struct err *err)
{
	struct fake_service *s = find(c, name, strlen(name));
	int r = begin(c, s, name, err);

	if (r == 0)
		s->stopped = true;
	return r;
}

int
control_restart(struct control *c, const char *name, struct err *err)
{
	struct fake_service *s = find(c, name, strlen(name));
	int r = begin(c, s, name, err);

	if (r == 0)
		s->renew = true;
	return r;
}

int
control_scale(
    struct control *c, const char *name, unsigned replicas, struct err *err)
{
	struct fake_service *s = find(c, name, strlen(name));
	int r;

	if (replicas > FAKE_INSTANCES)
		return err_set(err, -EINVAL, "replicas is at most 8 here");
	r = begin(c, s, name, err);
	if (r == 0)
		s->desired = replicas;
	return r;
}

int
control_scale_auto(struct control *c, const char *name, struct err *err)
{
	return control_scale(c, name, 2, err);
}

int
control_instance_restart(struct control *c, const char *id, struct err *err)
{
	unsigned i;
	struct fake_service *s = find_instance(c, id, &i);
	int r = begin(c, s, id, err);

	if (r == 0)
		s->renew = true;
	return r;
}

int
control_instance_stop(struct control *c, const char *id, struct err *err)
{
	unsigned i;
	struct fake_service *s = find_instance(c, id, &i);
	int r = begin(c, s, id, err);

	if (r == 0) {
		s->pids[i] = 0;
		s->settle = 0;
	}
	return r;
}

int
control_instance_kill(struct control *c, const char *id, struct err *err)
{
	return control_instance_restart(c, id, err);
}

static json_t *
changes(struct control *c, struct buf *errors)
{
	if (c->broken_file) {
		if (buf_puts(errors, "drover.yaml:3: workers: found x\n") < 0)
			return NULL;
		return NULL;
	}
	if (c->no_changes)
		return json_pack("{s:[]}", "changes");
	return json_pack("{s:[{s:s, s:s, s:s, s:s, s:s}]}", "changes", "kind",
	    "restarted", "service", "image", "key", "command", "from", "a",
	    "to", "b");
}

json_t *
control_plan(struct control *c, struct buf *errors)
{
	return changes(c, errors);
}

int
control_rollout(struct control *c, const char *name, enum control_verb verb,
    struct err *err)
{
	struct fake_service *s = find(c, name, strlen(name));
	int r = begin(c, s, name, err);

	if (r == 0)
		c->verb = (int)verb;
	return r;
}

json_t *
control_reload(
    struct control *c, const struct control_reload *how, struct buf *errors)
{
	json_t *o = changes(c, errors);

	if (o == NULL)
		return NULL;
	c->how = *how;
	c->services[1].renew = true;
	c->services[1].settle = c->settle + 1;
	c->commands++;
	json_object_set_new(
	    o, "generation", json_integer((json_int_t)++c->generation));
	return o;
}

static void
on_trial(void *arg)
{
	struct control *c = arg;
	void (*tried)(void *arg, const char *why) = c->tried;

	c->tried = NULL;
	c->epoch += c->refused == NULL;
	if (tried != NULL)
		tried(c->tried_arg, c->refused);
}

int
control_upgrade(struct control *c, const char *program,
    void (*done)(void *arg, const char *why), void *arg, struct err *err)
{
	if (c->tried != NULL)
		return err_set(err, -EBUSY, "an upgrade is under way");
	snprintf(c->upgrade_to, sizeof(c->upgrade_to), "%s",
	    program != NULL ? program : "itself");
	c->tried = done;
	c->tried_arg = arg;
	c->commands++;
	loop_defer(c->loop, &c->trial, on_trial, c);
	return 0;
}

void
control_upgrade_forget(struct control *c, void *arg)
{
	if (c->tried_arg == arg)
		c->tried = NULL;
}

void
control_shutdown(struct control *c)
{
	c->down = true;
}

/* --- events --------------------------------------------------------------- */

void
fake_event(
    struct control *c, const char *instance, const char *from, const char *to)
{
	uint64_t id = c->next_event++;
	char **slot = &c->events[id % CONTROL_EVENTS];
	json_t *o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "id",
	    (json_int_t)id, "at", "2026-01-31T23:59:59.123Z", "type",
	    "instance", "instance", instance, "from", from, "to", to, "cause",
	    "check", "ms", 12);

	free(*slot);
	*slot = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	LIST_EACH_SAFE (w, &c->watches, struct control_watch, link)
		w->event(w->arg, id, *slot);
}

void
control_watch(struct control *c, struct control_watch *w, uint64_t after)
{
	uint64_t end = c->next_event;

	list_push(&c->watches, &w->link);
	for (uint64_t id = after + 1; id < end; id++)
		w->event(w->arg, id, c->events[id % CONTROL_EVENTS]);
}

void
control_unwatch(struct control_watch *w)
{
	list_remove(&w->link);
}

/* --- logs ----------------------------------------------------------------- */

static void
send_line(struct control_logs *to, const char *instance, const char *text)
{
	json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "at",
	    "2026-01-31T23:59:59.123Z", "instance", instance, "stream",
	    "stdout", "line", text);

	to->line(to->arg, line);
	json_decref(line);
}

void
fake_line(struct control *c, const char *instance, const char *text)
{
	if (c->follower != NULL)
		send_line(c->follower, instance, text);
}

int
control_logs(struct control *c, const char *name, uint64_t since_wall_ms,
    unsigned lines, bool follow, struct control_logs *logs, struct err *err)
{
	struct fake_service *s;
	char text[64];
	unsigned i = 0;

	s = strchr(name, '.') != NULL ? find_instance(c, name, &i)
				      : find(c, name, strlen(name));
	if (s == NULL)
		return err_set(err, -ENOENT, "no service %s", name);
	snprintf(text, sizeof(text), "%s.%u", s->name, i);
	if (since_wall_ms == 0)
		for (unsigned n = 0; n < FAKE_LINES && n < lines; n++)
			send_line(logs, text,
			    n == 0 ? "a \033[31mred\033[0m b" : "listening");
	if (follow) {
		c->follower = logs;
		c->followers++;
		logs->state = c;
	}
	logs->line(logs->arg, NULL);
	return 0;
}

void
control_logs_cancel(struct control *c, struct control_logs *logs)
{
	if (logs->state != NULL)
		c->followers--;
	logs->state = NULL;
	if (c->follower == logs)
		c->follower = NULL;
}
