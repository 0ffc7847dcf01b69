/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"

/*
 * One request of a route with work. It is held by the pool from submit to
 * done(); when its caller goes first, or the deadline passes, only asked.req
 * becomes NULL, and the rest lives until the worker lets go of it.
 */
struct running {
	struct svc_work work;
	struct svc_call call;
	struct svc_asked asked;
	const struct svc_route *route;
	struct loop_timer deadline;
	struct loop_later later;
	atomic_bool stop;
	char *body;
	_Alignas(max_align_t) unsigned char params[SVC_PARAMS_SIZE];
};

static void
running_free(void *arg)
{
	struct running *run = arg;

	if (run->call.data != NULL && run->call.release != NULL)
		run->call.release(run->call.data);
	run->asked.frame->held -= run->call.body.n;
	loop_timer_done(&run->deadline);
	free(run->body);
	free(run);
}

static void
refuse(
    struct running *run, const struct svc_problem *problem, const char *detail)
{
	struct svc_refusal r = { .problem = NULL };

	(void)svc_refuse(&r, problem, "%s", detail);
	svc_answer_refusal(&run->asked, &r);
}

/* On a worker thread: nothing but the call may be touched. */
static void
on_run(struct svc_work *work)
{
	struct running *run = CONTAINER_OF(work, struct running, work);

	if (!atomic_load(&run->stop))
		run->route->work(&run->call);
}

static void
on_done(struct svc_work *work)
{
	struct running *run = CONTAINER_OF(work, struct running, work);
	struct svc_call *call = &run->call;

	loop_timer_disarm(&run->deadline);
	if (run->asked.req == NULL)
		; /* answered by the deadline, or nobody is there */
	else if (call->refusal.problem != NULL)
		svc_answer_refusal(&run->asked, &call->refusal);
	else
		svc_answer(&run->asked, 200, call->type,
		    (struct span){ call->data, call->len });
	running_free(run);
}

static void
on_deadline(void *arg)
{
	struct running *run = arg;
	struct svc_frame *frame = run->asked.frame;

	atomic_store(&run->stop, true);
	if (svc_pool_cancel(frame->pool, &run->work)) {
		refuse(
		    run, &svc_queue_timeout, "no worker became free in time");
		loop_defer(frame->loop, &run->later, running_free, run);
	} else if (run->asked.req != NULL) {
		refuse(
		    run, &svc_timeout, "the deadline passed; it was stopped");
	}
}

static void
on_gone(struct request *req, void *arg)
{
	struct running *run = arg;

	(void)req;
	atomic_store(&run->stop, true);
	loop_timer_disarm(&run->deadline);
	svc_answer_gone(&run->asked);
	if (svc_pool_cancel(run->asked.frame->pool, &run->work))
		running_free(run);
}

/* --- the beginning -------------------------------------------------------- */

static int
parse_params(const struct svc_route *route, struct request *req, void *out,
    struct svc_refusal *refusal)
{
	static const struct svc_params none = { NULL, 0 };
	const struct svc_params *params = route->params != NULL ? route->params
								: &none;
	uint64_t seen = 0;

	svc_params_default(params, out);
	for (size_t i = 0; i < request_query_count(req); i++) {
		struct span name, value;
		int r;

		request_query_at(req, i, &name, &value);
		r = svc_params_set(params, name, value, out, &seen, refusal);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
check_memory(
    const struct svc_frame *frame, uint64_t more, struct svc_refusal *refusal)
{
	if (more <= frame->set.memory &&
	    frame->held <= frame->set.memory - more)
		return 0;
	return svc_refuse(refusal, &svc_memory_full,
	    "%zu of %" PRIu64 " bytes for bodies are taken", frame->held,
	    frame->set.memory);
}

/* The body outlives the request when the deadline passes: it is copied. */
static struct running *
running_new(const struct svc_asked *asked, const struct svc_route *route,
    struct svc_refusal *refusal)
{
	struct span body = request_body(asked->req);
	struct running *run;

	if (check_memory(asked->frame, body.n, refusal) < 0)
		return NULL;
	run = calloc(1, sizeof(*run));
	if (run != NULL)
		run->body = malloc(body.n > 0 ? body.n : 1);
	if (run == NULL || run->body == NULL) {
		free(run);
		(void)svc_refuse(refusal, &svc_memory_full, "out of memory");
		return NULL;
	}
	if (body.n > 0)
		memcpy(run->body, body.p, body.n);
	run->asked = *asked;
	run->asked.frame->held += body.n;
	run->route = route;
	run->work = (struct svc_work){ .run = on_run, .done = on_done };
	run->call.params = run->params;
	run->call.body = (struct span){ run->body, body.n };
	run->call.stop = &run->stop;
	loop_timer_init(&run->deadline, asked->frame->loop, on_deadline, run);
	return run;
}

static int
start(struct running *run, struct svc_refusal *refusal)
{
	struct svc_frame *frame = run->asked.frame;
	int r = parse_params(run->route, run->asked.req, run->params, refusal);

	if (r < 0)
		return r;
	if (svc_pool_submit(frame->pool, &run->work) < 0)
		return svc_refuse(refusal, &svc_queue_full,
		    "%" PRIu64 " requests wait already", frame->set.queue);
	loop_timer_arm(&run->deadline, frame->set.deadline_ms);
	request_watch(run->asked.req, on_gone, NULL, run);
	return 0;
}

static size_t
route_index(const struct svc_frame *frame, const struct svc_route *route)
{
	return (size_t)(route - frame->service->routes);
}

void
svc_on_call(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	const struct svc_route *route = request_route(req)->extra;
	struct svc_refusal refusal = { .problem = NULL };
	struct svc_asked asked;
	struct running *run;

	svc_asked_init(
	    &asked, frame, req, route_index(frame, route), route->path);
	run = running_new(&asked, route, &refusal);
	if (run != NULL && start(run, &refusal) == 0)
		return;
	if (run != NULL)
		running_free(run);
	svc_answer_refusal(&asked, &refusal);
}

/* Refused before its body is read, where the length is known by then. */
bool
svc_before_call(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	const struct svc_route *route = request_route(req)->extra;
	struct svc_refusal refusal = { .problem = NULL };
	struct svc_asked asked;
	uint64_t n;

	if (route == NULL ||
	    str_u64(request_header(req, "Content-Length"), &n) < 0 ||
	    check_memory(frame, n, &refusal) == 0)
		return true;
	svc_asked_init(
	    &asked, frame, req, route_index(frame, route), route->path);
	svc_answer_refusal(&asked, &refusal);
	return false;
}
