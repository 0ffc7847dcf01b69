/* SPDX-License-Identifier: ISC */

#include "proxy/http1.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "http/head.h"
#include "model/route.h"
#include "proxy/compose.h"
#include "proxy/exchange.h"
#include "proxy/http2.h"
#include "proxy/pump.h"
#include "proxy/worker.h"

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);
static void on_deadline(void *arg);
static void on_next(void *arg);

static bool
closed(const struct http1 *c)
{
	return c->wire.fd == -1;
}

static void
set_deadline(struct http1 *c, struct deadline_kind *kind)
{
	deadline_set(&c->d.w->deadlines, &c->dl, kind);
}

/* --- going ---------------------------------------------------------------- */

static void
free_later(void *arg)
{
	free(arg);
}

/* The wire and the place at the gate are gone, or another's. */
static void
leave(struct http1 *c)
{
	deadline_clear(&c->dl);
	loop_defer_cancel(&c->later);
	buf_done(&c->in);
	c->d.w->memory.held -= HTTP1_COST;
	loop_defer(c->d.w->loop, &c->later, free_later, c);
}

void
http1_close(struct http1 *c)
{
	if (closed(c))
		return;
	if (c->d.x != NULL) {
		exchange_cancel(c->d.x); /* closes */
		return;
	}
	wire_close(&c->wire);
	gate_leave(&c->d.w->gate, &c->client);
	leave(c);
}

void
http1_abort(struct http1 *c)
{
	if (!closed(c))
		wire_reset(&c->wire);
	http1_close(c);
}

/* Our side ends; what the client still sends is read, so that no reset cuts
 * off what it has not read yet. */
static void
linger(struct http1 *c)
{
	c->state = HTTP1_LINGER;
	c->lingered = 0;
	if (wire_shut(&c->wire) < 0 || wire_read(&c->wire, true) < 0) {
		http1_close(c);
		return;
	}
	set_deadline(c, c->d.w->linger_kind);
}

/* --- after an answer ------------------------------------------------------ */

static void
settle(struct http1 *c)
{
	struct worker *w = c->d.w;
	bool more = c->in.len > c->in_off;

	if (!c->keep && c->clean && !more) {
		http1_close(c);
	} else if (!c->keep) {
		linger(c);
	} else {
		c->state = HTTP1_HEAD;
		c->heading = false;
		c->scanned = 0;
		if (wire_read(&c->wire, true) < 0) {
			http1_close(c);
			return;
		}
		set_deadline(c, w->idle_kind);
		if (more)
			loop_defer(w->loop, &c->later, on_next, c);
	}
}

void
http1_finish(struct http1 *c, bool keep, bool clean)
{
	c->keep = keep && !c->d.eof;
	c->clean = clean;
	if (wire_pending(&c->wire) == 0) {
		settle(c);
		return;
	}
	c->state = HTTP1_FLUSH;
	set_deadline(c, c->d.w->send_kind);
}

/* --- as a client of the gate ---------------------------------------------- */

static bool
on_gate_idle(struct gate_client *client)
{
	struct http1 *c = client->owner;

	return c->state == HTTP1_HEAD && c->in.len == c->in_off;
}

static void
on_gate_close(struct gate_client *client)
{
	http1_close(client->owner);
}

static const struct gate_client_ops client_ops = {
	.idle = on_gate_idle,
	.close = on_gate_close,
};

int
http1_open(struct worker *w, const struct gate_arrival *a)
{
	struct http1 *c = calloc(1, sizeof(*c));
	int fd = a->fd;

	if (c == NULL) {
		tls_conn_free(a->tls);
		fd_close(&fd);
		return -ENOMEM;
	}
	c->d.ops = &http1_downstream;
	c->d.w = w;
	c->d.peer = &c->peer;
	c->client.ops = &client_ops;
	c->client.owner = c;
	c->http2 = a->tls == NULL ? a->http2 : 0;
	c->dl.fn = on_deadline;
	c->dl.arg = c;
	buf_init_metered(&c->in, HTTP1_IN_MAX, &w->memory);
	peer_init(&c->peer, a->from, a->internal);
	c->peer.secure = a->tls != NULL;
	wire_open(&c->wire, w->base, fd, on_read, on_write, c, &w->memory);
	wire_secure(&c->wire, a->tls);
	if (wire_read(&c->wire, true) < 0) {
		wire_close(&c->wire);
		free(c);
		return -ENOMEM;
	}
	gate_enter(&w->gate, &c->client, a);
	w->memory.held += HTTP1_COST;
	set_deadline(c, w->idle_kind);
	return 0;
}

/* --- heads ---------------------------------------------------------------- */

/* Before there is an exchange: answer and close. */
static void
refuse(struct http1 *c, unsigned status, enum scoreboard_fault fault,
    const char *detail)
{
	struct worker *w = c->d.w;
	char id[WORKER_ID];
	struct compose_problem p = {
		.status = status,
		.fault = fault,
		.detail = detail,
		.id = { id, sizeof(id) },
		.allowed = status == 405 ? ROUTE_OTHER - 1 : 0,
		.close = true,
	};
	struct iovec iov = { w->heads, 0 };

	worker_id(w, id);
	count64(&w->cells->bad_requests, 1);
	recording_refused(&c->d, p.id, status, fault);
	iov.iov_len = compose_problem(&p, w->heads, WORKER_HEADS);
	c->in_off = (uint32_t)c->in.len;
	if (wire_send(&c->wire, &iov, 1) < 0)
		http1_close(c);
	else
		http1_finish(c, false, false);
}

/* What is not yet a head, or comes after the one that is being answered. */
static void
keep_rest(struct http1 *c, struct span rest)
{
	if (rest.n == 0) {
		if (c->in.cap > 0)
			buf_done(&c->in); /* who waits holds nothing */
		c->in_off = 0;
		return;
	}
	if (c->in.len > 0 && rest.p >= c->in.data &&
	    rest.p <= c->in.data + c->in.len) {
		c->in_off = (uint32_t)(c->in.len - rest.n);
		return;
	}
	buf_clear(&c->in);
	c->in_off = 0;
	if (buf_append(&c->in, rest.p, rest.n) < 0)
		http1_close(c);
}

static void
wait_for_more(struct http1 *c, struct span part)
{
	keep_rest(c, part);
	if (closed(c) || part.n == 0)
		return;
	/* From its first byte on, not from its last. */
	if (!c->heading)
		set_deadline(c, c->d.w->head_kind);
	c->heading = true;
}

/* A whole head is there. Returns what is behind the request. */
static struct span
begin(struct http1 *c, const struct head *h, struct span in)
{
	size_t used;

	in.p += h->size;
	in.n -= h->size;
	c->scanned = 0;
	c->state = HTTP1_BUSY;
	deadline_clear(&c->dl);
	/* A limit of 0 is none, for it wraps. */
	c->d.last = ++c->requests > c->d.w->limits.requests_per_connection - 1;
	if (c->d.last)
		worker_hit(c->d.w, LIMIT_REQUESTS_PER_CONNECTION);
	peer_check(&c->peer, c->d.w->table);
	used = exchange_begin(&c->d, h, in);
	in.p += used;
	in.n -= used;
	return in;
}

static void
refuse_head(struct http1 *c, enum head_refusal why)
{
	unsigned status = head_refusal_status(why);

	if (status == 414)
		worker_hit(c->d.w, LIMIT_TARGET);
	else if (status == 431)
		worker_hit(c->d.w,
		    why == REFUSED_COUNT ? LIMIT_HEAD_LINES : LIMIT_HEAD_SIZE);
	refuse(c, status, compose_fault(status), head_refusal_text(why));
}

/* Answer heads in order, until one is under way or incomplete. */
static void
parse(struct http1 *c, struct span in)
{
	struct worker *w = c->d.w;
	struct head h;

	do {
		size_t scanned = c->scanned;
		enum head_verdict v;

		head_init(&h, w->headers, w->limits.head_lines);
		h.limits.head = w->limits.head_size;
		h.limits.target = w->limits.target;
		v = head_request(&h, in, &scanned);
		c->scanned = (uint32_t)scanned; /* of HTTP1_IN_MAX at most */
		if (v == HEAD_MORE) {
			wait_for_more(c, in);
			return;
		}
		if (v == HEAD_REFUSED) {
			refuse_head(c, h.refusal);
			return;
		}
		in = begin(c, &h, in);
	} while (!closed(c) && c->state == HTTP1_HEAD && in.n > 0);
	if (closed(c))
		return;
	if (c->state == HTTP1_LINGER)
		c->in_off = (uint32_t)c->in.len;
	else
		keep_rest(c, in);
}

static void
on_next(void *arg)
{
	struct http1 *c = arg;
	struct span in = { c->in.data + c->in_off, c->in.len - c->in_off };

	if (closed(c) || c->state != HTTP1_HEAD || in.n == 0)
		return;
	worker_tick(c->d.w);
	parse(c, in);
}

/* --- events --------------------------------------------------------------- */

static void
hand_over(struct http1 *c, struct span in)
{
	struct worker *w = c->d.w;
	struct gate_arrival a = { .http2 = c->http2, .before = &c->client };

	a.fd = wire_release(&c->wire, &a.tls);
	if (http2_open(w, &a, &c->peer, in) < 0)
		gate_leave(&w->gate, &c->client);
	leave(c);
}

/* Prior knowledge (RFC 9113, 3.3). False: it is HTTP/1 after all. */
static bool
take_preface(struct http1 *c, struct span in)
{
	switch (http2_guess(in)) {
	case HTTP2_MAYBE:
		wait_for_more(c, in);
		return true;
	case HTTP2_YES:
		hand_over(c, in);
		return true;
	case HTTP2_NO:
		break;
	}
	c->http2 = 0;
	return false;
}

static void
read_head(struct http1 *c)
{
	struct worker *w = c->d.w;
	struct span in = { w->scratch, 0 };
	size_t have = c->in.len - c->in_off;
	ssize_t n;

	if (have > 0)
		memcpy(w->scratch, c->in.data + c->in_off, have);
	n = wire_recv(&c->wire, w->scratch + have, HTTP1_IN_MAX - have);
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		http1_close(c);
		return;
	}
	worker_tick(w);
	if (have > 0) {
		buf_clear(&c->in);
		c->in_off = 0;
	}
	in.n = have + (size_t)n;
	if (c->http2 == 0 || !take_preface(c, in))
		parse(c, in);
}

void
http1_hold(struct http1 *c)
{
	wire_pause(&c->wire);
	wire_watch(&c->wire);
}

/* A FIN after the request: the answer may take a little while yet. */
static void
half_closed(struct http1 *c)
{
	if (exchange_is_tunnel(c->d.x)) {
		pump_client_eof(c->d.x);
		return;
	}
	if (!exchange_has_request(c->d.x)) {
		exchange_cancel(c->d.x);
		return;
	}
	http1_hold(c);
	/* The last of the requests that came before it will meet it again. */
	if (c->in.len > c->in_off)
		return;
	c->d.eof = true;
	set_deadline(c, c->d.w->gone_kind);
}

/* For its body; or for what comes behind, which has to be kept. */
static size_t
room(struct http1 *c)
{
	if (!exchange_has_request(c->d.x))
		return request_stride(c->d.x);
	buf_consume(&c->in, c->in_off);
	c->in_off = 0;
	return HTTP1_IN_MAX - c->in.len;
}

static void
read_body(struct http1 *c)
{
	struct worker *w = c->d.w;
	struct span in = { w->scratch, 0 };
	size_t most = room(c);
	ssize_t n;

	if (most == 0) {
		http1_hold(c);
		return;
	}
	n = wire_recv(&c->wire, w->scratch, most);
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		exchange_cancel(c->d.x);
		return;
	}
	worker_tick(w);
	in.n = (size_t)n;
	if (n == 0) {
		half_closed(c);
	} else if (!exchange_has_request(c->d.x)) {
		request_push(c->d.x, in);
	} else {
		/* The next request: it waits its turn. */
		http1_hold(c);
		if (buf_append(&c->in, in.p, in.n) < 0)
			exchange_cancel(c->d.x);
	}
}

static void
discard(struct http1 *c)
{
	ssize_t n = wire_recv(&c->wire, c->d.w->scratch, WORKER_PIECE);

	if (n == -EAGAIN)
		return;
	if (n > 0)
		c->lingered += (uint32_t)n;
	if (c->lingered > c->d.w->limits.linger_size)
		worker_hit(c->d.w, LIMIT_LINGER);
	else if (n > 0)
		return;
	http1_close(c);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct http1 *c = arg;

	(void)fd;
	if (what & EV_CLOSED) {
		http1_close(c); /* a reset, which no read would tell */
		return;
	}
	switch (c->state) {
	case HTTP1_HEAD:
		read_head(c);
		break;
	case HTTP1_BUSY:
		read_body(c);
		break;
	case HTTP1_FLUSH:
		/* It may send more once it has read its answer. */
		wire_pause(&c->wire);
		break;
	case HTTP1_LINGER:
		discard(c);
		break;
	}
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct http1 *c = arg;

	(void)fd;
	(void)what;
	if (wire_flush(&c->wire) < 0) {
		http1_close(c);
		return;
	}
	worker_tick(c->d.w);
	if (wire_pending(&c->wire) > 0)
		return;
	if (c->state == HTTP1_BUSY)
		answer_drained(c->d.x);
	else if (c->state == HTTP1_FLUSH)
		settle(c);
}

static void
on_deadline(void *arg)
{
	static const enum scoreboard_limit met[] = {
		[HTTP1_HEAD] = LIMIT_IDLE_TIMEOUT,
		[HTTP1_BUSY] = LIMIT_HALF_CLOSE_TIMEOUT,
		[HTTP1_FLUSH] = LIMIT_SEND_TIMEOUT,
		[HTTP1_LINGER] = LIMIT_LINGER,
	};
	struct http1 *c = arg;

	if (c->heading && c->state == HTTP1_HEAD) {
		worker_hit(c->d.w, LIMIT_HEAD_TIMEOUT);
		refuse(c, 408, FAULT_TIMEOUT,
		    "the head of the request did not come in time");
		return;
	}
	if (c->state == HTTP1_FLUSH && !wire_stalls(&c->wire)) {
		set_deadline(c, c->d.w->send_kind);
		return;
	}
	worker_hit(c->d.w, met[c->state]);
	if (c->state == HTTP1_FLUSH)
		http1_abort(c);
	else
		http1_close(c);
}
