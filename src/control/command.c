/* SPDX-License-Identifier: ISC */

/* command - what an operator may ask for: the POSTs of control.h */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "control/applied.h"
#include "control/control.h"
#include "control/launch.h"
#include "control/named.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/service.h"

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
	int r = named_service(c, service, &s, err);

	if (r < 0)
		return r;
	service_start(s);
	return wished(c);
}

int
control_stop(struct control *c, const char *service, struct err *err)
{
	struct service *s;
	int r = named_service(c, service, &s, err);

	if (r < 0)
		return r;
	service_stop(s);
	return wished(c);
}

int
control_restart(struct control *c, const char *service, struct err *err)
{
	struct service *s;
	int r = named_service(c, service, &s, err);

	if (r < 0)
		return r;
	if (s->stopped)
		return control_start(c, service, err);
	if (service_desired(s) == 0)
		return 0;
	r = rollout_restart(s, 0, UINT_MAX, "restart", err);
	return r < 0 ? r : wished(c);
}

int
control_scale(
    struct control *c, const char *service, unsigned replicas, struct err *err)
{
	struct service *s;
	int r = named_service(c, service, &s, err);

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

int
control_scale_auto(struct control *c, const char *service, struct err *err)
{
	struct service *s;
	int r = named_service(c, service, &s, err);

	if (r < 0)
		return r;
	service_release(s);
	return wished(c);
}

int
control_rollout(struct control *c, const char *service, enum control_verb verb,
    struct err *err)
{
	struct service *s;
	int r = named_service(c, service, &s, err);

	if (r == 0)
		r = rollout_do(s, verb, err);
	return r < 0 ? r : wished(c);
}

/* --- instances ------------------------------------------------------------ */

int
control_instance_restart(struct control *c, const char *id, struct err *err)
{
	struct replica *r;
	int x = named_replica(c, id, &r, err);

	if (x < 0)
		return x;
	return rollout_restart(r->service, r->n, r->n, "restart", err);
}

int
control_instance_stop(struct control *c, const char *id, struct err *err)
{
	struct replica *r;
	int x = named_replica(c, id, &r, err);

	if (x < 0)
		return x;
	replica_post(r, INSTANCE_EV_UNWANT, "stopped by an operator");
	return 0;
}

int
control_instance_kill(struct control *c, const char *id, struct err *err)
{
	struct replica *r;
	int x = named_replica(c, id, &r, err);

	if (x < 0)
		return x;
	if (r->child == 0)
		return err_set(err, -ENOTSUP, "%s has no process", id);
	launch_signal(r, SIGKILL, true);
	return 0;
}
