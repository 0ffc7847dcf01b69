/* SPDX-License-Identifier: ISC */

/* Connections, the gate in front of each handler, and the end of it all. */

#include "admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/call.h"
#include "admin/input.h"
#include "admin/upgrade.h"
#define LOG_SUBSYSTEM "audit"
#include "base/log.h"

#define BEAT_MS 15000

static const struct api_route *
row_of(const struct request *req)
{
	return request_route(req)->extra;
}

/* --- the gate ------------------------------------------------------------- */

static enum role
peer_role(const struct admin *a, const struct server_peer *peer)
{
	return peer->local ? role_of(&a->rules, peer->uid, peer->gid)
			   : ROLE_NONE;
}

static void
forbid(struct admin *a, struct request *req, enum role role)
{
	const struct api_route *row = row_of(req);
	const struct server_peer *peer = request_peer(req);
	struct problem_field need = { "role", role_name(row->role), 0 };
	struct err err;
	char who[64];

	a->count.forbidden++;
	snprintf(who, sizeof(who), "uid=%u pid=%d", (unsigned)peer->uid,
	    (int)peer->pid);
	if (row->change)
		log_info(who, "%s %s status=403 role=%s", row->method,
		    row->path, role_name(role));
	err_set(&err, 0, "uid %u has the role %s here; this needs %s",
	    (unsigned)peer->uid, role_name(role), role_name(row->role));
	request_problem(req, 403, "forbidden", NULL, err.text, &need, 1);
}

static bool
before(struct request *req, void *arg)
{
	struct admin *a = arg;
	enum role role = peer_role(a, request_peer(req));
	enum role least = row_of(req)->role;

	a->count.requests++;
	if (least != ROLE_NONE && role >= least)
		return true;
	forbid(a, req, role);
	return false;
}

static bool
params_ok(struct call *call)
{
	size_t n = request_query_count(call->req);
	struct span name, value;
	struct fault fault;

	for (size_t i = 0; i < n; i++) {
		request_query_at(call->req, i, &name, &value);
		if (input_param(call->route->params, name, value, &fault) == 0)
			continue;
		call_problem(
		    call, 400, "bad-parameter", fault.field, fault.err.text);
		return false;
	}
	return true;
}

static bool
body_ok(struct call *call)
{
	struct fault fault;
	int r;

	if (strcmp(call->route->method, "GET") == 0)
		return true;
	r = input_body(
	    call->route->body, request_body(call->req), &call->body, &fault);
	if (r == -EINVAL)
		call_problem(
		    call, 400, "bad-body", fault.field, fault.err.text);
	else if (r < 0)
		call_problem(call, 503, "out-of-memory", NULL,
		    "drover is out of memory");
	return r == 0;
}

static bool
generation_ok(struct call *call)
{
	struct span tag = request_header(call->req, "If-Match");
	bool match;

	if (!call->route->change)
		return true;
	if (input_if_match(
		tag, control_generation(call->admin->control), &match) < 0) {
		call_problem(call, 400, "bad-value", "If-Match",
		    "If-Match is not a list of entity tags");
		return false;
	}
	if (match)
		return true;
	call_set_etag(call);
	call_problem(call, 412, "stale", NULL,
	    "something was changed since you looked; look again");
	return false;
}

static void
on_request(struct request *req, void *arg)
{
	struct call call = { .admin = arg, .req = req, .route = row_of(req) };

	if (params_ok(&call) && body_ok(&call) && generation_ok(&call))
		call.route->handler(&call);
	json_decref(call.body);
}

/* --- life ----------------------------------------------------------------- */

static void
on_beat(void *arg)
{
	struct admin *a = arg;

	streams_beat(a);
	loop_timer_arm(&a->beat, BEAT_MS);
}

static struct server_route *
make_routes(void)
{
	struct server_route *routes = calloc(api_nroutes, sizeof(*routes));

	for (size_t i = 0; routes != NULL && i < api_nroutes; i++)
		routes[i] = (struct server_route){
			.method = api_routes[i].method,
			.path = api_routes[i].path,
			.handler = on_request,
			.word = api_routes[i].role,
			.extra = &api_routes[i],
		};
	return routes;
}

static int
copy_name(char **to, const char *name)
{
	*to = name != NULL ? strdup(name) : NULL;
	return name != NULL && *to == NULL ? -ENOMEM : 0;
}

static int
admin_open(struct admin *a, const struct admin_args *args, struct err *err)
{
	struct server_options options = {
		.nroutes = api_nroutes,
		.arg = a,
		.before = before,
		.max_body = ADMIN_BODY_MAX,
		.max_queue = ADMIN_REPLY_QUEUE,
	};

	a->rules.uid = args->uid;
	a->routes = make_routes();
	if (a->routes == NULL ||
	    copy_name(&a->rules.group_admin, args->group_admin) < 0 ||
	    copy_name(&a->rules.group_read, args->group_read) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	options.routes = a->routes;
	a->server = server_new(a->loop, &options, err);
	if (a->server == NULL)
		return -ENOMEM;
	return server_listen(a->server, args->fd, err);
}

struct admin *
admin_new(struct loop *loop, struct control *control,
    const struct admin_args *args, struct err *err)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	a->loop = loop;
	a->control = control;
	list_init(&a->streams);
	loop_timer_init(&a->beat, loop, on_beat, a);
	if (admin_open(a, args, err) < 0) {
		err_wrap(err, -EINVAL, "admin API");
		admin_free(a);
		return NULL;
	}
	loop_timer_arm(&a->beat, BEAT_MS);
	return a;
}

void
admin_drain(struct admin *admin, void (*drained)(void *arg), void *arg)
{
	if (!admin->draining)
		streams_end(admin);
	admin->draining = true;
	server_drain(admin->server, drained, arg);
}

void
admin_free(struct admin *admin)
{
	if (admin == NULL)
		return;
	streams_free(admin);
	upgrade_end(admin);
	loop_timer_done(&admin->beat);
	server_free(admin->server);
	free(admin->routes);
	free(admin->rules.group_admin);
	free(admin->rules.group_read);
	free(admin);
}
