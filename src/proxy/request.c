/* SPDX-License-Identifier: ISC */

/* The way of a request: from the client, through `req`, to the endpoint. */

#include <errno.h>
#include <sys/socket.h>

#include "proxy/downstream.h"
#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/pump.h"
#include "proxy/service.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* Of req, and of what is lent behind it. */
static size_t
unsent(const struct exchange *x)
{
	return x->req.len + x->lent.n - x->sent;
}

bool
request_is_out(const struct exchange *x)
{
	return x->read_all && unsent(x) == 0 && !x->write_shut;
}

/* What was sent need not be kept any more, unless it may be sent again. */
static void
forget_sent(struct exchange *x)
{
	size_t own = x->sent < x->req.len ? x->sent : x->req.len;

	if (x->replay)
		return;
	buf_consume(&x->req, own);
	x->lent.p += x->sent - own;
	x->lent.n -= x->sent - own;
	x->sent = 0;
}

void
request_drop_replay(struct exchange *x)
{
	x->replay = false;
	forget_sent(x);
}

static void
set_deadline(struct exchange *x)
{
	struct service *s = x->svc;
	struct deadlines *ds = &x->w->deadlines;
	struct deadline_kind *kind = s->idle_kind;

	if (x->phase != EXCHANGE_SENDING && x->phase != EXCHANGE_WAITING)
		return;
	if (x->phase == EXCHANGE_WAITING) {
		kind = s->request_kind;
		if (x->remaining_ms != 0 && x->remaining_ms < kind->ms)
			kind = deadline_kind(ds, x->remaining_ms);
	}
	if (kind->ms != 0)
		deadline_set(ds, &x->dl, kind);
	else
		deadline_clear(&x->dl);
}

/* How many bytes went, or -1 when the endpoint takes no more. */
static ssize_t
sent_some(struct exchange *x, ssize_t sent)
{
	if (sent < 0 && errno == EAGAIN)
		return 0;
	if (sent > 0) {
		x->reached = true;
		count64(&x->ep->count->bytes_in, (uint64_t)sent);
	}
	return sent;
}

ssize_t
request_write_some(struct exchange *x, const char *data, size_t n)
{
	ssize_t sent;

	do
		sent = send(x->up->wire.fd, data, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent_some(x, sent);
}

static ssize_t
write_both(struct exchange *x)
{
	struct iovec iov[2] = {
		{ x->req.data + x->sent, x->req.len - x->sent },
		{ (void *)(uintptr_t)x->lent.p, x->lent.n },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t sent;

	do
		sent = sendmsg(x->up->wire.fd, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent_some(x, sent);
}

static ssize_t
write_rest(struct exchange *x)
{
	size_t behind;

	if (x->lent.n == 0)
		return request_write_some(
		    x, x->req.data + x->sent, x->req.len - x->sent);
	if (x->sent < x->req.len)
		return write_both(x);
	behind = x->sent - x->req.len;
	return request_write_some(x, x->lent.p + behind, x->lent.n - behind);
}

size_t
request_stride(const struct exchange *x)
{
	size_t n = (size_t)WORKER_PIECE << x->in_stride;

	/* What is behind its end has to be stashed. */
	if (x->framing != FRAMING_LENGTH)
		return WORKER_PIECE;
	return x->left < n - WORKER_PIECE ? (size_t)x->left + WORKER_PIECE : n;
}

/* The client is read while there is body to come and it has somewhere to go. */
static void
update_reading(struct exchange *x)
{
	bool more = unsent(x) == 0 && !x->write_shut;

	if (x->read_all)
		return;
	if (!more || relief_step(&x->w->relief) > PRESSURE_NONE)
		x->in_stride = 0;
	else if (WORKER_PIECE << x->in_stride < WORKER_SCRATCH)
		x->in_stride++;
	if (more)
		pace_wait(&x->pace, x->w->now_us);
	if (downstream_read(x->down, more) < 0)
		downstream_pause(x->down); /* the idle deadline ends it */
}

static void
after_sending(struct exchange *x)
{
	bool more = unsent(x) > 0 && !x->write_shut;

	if (wire_write(&x->up->wire, more) < 0)
		x->write_shut = true;
	if (!more && x->read_all && x->phase == EXCHANGE_SENDING) {
		x->phase = EXCHANGE_WAITING;
		downstream_taken(x->down);
	}
	update_reading(x);
	set_deadline(x);
}

/* The endpoint takes no more; what it says, or its silence, decides. */
static void
refused(struct exchange *x)
{
	x->write_shut = true;
	/* Before the first byte it is as if never sent. */
	if (x->replay)
		return;
	buf_clear(&x->req);
	x->lent.n = 0;
	x->sent = 0;
}

void
request_flush(struct exchange *x)
{
	if (unsent(x) > 0 && !x->write_shut) {
		ssize_t n = write_rest(x);

		if (n < 0) {
			refused(x);
		} else {
			x->sent += (size_t)n;
			if (n > 0 && !x->idempotent)
				x->replay = false;
			forget_sent(x);
		}
	}
	after_sending(x);
}

void
exchange_writable(struct exchange *x)
{
	if (x->phase == EXCHANGE_TUNNEL)
		pump_writable(x);
	else
		request_flush(x);
}

/* --- body bytes ----------------------------------------------------------- */

/* How much data is in these bytes of a chunked body. */
static uint64_t
measure(struct exchange *x, struct span in)
{
	struct span data;
	uint64_t n = 0;

	while (chunk_next(&x->measure, &in, &data) == CHUNK_DATA)
		n += data.n;
	return n;
}

static int
cut(struct exchange *x, struct span in, size_t *used)
{
	enum chunk_verdict v;

	if (x->framing == FRAMING_LENGTH) {
		*used = in.n < x->left ? in.n : (size_t)x->left;
		x->left -= *used;
		x->read_all = x->left == 0;
		x->body += *used;
		return 0;
	}
	v = chunk_follow(&x->chunk, in, used);
	if (v == CHUNK_BAD) {
		x->fault = FAULT_BAD_REQUEST;
		return -EBADMSG;
	}
	x->read_all = v == CHUNK_END;
	x->body += measure(x, (struct span){ in.p, *used });
	if (x->body > x->svc->conf.body) {
		x->fault = FAULT_BODY_TOO_LARGE;
		worker_hit(x->w, LIMIT_BODY);
		return -EFBIG;
	}
	return 0;
}

int
request_take(struct exchange *x, struct span in, size_t *used)
{
	int r = cut(x, in, used);

	if (r == 0 && (x->replay || !x->write_shut))
		x->lent = (struct span){ in.p, *used };
	return r;
}

static bool
too_long_to_replay(const struct exchange *x)
{
	return x->replay && x->req.len - x->head_len > EXCHANGE_REPLAY_MAX &&
	    x->phase != EXCHANGE_NEW && x->phase != EXCHANGE_CONNECTING;
}

void
request_keep(struct exchange *x)
{
	struct span s = x->lent;

	if (s.n == 0)
		return;
	x->lent.n = 0;
	if (buf_append(&x->req, s.p, s.n) < 0) {
		x->fault = FAULT_QUEUE_FULL;
		request_refuse(x);
	} else if (too_long_to_replay(x)) {
		request_drop_replay(x);
	}
}

void
request_refuse(struct exchange *x)
{
	if (x->phase == EXCHANGE_ANSWERING)
		exchange_cancel(x);
	else if (x->fault == FAULT_BODY_TOO_LARGE)
		exchange_fail(x, 413, x->fault,
		    "the body is over the limit of this service");
	else if (x->fault == FAULT_QUEUE_FULL)
		exchange_fail(x, 503, x->fault, "no memory for the request");
	else
		exchange_fail(
		    x, 400, FAULT_BAD_REQUEST, "the chunked body is not valid");
}

/* Once there is an answer, the two are a conversation, which may be slow. */
static bool
too_slow(const struct exchange *x)
{
	const struct limits *l = &x->w->limits;

	return x->phase == EXCHANGE_SENDING && !x->read_all &&
	    pace_behind(&x->pace, x->body, l->body_rate, l->body_grace);
}

void
request_push(struct exchange *x, struct span in)
{
	size_t used;

	if (x->phase == EXCHANGE_TUNNEL) {
		pump_push(x, in);
		return;
	}
	pace_rest(&x->pace, x->w->now_us);
	if (request_take(x, in, &used) < 0) {
		request_refuse(x);
		return;
	}
	if (too_slow(x)) {
		worker_hit(x->w, LIMIT_BODY_RATE);
		exchange_fail(x, 408, FAULT_TIMEOUT,
		    "the body of the request came too slowly");
		return;
	}
	if (used < in.n &&
	    downstream_stash(
		x->down, (struct span){ in.p + used, in.n - used }) < 0) {
		exchange_cancel(x);
		return;
	}
	if (x->up != NULL && !x->up->connecting)
		request_flush(x);
	request_keep(x);
}
