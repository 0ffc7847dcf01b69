/* SPDX-License-Identifier: ISC */

/*
 * call - one request to the admin API, on its way through a handler
 *
 * A handler gets it with role, parameters, body and If-Match already checked,
 * and ends it with exactly one of the calls below (a stream ends it later). An
 * answer to a change is written to the audit log on the way out.
 */

#ifndef ADMIN_CALL_H
#define ADMIN_CALL_H

#include <jansson.h>

#include "admin/admin.h"
#include "admin/api.h"
#include "base/list.h"
#include "http/server.h"

struct admin {
	struct loop *loop;
	struct control *control;
	struct server *server;
	struct server_route *routes; /* api_routes, as the server wants them */
	struct role_rules rules;
	struct list streams;
	unsigned nstreams;
	struct request *upgrading; /* waits for its answer, or NULL */
	bool draining;
	struct loop_timer beat; /* keeps idle event streams alive */
	struct {
		uint64_t requests;
		uint64_t forbidden;
		uint64_t streams_cut;
		uint64_t streams_refused;
	} count;
};

struct call {
	struct admin *admin;
	struct request *req;
	const struct api_route *route;
	json_t *body; /* an object, or NULL when the route takes none */
};

/* --- ends ----------------------------------------------------------------- */

/* value is taken; NULL is out of memory. */
void call_json(struct call *call, unsigned status, json_t *value);
void call_text(struct call *call, const char *type, const struct buf *text);

/* type is the problem's word; field is NULL or the name of what was wrong. */
void call_problem(struct call *call, unsigned status, const char *type,
    const char *field, const char *detail);

/* What a command of control.h returned, not 0. */
void call_failed(struct call *call, int r, const struct err *err);

/* --- on the way ----------------------------------------------------------- */

/* ETag: the generation of the wishes. */
void call_set_etag(struct call *call);

/* {s} or {i} of the path as text; buf has CALL_NAME_MAX bytes. */
#define CALL_NAME_MAX 128
const char *call_name(const struct call *call, const char *param, char *buf);

bool call_flag(const struct call *call, const char *param, bool otherwise);
uint64_t call_number(
    const struct call *call, const char *param, uint64_t otherwise);

/* --- handlers ------------------------------------------------------------- */

void on_status(struct call *call);
void on_services(struct call *call);
void on_service(struct call *call);
void on_rollout_promote(struct call *call);
void on_rollout_undo(struct call *call);
void on_rollout_pause(struct call *call);
void on_rollout_resume(struct call *call);
void on_instances(struct call *call);
void on_instance(struct call *call);
void on_explain(struct call *call);
void on_config(struct call *call);
void on_nodes(struct call *call);
void on_version(struct call *call);
void on_openapi(struct call *call);
void on_metrics(struct call *call);
void on_healthz(struct call *call);

void on_service_start(struct call *call);
void on_service_stop(struct call *call);
void on_service_restart(struct call *call);
void on_service_scale(struct call *call);
void on_instance_restart(struct call *call);
void on_instance_stop(struct call *call);
void on_instance_kill(struct call *call);
void on_plan(struct call *call);
void on_reload(struct call *call);
void on_shutdown(struct call *call);

void on_events(struct call *call);
void on_logs(struct call *call);

/* --- streams, for admin.c ------------------------------------------------- */

void streams_end(struct admin *admin);	/* each ends whole */
void streams_free(struct admin *admin); /* each breaks off */
void streams_beat(struct admin *admin);

#endif /* ADMIN_CALL_H */
