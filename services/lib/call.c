/* SPDX-License-Identifier: ISC */

#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "lib/frame.h"

/*
 * One request of a route with work. It is held by the pool from submit to
 * done(); when its caller goes first, or the deadline passes, only `req`
 * becomes NULL, and the rest lives until the worker lets go of it.
 */
struct running {
	struct svc_work work;
	struct svc_call call;
	struct svc_frame *frame;
	const struct svc_route *route;
	struct request *req;
	struct loop_timer deadline;
	struct loop_later later;
	atomic_bool stop;
	struct buf body;
	uint64_t spooled; /* of frame->spooled */
	_Alignas(max_align_t) unsigned char params[SVC_PARAMS_SIZE];
};

static void
running_free(void *arg)
{
	struct running *run = arg;

	if (run->call.data != NULL && run->call.release != NULL)
		run->call.release(run->call.data);
	run->frame->held -= run->body.len;
	run->frame->spooled -= run->spooled;
	fd_close(&run->call.fd);
	fd_close(&run->call.stop_fd);
	loop_timer_done(&run->deadline);
	buf_done(&run->body);
	free(run);
}

/* --- the end -------------------------------------------------------------- */

static void
running_stop(struct running *run)
{
	atomic_store(&run->stop, true);
	if (run->call.stop_fd >= 0)
		(void)eventfd_write(run->call.stop_fd, 1);
}

static void
refuse(
    struct running *run, const struct svc_problem *problem, const char *detail)
{
	struct svc_refusal r = { .problem = NULL };

	(void)svc_refuse(&r, problem, "%s", detail);
	svc_answer_refusal(run->req, &r);
	run->req = NULL;
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

	if (run->req == NULL)
		; /* answered by the deadline, or nobody is there */
	else if (call->refusal.problem != NULL)
		svc_answer_refusal(run->req, &call->refusal);
	else
		svc_answer(run->req, 200, call->type,
		    (struct span){ call->data, call->len });
	running_free(run);
}

static void
on_deadline(void *arg)
{
	struct running *run = arg;

	running_stop(run);
	if (svc_pool_cancel(run->frame->pool, &run->work)) {
		refuse(
		    run, &svc_queue_timeout, "no worker became free in time");
		loop_defer(run->frame->loop, &run->later, running_free, run);
	} else if (run->req != NULL) {
		refuse(
		    run, &svc_timeout, "the deadline passed; it was stopped");
	}
}

static void
on_gone(struct request *req, void *arg)
{
	struct running *run = arg;

	run->req = NULL;
	running_stop(run);
	loop_timer_disarm(&run->deadline);
	request_drop(req);
	if (svc_pool_cancel(run->frame->pool, &run->work))
		running_free(run);
}

/* --- the beginning -------------------------------------------------------- */

static int
parse_params(const struct svc_route *route, const struct request *req,
    void *out, struct svc_refusal *refusal)
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

/* Past the deadline a worker may still be reading it. */
static void
take_body(struct running *run, struct request *req)
{
	struct svc_frame *frame = run->frame;
	struct svc_asked *a = request_data(req);

	request_take_body(req, &run->body);
	frame->held += run->body.len;
	frame->held -= a->reserved;
	a->reserved = 0;
	run->call.fd = a->spool;
	run->call.size = a->spool_len;
	run->spooled = a->spool_len;
	frame->spooled += a->spool_len;
	frame->spooled -= a->spool_reserved;
	a->spool_reserved = 0;
	a->spool = -1;
}

static struct running *
running_new(struct svc_frame *frame, struct request *req)
{
	struct running *run = calloc(1, sizeof(*run));

	if (run == NULL)
		return NULL;
	run->frame = frame;
	run->req = req;
	run->route = request_route(req)->extra;
	run->work = (struct svc_work){ .run = on_run, .done = on_done };
	take_body(run, req);
	run->call.params = run->params;
	run->call.body = buf_span(&run->body);
	run->call.stop = &run->stop;
	run->call.stop_fd = -1;
	loop_timer_init(&run->deadline, frame->loop, on_deadline, run);
	return run;
}

static int
start(struct running *run, struct svc_refusal *refusal)
{
	struct svc_frame *frame = run->frame;
	int r = parse_params(run->route, run->req, run->params, refusal);

	if (r < 0)
		return r;
	if (run->route->spool) {
		run->call.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (run->call.stop_fd < 0)
			return svc_refuse(
			    refusal, &svc_memory_full, "out of descriptors");
	}
	if (svc_pool_submit(frame->pool, &run->work) < 0)
		return svc_refuse(refusal, &svc_queue_full,
		    "%" PRIu64 " requests wait already", frame->set.queue);
	loop_timer_arm(&run->deadline, frame->set.deadline_ms);
	request_watch(run->req, on_gone, NULL, run);
	return 0;
}

void
svc_on_call(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	struct svc_asked *a = request_data(req);
	struct svc_refusal refusal = { .problem = NULL };
	struct running *run;

	a->bytes_in = request_body(req).n + (size_t)a->spool_len;
	run = running_new(frame, req);
	if (run == NULL)
		(void)svc_refuse(&refusal, &svc_memory_full, "out of memory");
	else if (start(run, &refusal) == 0)
		return;
	else
		running_free(run);
	svc_answer_refusal(req, &refusal);
}
