/* SPDX-License-Identifier: ISC */

#include "lib/describe.h"
#include "lib/frame.h"

#define PAGE_MAX ((size_t)1 << 18)

/* A worker so long past the deadline will not come back. */
#define STUCK_DEADLINES 3

static void
answer_text(struct request *req, unsigned status, const char *text)
{
	svc_answer(req, status, "text/plain; charset=utf-8", span_of(text));
}

/* r is what making the page gave. */
static void
answer_buf(struct request *req, int r, const char *type, const struct buf *page)
{
	struct svc_refusal refusal = { .problem = NULL };

	if (r == 0) {
		svc_answer(req, 200, type, buf_span(page));
		return;
	}
	(void)svc_refuse(&refusal, &svc_internal, "out of memory");
	svc_answer_refusal(req, &refusal);
}

static struct svc_pool_stat
pool_now(const struct svc_frame *frame)
{
	return svc_pool_stat(
	    frame->pool, frame->set.deadline_ms * STUCK_DEADLINES);
}

void
svc_on_health(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	struct svc_pool_stat now = pool_now(frame);

	if (now.stuck >= now.threads)
		answer_text(req, 503, "stuck: no worker comes back\n");
	else
		answer_text(req, 200, "ok\n");
}

void
svc_on_ready(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	struct svc_pool_stat now = pool_now(frame);

	if (frame->draining)
		answer_text(req, 503, "draining\n");
	else if (now.stuck >= now.threads)
		answer_text(req, 503, "stuck\n");
	else
		answer_text(req, 200, "ready\n");
}

void
svc_on_metrics(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	struct svc_metrics_now now = {
		.pool = pool_now(frame),
		.inflight = server_inflight(frame->server),
		.held = frame->held,
		.held_max = frame->set.memory,
		.spooled = frame->spooled,
		.spooled_max = svc_spools(frame->service) ? frame->set.spool
							  : 0,
	};
	struct buf page;
	int r;

	buf_init(&page, PAGE_MAX);
	r = svc_metrics_write(
	    &page, &frame->metrics, &now, frame->service->name);
	answer_buf(req, r, "text/plain; version=0.0.4", &page);
	buf_done(&page);
}

void
svc_on_openapi(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;

	answer_buf(req, 0, "application/json", &frame->openapi);
}

/* Its links are relative, so that it works under any prefix. */
void
svc_on_page(struct request *req, void *arg)
{
	struct svc_frame *frame = arg;
	char base[SVC_BASE_MAX];
	struct span host = request_header(req, "X-Forwarded-Host");
	struct buf page;
	int r;

	if (host.n == 0)
		host = request_header(req, "Host");
	svc_describe_base(base, request_header(req, "X-Forwarded-Proto"), host,
	    request_header(req, "X-Forwarded-Prefix"));
	buf_init(&page, PAGE_MAX);
	r = svc_describe_page(&page, frame->service, base);
	if (r == 0)
		r = request_set_header(req, "Content-Security-Policy",
		    "default-src 'none'; style-src 'unsafe-inline'; "
		    "frame-ancestors 'none'");
	answer_buf(req, r, "text/html; charset=utf-8", &page);
	buf_done(&page);
}
