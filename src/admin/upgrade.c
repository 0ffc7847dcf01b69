/* SPDX-License-Identifier: ISC */

/*
 * POST /v1/upgrade, whose answer comes when the program was tried: a second at
 * most, or the trial's time. Control has one trial at a time, and so have we.
 */

#include <errno.h>

#include "admin/call.h"
#include "admin/upgrade.h"

static void
forget(struct admin *a)
{
	control_upgrade_forget(a->control, a);
	a->upgrading = NULL;
}

static void
on_gone(struct request *req, void *arg)
{
	forget(arg);
	request_drop(req);
}

static void
on_tried(void *arg, const char *why)
{
	struct admin *a = arg;
	struct call call = { .admin = a, .req = a->upgrading };

	a->upgrading = NULL;
	call.route = request_route(call.req)->extra;
	if (why != NULL)
		call_problem(&call, 422, "not-possible", "path", why);
	else
		call_json(
		    &call, 202, json_pack("{s:s}", "status", "upgrading"));
}

void
on_upgrade(struct call *call)
{
	struct admin *a = call->admin;
	const char *path = json_string_value(
	    json_object_get(call->body, "path"));
	struct err err = { "" };
	int r = control_upgrade(a->control, path, on_tried, a, &err);

	if (r < 0) {
		call_failed(call, r, &err);
		return;
	}
	a->upgrading = call->req;
	request_watch(call->req, on_gone, NULL, a);
}

void
upgrade_end(struct admin *a)
{
	struct request *req = a->upgrading;

	if (req == NULL)
		return;
	forget(a);
	request_drop(req);
}
