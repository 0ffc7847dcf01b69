/* SPDX-License-Identifier: ISC */

/* The routes that change something: each is one command of control's. */

#include <errno.h>

#include "admin/call.h"
#include "admin/views.h"

#define ERRORS_MAX 16384 /* text of what is wrong with a configuration */

typedef int command(struct control *c, const char *name, struct err *err);

static void
service_do(struct call *call, command *fn)
{
	char name[CALL_NAME_MAX];
	struct err err = { "" };
	int r = fn(call->admin->control, call_name(call, "s", name), &err);

	if (r < 0)
		call_failed(call, r, &err);
	else
		call_service(call, call->route->status, name);
}

static void
instance_do(struct call *call, command *fn)
{
	char id[CALL_NAME_MAX];
	struct err err = { "" };
	int r = fn(call->admin->control, call_name(call, "i", id), &err);

	if (r < 0)
		call_failed(call, r, &err);
	else
		call_instance(call, call->route->status, id);
}

void
on_service_start(struct call *call)
{
	service_do(call, control_start);
}

void
on_service_stop(struct call *call)
{
	service_do(call, control_stop);
}

void
on_service_restart(struct call *call)
{
	service_do(call, control_restart);
}

void
on_instance_restart(struct call *call)
{
	instance_do(call, control_instance_restart);
}

void
on_instance_stop(struct call *call)
{
	instance_do(call, control_instance_stop);
}

void
on_instance_kill(struct call *call)
{
	instance_do(call, control_instance_kill);
}

void
on_service_scale(struct call *call)
{
	json_t *replicas = json_object_get(call->body, "replicas");
	bool by_load = json_is_true(json_object_get(call->body, "auto"));
	struct control *c = call->admin->control;
	char name[CALL_NAME_MAX];
	struct err err = { "" };
	int r;

	if ((replicas != NULL) == by_load) {
		call_problem(call, 400, "bad-body", "replicas",
		    "one of replicas and auto: true must be given");
		return;
	}
	call_name(call, "s", name);
	if (by_load)
		r = control_scale_auto(c, name, &err);
	else
		r = control_scale(
		    c, name, (unsigned)json_integer_value(replicas), &err);
	if (r < 0)
		call_failed(call, r, &err);
	else
		call_service(call, call->route->status, name);
}

static void
rollout_do(struct call *call, enum control_verb verb)
{
	char name[CALL_NAME_MAX];
	struct err err = { "" };
	int r = control_rollout(
	    call->admin->control, call_name(call, "s", name), verb, &err);

	if (r < 0)
		call_failed(call, r, &err);
	else
		call_service(call, call->route->status, name);
}

void
on_rollout_promote(struct call *call)
{
	rollout_do(call, CONTROL_PROMOTE);
}

void
on_rollout_undo(struct call *call)
{
	rollout_do(call, CONTROL_UNDO);
}

void
on_rollout_pause(struct call *call)
{
	rollout_do(call, CONTROL_PAUSE);
}

void
on_rollout_resume(struct call *call)
{
	rollout_do(call, CONTROL_RESUME);
}

/* changes is taken; NULL: errors say why. */
static void
files_done(struct call *call, json_t *changes, struct buf *errors)
{
	if (changes != NULL) {
		call_set_etag(call);
		call_json(call, 200, changes);
	} else {
		call_problem(call, 422, "bad-configuration", NULL,
		    errors->len > 0 ? buf_str(errors)
				    : "drover is out of memory");
	}
	buf_done(errors);
}

void
on_plan(struct call *call)
{
	struct buf errors;

	buf_init(&errors, ERRORS_MAX);
	files_done(call, control_plan(call->admin->control, &errors), &errors);
}

void
on_reload(struct call *call)
{
	const struct control_reload how = {
		.canary = (unsigned)json_integer_value(
		    json_object_get(call->body, "canary")),
		.retry = json_is_true(json_object_get(call->body, "retry")),
	};
	struct buf errors;

	buf_init(&errors, ERRORS_MAX);
	files_done(
	    call, control_reload(call->admin->control, &how, &errors), &errors);
}

void
on_shutdown(struct call *call)
{
	struct control *c = call->admin->control;

	/* The answer first: it must be on its way before the herd ends. */
	call_json(call, 202, json_pack("{s:s}", "status", "shutting down"));
	control_shutdown(c);
}
