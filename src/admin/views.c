/* SPDX-License-Identifier: ISC */

/* The routes that look: each is one view of control's, as JSON. */

#include <config.h>

#include "admin/call.h"
#include "admin/openapi.h"
#include "admin/views.h"
#include "base/near.h"

#define METRICS_MAX (4 * 1024 * 1024)
#define NAMES_MAX 4096 /* that a mistyped one is compared with */

void
on_status(struct call *call)
{
	call_set_etag(call);
	call_json(call, 200, control_status(call->admin->control));
}

void
on_services(struct call *call)
{
	call_set_etag(call);
	call_json(call, 200, control_services(call->admin->control));
}

void
on_instances(struct call *call)
{
	call_set_etag(call);
	call_json(call, 200, control_instances(call->admin->control));
}

void
on_config(struct call *call)
{
	call_set_etag(call);
	call_json(call, 200, control_config(call->admin->control));
}

void
on_nodes(struct call *call)
{
	call_json(call, 200, control_nodes(call->admin->control));
}

/* The nearest of all[].key to name, or NULL; points into all. */
static const char *
nearest(const json_t *all, const char *key, const char *name)
{
	const char *known[NAMES_MAX];
	size_t n = 0, i;
	json_t *one;

	json_array_foreach(all, i, one)
	{
		const char *s = json_string_value(json_object_get(one, key));

		if (s != NULL && n < NAMES_MAX)
			known[n++] = s;
	}
	return near_name(name, known, n);
}

static void
call_unknown(struct call *call, const char *what, json_t *all, const char *key,
    const char *name)
{
	const char *near = nearest(all, key, name);
	struct err err;

	if (near != NULL)
		err_set(
		    &err, 0, "no %s %s; did you mean %s?", what, name, near);
	else
		err_set(&err, 0, "no %s %s", what, name);
	json_decref(all);
	call_problem(call, 404, "not-found", NULL, err.text);
}

void
call_service(struct call *call, unsigned status, const char *name)
{
	struct control *c = call->admin->control;
	json_t *service = control_service(c, name);

	if (service == NULL) {
		call_unknown(
		    call, "service", control_services(c), "name", name);
		return;
	}
	call_set_etag(call);
	call_json(call, status, service);
}

void
call_instance(struct call *call, unsigned status, const char *id)
{
	struct control *c = call->admin->control;
	json_t *instance = control_instance(c, id);

	if (instance == NULL) {
		call_unknown(call, "instance", control_instances(c), "id", id);
		return;
	}
	call_set_etag(call);
	call_json(call, status, instance);
}

void
on_service(struct call *call)
{
	char name[CALL_NAME_MAX];

	call_service(call, 200, call_name(call, "s", name));
}

void
on_instance(struct call *call)
{
	char id[CALL_NAME_MAX];

	call_instance(call, 200, call_name(call, "i", id));
}

void
on_explain(struct call *call)
{
	char name[CALL_NAME_MAX];
	const char *id = call_name(call, "id", name);
	json_t *found = control_request(call->admin->control, id);
	struct err err;

	if (found == NULL ||
	    json_array_size(json_object_get(found, "requests")) > 0) {
		call_json(call, 200, found);
		return;
	}
	err_set(&err, 0,
	    "no request %s among the last %" JSON_INTEGER_FORMAT
	    " that are kept",
	    id, json_integer_value(json_object_get(found, "searched")));
	json_decref(found);
	call_problem(call, 404, "not-found", NULL, err.text);
}

void
on_version(struct call *call)
{
	call_json(call, 200,
	    json_pack("{s:s, s:s, s:i}", "name", PACKAGE_NAME, "version",
		PACKAGE_VERSION, "api", 1));
}

void
on_openapi(struct call *call)
{
	call_json(call, 200, openapi_json());
}

void
on_healthz(struct call *call)
{
	call_json(call, 200, json_pack("{s:s}", "status", "ok"));
}

static int
own_metrics(const struct admin *a, struct buf *out)
{
	return buf_printf(out,
	    "# HELP drover_admin_requests_total Requests to the admin API.\n"
	    "# TYPE drover_admin_requests_total counter\n"
	    "drover_admin_requests_total %llu\n"
	    "# HELP drover_admin_forbidden_total Requests without the role.\n"
	    "# TYPE drover_admin_forbidden_total counter\n"
	    "drover_admin_forbidden_total %llu\n"
	    "# HELP drover_admin_streams Log and event streams open.\n"
	    "# TYPE drover_admin_streams gauge\n"
	    "drover_admin_streams %u\n"
	    "# HELP drover_admin_streams_cut_total Readers that were too "
	    "slow.\n"
	    "# TYPE drover_admin_streams_cut_total counter\n"
	    "drover_admin_streams_cut_total %llu\n"
	    "# HELP drover_admin_streams_refused_total Over the ceiling.\n"
	    "# TYPE drover_admin_streams_refused_total counter\n"
	    "drover_admin_streams_refused_total %llu\n",
	    (unsigned long long)a->count.requests,
	    (unsigned long long)a->count.forbidden, a->nstreams,
	    (unsigned long long)a->count.streams_cut,
	    (unsigned long long)a->count.streams_refused);
}

void
on_metrics(struct call *call)
{
	struct buf text;
	int r;

	buf_init(&text, METRICS_MAX);
	r = control_metrics(call->admin->control, &text);
	if (r == 0)
		r = own_metrics(call->admin, &text);
	if (r == 0)
		call_text(call, call->route->type, &text);
	else
		call_problem(call, 503, "out-of-memory", NULL,
		    "drover is out of memory");
	buf_done(&text);
}
