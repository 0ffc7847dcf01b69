/* SPDX-License-Identifier: ISC */

#include "control/enroll.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/managed.h"
#include "control/event.h"
#include "control/replica.h"
#include "control/service.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

static struct service *
redis_service(struct control *c)
{
	struct service *s = service_by_name(c, ENROLL_REDIS);

	return s != NULL && s->redis ? s : NULL;
}

/* --- what the registry says ----------------------------------------------- */

static void
on_state(void *owner, enum registry_state state, const char *reason)
{
	struct control *c = owner;
	bool was_up = c->enroll.state == REGISTRY_UP;
	const struct event_note note = {
		.type = "registry",
		.from = registry_state_name(c->enroll.state),
		.to = registry_state_name(state),
		.cause = reason[0] != '\0' ? reason : NULL,
		.ms = loop_now(c->loop) - c->enroll.since,
		.logged = true, /* by the registry */
	};

	if (state != c->enroll.state) {
		event_post(c, &note);
		c->enroll.since = loop_now(c->loop);
	}
	c->enroll.state = state;
	if (!was_up && state == REGISTRY_UP)
		service_consider_all(c);
}

static void
on_link(void *owner, bool up)
{
	struct control *c = owner;
	struct service *s = redis_service(c);

	c->enroll.link = up;
	if (s == NULL)
		return;
	LIST_EACH_SAFE (r, &s->replicas, struct replica, link)
		replica_post(r, up ? INSTANCE_EV_PASSED : INSTANCE_EV_FAILED,
		    up ? "answers" : "does not answer");
}

static const struct registry_ops ops = {
	.state = on_state,
	.link = on_link,
};

/* --- its life ------------------------------------------------------------- */

static const char *
registry_url(struct control *c)
{
	switch (c->conf->registry.kind) {
	case CONF_REGISTRY_MANAGED:
		return managed_url(c->enroll.managed);
	case CONF_REGISTRY_URL:
		return c->conf->registry.url;
	case CONF_REGISTRY_NONE:
		break;
	}
	return NULL;
}

int
enroll_open(struct control *c, struct err *err)
{
	const struct conf *conf = c->conf;
	const struct managed_args managed = {
		.state = conf->dirs.state,
		.runtime = conf->dirs.runtime,
		.program = conf->registry.program,
		.max_memory = conf->registry.max_memory,
	};
	struct registry_args args = {
		.cluster = conf->registry.cluster,
		.node = conf->node.name,
		.incarnation = herd_incarnation(c->herd),
		.address = conf->node.advertise,
	};

	if (conf->registry.kind == CONF_REGISTRY_MANAGED) {
		c->enroll.managed = managed_new(&managed, err);
		if (c->enroll.managed == NULL)
			return -EIO;
	}
	args.url = registry_url(c);
	c->enroll.registry = registry_new(c->loop, &args, &ops, c, err);
	if (c->enroll.registry == NULL)
		return -EINVAL;
	c->enroll.state = registry_state(c->enroll.registry);
	c->enroll.since = loop_now(c->loop);
	return 0;
}

void
enroll_close(struct control *c)
{
	registry_free(c->enroll.registry);
	managed_free(c->enroll.managed);
	c->enroll.registry = NULL;
	c->enroll.managed = NULL;
}

static void
fill_redis_spec(struct control *c, struct conf_service *spec)
{
	static const char *const nothing[] = { NULL };

	*spec = (struct conf_service){
		.name = ENROLL_REDIS,
		.command = managed_argv(c->enroll.managed),
		.directory = managed_directory(c->enroll.managed),
		.replicas_min = 1,
		.replicas_max = 1,
		.listen = CONF_SOCKET_UNIX,
		.start_timeout_ms = 60000,
		.restart = { 0, 100, 60000, 60000 },
		.stop = { .signal = 15, .timeout_ms = 10000 },
		.hash_name = "",
		.sandbox = { .network = true,
		    .seccomp = true,
		    .optional = true },
		.depends_on = nothing,
		.calls = nothing,
		.file = "",
	};
}

int
enroll_add_redis(struct control *c, struct err *err)
{
	struct service *s;

	if (c->enroll.managed == NULL)
		return 0;
	fill_redis_spec(c, &c->enroll.redis_spec);
	s = service_add(c, c->conf, &c->enroll.redis_spec, -1);
	if (s == NULL)
		return err_errno(err, -ENOMEM, "service redis");
	s->redis = true;
	if (managed_check(c->enroll.managed, err) < 0) {
		str_cut(s->why, sizeof(s->why), err->text);
		log_warn(ENROLL_REDIS, "%s", err->text);
	}
	return 0;
}

void
enroll_begin(struct control *c)
{
	registry_start(c->enroll.registry);
}

void
enroll_leave(struct control *c, void (*done)(void *arg), void *arg)
{
	registry_leave(c->enroll.registry, done, arg);
}

/* --- instances ------------------------------------------------------------ */

void
enroll_replica(struct replica *r)
{
	struct control *c = r->service->control;
	const struct registry_instance in = {
		.service = r->service->spec->name,
		.id = r->id,
		.address = r->address[0] != '\0' ? r->address : NULL,
		.state = instance_state_name(replica_state(r)),
		.weight = 1,
	};

	if (r->service->redis || c->enroll.registry == NULL)
		return;
	if (registry_set(c->enroll.registry, &in) < 0)
		log_warn(r->id, "cannot be registered: too many or no memory");
}

void
enroll_forget(struct replica *r)
{
	struct control *c = r->service->control;

	if (!r->service->redis && c->enroll.registry != NULL)
		registry_remove(c->enroll.registry, r->id);
}

void
enroll_redis_spawned(struct control *c)
{
	if (c->enroll.registry != NULL)
		registry_kick(c->enroll.registry);
}

bool
enroll_up(struct control *c)
{
	return c->enroll.link;
}

const char *
enroll_reason(struct control *c)
{
	struct service *s = redis_service(c);
	const char *why = registry_reason(c->enroll.registry);

	if (s != NULL && s->why[0] != '\0')
		return s->why;
	if (s != NULL && service_ready(s) == 0)
		LIST_EACH (r, &s->replicas, struct replica, link)
			if (r->why[0] != '\0')
				return r->why;
	return why[0] != '\0' ? why : "it is starting";
}

const char *
service_redis_url(struct control *c)
{
	if (c->enroll.managed != NULL)
		return managed_services_url(c->enroll.managed);
	return c->conf->registry.kind == CONF_REGISTRY_URL
	    ? c->conf->registry.url
	    : "";
}
