/* SPDX-License-Identifier: ISC */

/* command - what an operator may ask for: the POSTs of control.h */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "control/applied.h"
#include "control/control.h"
#include "control/launch.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/service.h"

#define NAMES_MAX 4096

/* --- finding what was named ----------------------------------------------- */

static int
no_such(const char *what, const char *name, const char *near, struct err *err)
{
	if (near == NULL)
		return err_set(err, -ENOENT, "no %s %s", what, name);
	return err_set(
	    err, -ENOENT, "no %s %s; did you mean %s?", what, name, near);
}

static int
find_service(
    struct control *c, const char *name, struct service **s, struct err *err)
{
	const char *names[CONF_SERVICES_MAX + 1];
	size_t n = 0;

	*s = service_by_name(c, name);
	if (*s != NULL && !(*s)->removed)
		return 0;
	LIST_EACH (at, &c->services, struct service, link)
		if (n < ARRAY_LEN(names) && !at->removed)
			names[n++] = at->spec->name;
	return no_such("service", name, near_name(name, names, n), err);
}

static int
find_replica(
    struct control *c, const char *id, struct replica **r, struct err *err)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	*r = replica_by_id(c, id);
	if (*r != NULL)
		return 0;
	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (at, &s->replicas, struct replica, link)
			if (n < ARRAY_LEN(names))
				names[n++] = at->id;
	return no_such("instance", id, near_name(id, names, n), err);
}

static int
wished(struct control *c)
{
	c->wishes++;
	applied_save(c);
	return 0;
}

/* --- services ------------------------------------------------------------- */

int
control_start(struct control *c, const char *service, struct err *err)
{
	struct service *s;
	int r = find_service(c, service, &s, err);

	if (r < 0)
		return r;
	service_start(s);
	return wished(c);
}

int
control_stop(struct control *c, const char *service, struct err *err)
{
	struct service *s;
	int r = find_service(c, service, &s, err);

	if (r < 0)
		return r;
	service_stop(s);
	return wished(c);
}

int
control_restart(struct control *c, const char *service, struct err *err)
{
	struct service *s;
	int r = find_service(c, service, &s, err);

	if (r < 0)
		return r;
	if (s->stopped)
		return control_start(c, service, err);
	if (service_desired(s) == 0)
		return 0;
	r = rollout_start(s, 0, service_desired(s) - 1, "restart", err);
	return r < 0 ? r : wished(c);
}

int
control_scale(
    struct control *c, const char *service, unsigned replicas, struct err *err)
{
	struct service *s;
	int r = find_service(c, service, &s, err);

	if (r < 0)
		return r;
	if (s->redis)
		return err_set(
		    err, -ENOTSUP, "the managed redis is one instance");
	if (replicas > CONF_REPLICAS_MAX)
		return err_set(err, -EINVAL, "replicas: %u; at most %d",
		    replicas, CONF_REPLICAS_MAX);
	service_scale(s, replicas);
	return wished(c);
}

/* --- instances ------------------------------------------------------------ */

int
control_instance_restart(struct control *c, const char *id, struct err *err)
{
	struct replica *r;
	int x = find_replica(c, id, &r, err);

	if (x < 0)
		return x;
	return rollout_start(r->service, r->n, r->n, "restart", err);
}

int
control_instance_stop(struct control *c, const char *id, struct err *err)
{
	struct replica *r;
	int x = find_replica(c, id, &r, err);

	if (x < 0)
		return x;
	replica_post(r, INSTANCE_EV_UNWANT, "stopped by an operator");
	return 0;
}

int
control_instance_kill(struct control *c, const char *id, struct err *err)
{
	struct replica *r;
	int x = find_replica(c, id, &r, err);

	if (x < 0)
		return x;
	if (r->child == 0)
		return err_set(err, -ENOTSUP, "%s has no process", id);
	launch_signal(r, SIGKILL, true);
	return 0;
}
