/* SPDX-License-Identifier: ISC */

#include <stdio.h>

#include "base/clock.h"
#include "base/rand.h"
#include "lib/frame.h"
#include "lib/log.h"

#define CLIENT_GONE 499 /* in the log and the metrics only */

/* The gateway's id, if it is one that can stand in a log; else our own. */
static void
choose_id(char out[static SVC_REQUEST_ID_MAX], struct span given)
{
	bool good = given.n > 0;

	for (size_t i = 0; good && i < given.n; i++)
		good = given.p[i] > ' ' && given.p[i] <= '~' &&
		    given.p[i] != '"' && given.p[i] != '\\';
	if (!good || str_copy(out, SVC_REQUEST_ID_MAX, given) < 0)
		rand_hex(out, 8);
}

void
svc_asked_init(struct svc_asked *a, struct svc_frame *frame,
    struct request *req, size_t route, const char *path)
{
	*a = (struct svc_asked){ .frame = frame,
		.req = req,
		.route = route,
		.path = path,
		.started_us = clock_us(),
		.bytes_in = request_body(req).n };
	choose_id(a->id, request_header(req, "X-Request-Id"));
	frame->metrics.bytes_in += a->bytes_in;
}

static void
record(struct svc_asked *a, unsigned status, const struct svc_problem *problem,
    size_t bytes_out)
{
	struct svc_log_request line = {
		.service = a->frame->service->name,
		.request_id = a->id,
		.method = method_name(request_method(a->req)),
		.path = request_path(a->req),
		.status = status,
		.problem = problem != NULL ? problem->type : NULL,
		.us = clock_us() - a->started_us,
		.bytes_in = a->bytes_in,
		.bytes_out = bytes_out,
	};

	a->frame->metrics.bytes_out += bytes_out;
	svc_metrics_count(
	    &a->frame->metrics, a->route, status, problem, line.us);
	if (!a->quiet || status >= 400)
		svc_log_request(&line);
}

void
svc_answer(
    struct svc_asked *a, unsigned status, const char *type, struct span body)
{
	record(a, status, NULL, body.n);
	request_reply(a->req, status, type, body);
	a->req = NULL;
}

void
svc_answer_refusal(struct svc_asked *a, const struct svc_refusal *r)
{
	const struct svc_problem *p = r->problem;
	struct problem_field fields[2] = { { "request_id", a->id, 0 },
		{ "parameter", r->parameter, 0 } };
	char seconds[12];

	record(a, p->status, p, 0);
	if (p->retry_after_s > 0) {
		(void)snprintf(
		    seconds, sizeof(seconds), "%u", p->retry_after_s);
		if (request_set_header(a->req, "Retry-After", seconds) < 0)
			seconds[0] = '\0'; /* the status says enough */
	}
	request_problem(a->req, p->status, p->type, p->title, r->detail.text,
	    fields, r->parameter[0] != '\0' ? 2 : 1);
	a->req = NULL;
}

void
svc_answer_gone(struct svc_asked *a)
{
	a->frame->metrics.cancelled++;
	record(a, CLIENT_GONE, NULL, 0);
	request_drop(a->req);
	a->req = NULL;
}
