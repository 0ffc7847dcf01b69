/* SPDX-License-Identifier: ISC */

#include "proxy/exchange.h"

#include "proxy/auth.h"
#include "proxy/compose.h"
#include "proxy/downstream.h"
#include "proxy/exchange_impl.h"
#include "proxy/policy.h"
#include "proxy/service.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* --- letting go of things ------------------------------------------------- */

static void
drop_upstream(struct exchange *x, bool reuse)
{
	struct upstream *up = x->up;

	x->up = NULL;
	if (up == NULL)
		return;
	if (reuse)
		upstream_release(up);
	else
		upstream_close(up);
}

static void
drop_place(struct exchange *x)
{
	struct endpoint *ep = x->ep;

	x->ep = NULL;
	if (ep == NULL)
		return;
	if (x->phase == EXCHANGE_TUNNEL)
		service_untunnel(x->svc, ep);
	else
		service_give(x->svc, ep);
}

void
exchange_let_go(struct exchange *x, bool reuse)
{
	drop_upstream(x, reuse);
	drop_place(x);
}

/* Free x, then let others have its place. */
static void
end(struct exchange *x, bool reuse)
{
	struct service *s = x->svc;
	bool placed = x->ep != NULL;

	if (s != NULL)
		service_ref(s);
	if (x->phase == EXCHANGE_QUEUED)
		service_dequeue(s, x);
	if (x->wait != NULL)
		auth_cancel(x);
	exchange_let_go(x, reuse);
	x->down->x = NULL;
	exchange_free(x);
	if (placed)
		service_wake(s);
	service_unref(s);
}

static void
count_end(struct exchange *x, unsigned class)
{
	struct scoreboard_service *c;
	uint64_t now, took;

	worker_tick(x->w);
	if (x->svc == NULL)
		return;
	c = x->svc->count;
	now = x->w->now_us;
	took = now - x->started_us;
	count64(&c->responses[class < 6 ? class : 5], 1);
	count32(&c->latency[histogram_bucket(took)], 1);
	count_bar(&c->latency_bars, took);
	if (x->ep != NULL)
		count_bar(x->ep->bars, now - x->notes.attempt_us);
	count64(&c->bytes_in, x->body);
	count64(&c->bytes_out, x->bytes_out);
}

void
exchange_finish(struct exchange *x)
{
	struct downstream *d = x->down;
	bool out = request_is_out(x), whole = x->read_all;
	bool keep = x->keep && whole && !x->w->draining;

	if (!exchange_gateway_error(x->status))
		service_praise(x->ep);
	count_end(x, x->status / 100);
	recording_answer(x);
	recording_outcome(x, OUTCOME_ANSWERED);
	recording_end(x, x->status, FAULT_NONE);
	end(x, x->reusable && out);
	downstream_done(d, keep, whole);
}

void
exchange_cancel(struct exchange *x)
{
	struct downstream *d = x->down;

	if (x->svc != NULL)
		count64(&x->svc->count->cancelled, 1);
	count_end(x, 0);
	x->notes.flags |= RECORD_CANCELLED;
	recording_outcome(x, OUTCOME_ABANDONED);
	recording_end(x, x->status, FAULT_NONE);
	end(x, false);
	downstream_close(d);
}

/* The answer broke off after it had begun: it may not look complete. */
void
exchange_cut(struct exchange *x)
{
	struct downstream *d = x->down;

	count_end(x, 0);
	x->notes.flags |= RECORD_CUT;
	recording_outcome(x, OUTCOME_CUT);
	recording_end(x, x->status, FAULT_NONE);
	end(x, false);
	downstream_abort(d);
}

/* --- errors of our own ---------------------------------------------------- */

static unsigned
retry_after(const struct exchange *x, enum scoreboard_fault fault)
{
	uint32_t ms = x->svc != NULL ? x->svc->conf.queue_timeout_ms : 0;

	if (fault != FAULT_QUEUE_FULL && fault != FAULT_QUEUE_TIMEOUT &&
	    fault != FAULT_NO_ENDPOINT)
		return 0;
	return ms >= 1000 ? (ms + 999) / 1000 : 1;
}

static void
count_fault(struct exchange *x, enum scoreboard_fault fault)
{
	if (x->svc != NULL)
		count64(&x->svc->count->faults[fault], 1);
	else if (fault == FAULT_NO_ROUTE)
		count64(&x->w->cells->no_route, 1);
	if (fault != FAULT_NO_ROUTE)
		count64(&x->w->cells->bad_requests, 1);
}

/* A request of the worker's own has none. */
static void
name(struct exchange *x)
{
	if (x->id_len != 0)
		return;
	worker_id(x->w, x->id);
	x->id_len = WORKER_ID;
}

/* A body that nobody will read ends the connection. */
bool
exchange_goes_on(const struct exchange *x)
{
	return x->keep && x->read_all && !x->w->draining;
}

void
exchange_reply(
    struct exchange *x, unsigned status, enum scoreboard_fault fault, size_t n)
{
	struct downstream *d = x->down;
	struct iovec iov = { x->w->heads, n };
	bool keep = exchange_goes_on(x), whole = x->read_all;

	count_end(x, status / 100);
	recording_outcome(x, OUTCOME_ABANDONED);
	recording_end(x, status, fault);
	end(x, false);
	if (downstream_send(d, iov.iov_len, &iov, 1) < 0)
		downstream_close(d);
	else
		downstream_done(d, keep, whole);
}

void
exchange_problem(struct exchange *x, struct compose_problem *p)
{
	name(x);
	p->id = (struct span){ x->id, x->id_len };
	p->head = x->method == METHOD_HEAD;
	p->close = !exchange_goes_on(x);
	p->keep_alive = x->http10;
	p->x = x;
	count_fault(x, p->fault);
	exchange_reply(x, p->status, p->fault,
	    compose_problem(p, x->w->heads, WORKER_HEADS));
}

void
exchange_fail(struct exchange *x, unsigned status, enum scoreboard_fault fault,
    const char *detail)
{
	struct compose_problem p = {
		.status = status,
		.fault = fault,
		.detail = detail,
		.retry_s = retry_after(x, fault),
	};

	exchange_problem(x, &p);
}

/* --- the way to an endpoint ----------------------------------------------- */

static void
expect_more(struct exchange *x)
{
	static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec iov = { text, sizeof(text) - 1 };

	if (!x->expect)
		return;
	x->expect = false;
	/* One that fails shows at the next read. */
	if (x->body == 0 && !x->read_all &&
	    downstream_send(x->down, iov.iov_len, &iov, 1) < 0)
		downstream_pause(x->down);
}

void
exchange_connected(struct exchange *x)
{
	x->phase = EXCHANGE_SENDING;
	x->heard = false;
	x->queued_us = 0;
	recording_connected(x, x->up->reused);
	count64(&x->ep->count->requests, 1);
	expect_more(x);
	request_flush(x);
}

static void
start(struct exchange *x)
{
	struct upstream *up = NULL;
	int r = 0;

	x->attempts++;
	recording_attempt(x);
	x->phase = EXCHANGE_CONNECTING;
	deadline_clear(&x->dl);
	if (!x->fresh)
		up = upstream_reuse(x->ep, x, !x->idempotent);
	if (up == NULL)
		r = upstream_open(&up, x->ep, x);
	x->up = up;
	if (r < 0)
		exchange_connect_failed(x, -r);
	else if (!up->connecting)
		exchange_connected(x);
	else if (!x->read_all)
		downstream_pause(x->down);
}

static void
waited_in_vain(struct exchange *x)
{
	exchange_fail(x, 503, FAULT_QUEUE_TIMEOUT,
	    x->svc->nendpoints == 0
		? "no instance of the service got ready in time"
		: "no instance of the service was free in time");
}

static void
wait_turn(struct exchange *x, struct deadline_kind *kind)
{
	uint64_t waited = x->queued_us == 0 ? 0 : x->w->now_us - x->queued_us;

	/* Back from an endpoint that was full after all. */
	if (waited > 0 && waited >= kind->ms * 1000) {
		waited_in_vain(x);
		return;
	}
	if (!service_enqueue(x->svc, x)) {
		exchange_fail(x, 503, FAULT_QUEUE_FULL,
		    "too many requests wait for this service");
		return;
	}
	x->phase = EXCHANGE_QUEUED;
	if (!x->read_all)
		downstream_pause(x->down);
	deadline_set(&x->w->deadlines, &x->dl, kind);
}

void
exchange_fail_none(struct exchange *x)
{
	if (x->fault == FAULT_CONNECT)
		exchange_fail(
		    x, 502, x->fault, "the service cannot be connected to");
	else if (x->fault == FAULT_RESET)
		exchange_fail(x, 502, x->fault,
		    "the service closed the connection without an answer");
	else
		exchange_fail(x, 503, FAULT_NO_ENDPOINT,
		    "no instance of the service is ready");
}

static void
follow(struct exchange *x, enum service_verdict v)
{
	switch (v) {
	case SERVICE_GO:
		start(x);
		break;
	case SERVICE_WAIT:
		wait_turn(x, x->svc->queue_kind);
		break;
	case SERVICE_START:
		wait_turn(x, x->svc->start_kind);
		break;
	case SERVICE_NONE:
		exchange_fail_none(x);
		break;
	}
}

void
exchange_choose(struct exchange *x)
{
	follow(x, service_pick(x->svc, x));
}

void
exchange_admit(struct exchange *x)
{
	if (service_crowded(x->svc))
		wait_turn(x, service_queue_kind(x->svc));
	else
		exchange_choose(x);
}

void
exchange_go(struct exchange *x, bool go)
{
	x->phase = EXCHANGE_NEW;
	if (go)
		start(x);
	else
		exchange_fail_none(x);
}

/* --- time ----------------------------------------------------------------- */

/* It is the client's fault while it has something to take. */
static void
answer_late(struct exchange *x)
{
	bool held = downstream_pending(x->down) > 0;

	if (held && !downstream_stalls(x->down)) {
		deadline_set(&x->w->deadlines, &x->dl, x->w->send_kind);
		return;
	}
	worker_hit(x->w, held ? LIMIT_SEND_TIMEOUT : LIMIT_STREAM_IDLE);
	exchange_cut(x);
}

void
exchange_timeout(void *arg)
{
	struct exchange *x = arg;

	switch (x->phase) {
	case EXCHANGE_AUTH:
		auth_late(x);
		break;
	case EXCHANGE_QUEUED:
		waited_in_vain(x);
		break;
	case EXCHANGE_WAITING:
		count32(&x->ep->count->timeouts, 1);
		service_blame(x->svc, x->ep);
		worker_hit(x->w, LIMIT_REQUEST_TIMEOUT);
		recording_outcome(x, OUTCOME_TIMEOUT);
		exchange_fail(x, 504, FAULT_TIMEOUT,
		    "the service did not answer in time");
		break;
	case EXCHANGE_SENDING:
		worker_hit(x->w, LIMIT_BODY_IDLE);
		if (request_is_out(x) || x->req.len > x->sent) {
			count32(&x->ep->count->timeouts, 1);
			service_blame(x->svc, x->ep);
			recording_outcome(x, OUTCOME_TIMEOUT);
			exchange_fail(x, 504, FAULT_TIMEOUT,
			    "the service did not take the request in time");
		} else {
			exchange_fail(x, 408, FAULT_TIMEOUT,
			    "the body of the request did not come in time");
		}
		break;
	case EXCHANGE_ANSWERING:
		answer_late(x);
		break;
	default:
		exchange_cut(x);
		break;
	}
}
