/* SPDX-License-Identifier: ISC */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "lib/frame.h"
#include "lib/log.h"
#include "lib/spool.h"

#define CLIENT_GONE 499 /* in the log and the metrics only */

/* --- the beginning -------------------------------------------------------- */

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

int
svc_check_memory(
    const struct svc_frame *frame, uint64_t more, struct svc_refusal *refusal)
{
	if (more <= frame->set.memory &&
	    frame->held <= frame->set.memory - more)
		return 0;
	return svc_refuse(refusal, &svc_memory_full,
	    "%zu of %" PRIu64 " bytes for request bodies are taken",
	    frame->held, frame->set.memory);
}

/* What its body may come to: the server holds it to that. */
static uint64_t
announced(const struct svc_frame *frame, const struct request *req)
{
	struct span length = request_header(req, "Content-Length");
	uint64_t n;

	if (str_u64(length, &n) == 0)
		return n <= frame->set.body ? n : 0; /* more is a 413 */
	return request_header(req, "Transfer-Encoding").n > 0 ? frame->set.body
							      : 0;
}

/* --- bodies on disk ------------------------------------------------------- */

static bool
no_room(struct request *req, const char *detail)
{
	struct svc_refusal refusal = { .problem = NULL };

	(void)svc_refuse(&refusal, &svc_disk_full, "%s", detail);
	svc_answer_refusal(req, &refusal);
	return false;
}

static bool
on_piece(struct request *req, struct span data)
{
	struct svc_asked *a = request_data(req);

	if (fd_write_all(a->spool, data.p, data.n) < 0)
		return no_room(req, "the body could not be written");
	a->spool_len += data.n;
	return true;
}

static bool
has_length(const struct request *req)
{
	return request_header(req, "Content-Length").n > 0;
}

static int
reserve_spool(
    struct svc_asked *a, struct request *req, struct svc_refusal *refusal)
{
	struct svc_frame *f = a->frame;
	uint64_t n = announced(f, req);

	if (n > f->set.spool || f->spooled > f->set.spool - n)
		return svc_refuse(refusal, &svc_spool_full,
		    "%" PRIu64 " of %" PRIu64 " bytes on disk are taken",
		    f->spooled, f->set.spool);
	a->spool = svc_spool_open();
	if (a->spool < 0)
		return svc_refuse(refusal, &svc_disk_full,
		    "the body's file could not be made");
	if (has_length(req) && n > svc_spool_room(a->spool))
		return svc_refuse(refusal, &svc_disk_full,
		    "%" PRIu64 " bytes are announced; less is free", n);
	a->spool_reserved = n;
	f->spooled += n;
	request_set_sink(req, on_piece);
	return 0;
}

static int
reserve_memory(
    struct svc_asked *a, struct request *req, struct svc_refusal *refusal)
{
	uint64_t n = announced(a->frame, req);
	int r = svc_check_memory(a->frame, n, refusal);

	if (r < 0)
		return r;
	a->reserved = (size_t)n;
	a->frame->held += a->reserved;
	return 0;
}

bool
svc_before(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	struct svc_refusal refusal = { .problem = NULL };
	const struct svc_route *route = request_route(req)->extra;
	struct svc_asked *a = calloc(1, sizeof(*a));
	int r;

	if (a == NULL) {
		request_drop(req);
		return false;
	}
	a->frame = frame;
	a->spool = -1;
	a->started_us = clock_us();
	choose_id(a->id, request_header(req, "X-Request-Id"));
	request_set_data(req, a);
	r = route != NULL && route->spool ? reserve_spool(a, req, &refusal)
					  : reserve_memory(a, req, &refusal);
	if (r < 0)
		svc_answer_refusal(req, &refusal);
	return r == 0;
}

/* --- the answer ----------------------------------------------------------- */

void
svc_answer(
    struct request *req, unsigned status, const char *type, struct span body)
{
	struct svc_asked *a = request_data(req);

	a->bytes_out = body.n;
	request_reply(req, status, type, body);
}

void
svc_answer_refusal(struct request *req, const struct svc_refusal *r)
{
	struct svc_asked *a = request_data(req);
	const struct svc_problem *p = r->problem;
	struct problem_field fields[2] = { { "request_id", a->id, 0 },
		{ "parameter", r->parameter, 0 } };
	char seconds[12];

	a->problem = p;
	(void)snprintf(seconds, sizeof(seconds), "%u", p->retry_after_s);
	if (p->retry_after_s > 0 &&
	    request_set_header(req, "Retry-After", seconds) < 0) {
		request_drop(req); /* out of memory */
		return;
	}
	request_problem(req, p->status, p->type, p->title, r->detail.text,
	    fields, r->parameter[0] != '\0' ? 2 : 1);
}

/* --- the end -------------------------------------------------------------- */

static void
record(struct svc_frame *frame, const struct request *req,
    const struct svc_asked *a, unsigned status)
{
	const struct server_route *route = request_route(req);
	size_t row = route != NULL ? route->word
				   : svc_nowhere_row(frame->service);
	struct svc_log_request line = {
		.service = frame->service->name,
		.request_id = a->id,
		.method = method_name(request_method(req)),
		.path = request_path(req),
		.status = status,
		.problem = a->problem != NULL ? a->problem->type : NULL,
		.us = clock_us() - a->started_us,
		.bytes_in = a->bytes_in,
		.bytes_out = a->bytes_out,
	};

	frame->metrics.bytes_in += a->bytes_in;
	frame->metrics.bytes_out += a->bytes_out;
	svc_metrics_count(&frame->metrics, row, status, a->problem, line.us);
	/* Probes come every second or two, and all being well is no news. */
	if (row != svc_pages_row(frame->service) || status >= 400)
		svc_log_request(&line);
}

void
svc_after(struct request *req, unsigned status, void *arg)
{
	struct svc_frame *frame = arg;
	struct svc_asked nowhere = { .started_us = clock_us() };
	struct svc_asked *a = request_data(req);

	if (a == NULL)
		choose_id(nowhere.id, request_header(req, "X-Request-Id"));
	if (status == 0)
		frame->metrics.cancelled++;
	record(frame, req, a != NULL ? a : &nowhere,
	    status != 0 ? status : CLIENT_GONE);
	if (a != NULL) {
		frame->held -= a->reserved;
		frame->spooled -= a->spool_reserved;
		fd_close(&a->spool);
	}
	free(a);
}
