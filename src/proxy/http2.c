/* SPDX-License-Identifier: ISC */

#include "proxy/http2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

#define OUT_KEEP (4U * 1024) /* memory that an idle one may hold */

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);
static void on_turn(void *arg);

enum http2_guess
http2_guess(struct span in)
{
	struct span preface = SPAN(H2_PREFACE);
	size_t n = in.n < preface.n ? in.n : preface.n;

	if (memcmp(in.p, preface.p, n) != 0)
		return HTTP2_NO;
	return n == preface.n ? HTTP2_YES : HTTP2_MAYBE;
}

static bool
is_idle(const struct http2 *c)
{
	return list_empty(&c->streams) && list_empty(&c->over);
}

void
http2_later(struct http2 *c)
{
	if (c->state != HTTP2_CLOSED)
		loop_defer(c->w->loop, &c->turn, on_turn, c);
}

/* --- going ---------------------------------------------------------------- */

void
http2_doom(struct http2_stream *s)
{
	list_remove(&s->link);
	list_push(&s->c->over, &s->link);
	http2_later(s->c);
}

/* What was reset, by whichever side, frees its upstream now. */
static void
reap(struct http2 *c)
{
	struct http2_stream *s;

	while ((s = LIST_FIRST(&c->over, struct http2_stream, link)) != NULL) {
		if (s->d.x != NULL)
			exchange_cancel(s->d.x);
		http2_stream_free(s);
	}
}

static void
cancel_all(struct http2 *c)
{
	LIST_EACH_SAFE (s, &c->streams, struct http2_stream, link) {
		if (s->d.x != NULL)
			exchange_cancel(s->d.x);
		http2_stream_free(s);
	}
	reap(c);
}

static void
free_later(void *arg)
{
	free(arg);
}

static void
http2_close(struct http2 *c)
{
	if (c->state == HTTP2_CLOSED)
		return;
	c->state = HTTP2_CLOSED;
	cancel_all(c);
	h2_free(c->h2);
	wire_close(&c->wire);
	deadline_clear(&c->dl);
	deadline_clear(&c->notice);
	loop_defer_cancel(&c->turn);
	buf_done(&c->out);
	gate_leave(&c->w->gate, &c->client);
	c->w->memory.held -= HTTP2_COST;
	loop_defer(c->w->loop, &c->later, free_later, c);
}

static void
http2_abort(struct http2 *c)
{
	if (c->state != HTTP2_CLOSED)
		wire_reset(&c->wire);
	http2_close(c);
}

/* --- as the owner of a session
 * -------------------------------------------------------------- */

static bool
on_open(void *arg)
{
	const struct http2 *c = arg;

	return wire_pending(&c->wire) == 0;
}

static void
on_closed(void *arg, struct h2_stream *hs)
{
	(void)arg;
	http2_doom(CONTAINER_OF(hs, struct http2_stream, h2));
}

static const struct h2_ops h2_ops = {
	.emit = http2_emit,
	.open = on_open,
	.closed = on_closed,
};

/* --- the end -------------------------------------------------------------- */

/* Our side ends; the GOAWAY in it is not cut off by a reset. */
static void
linger(struct http2 *c)
{
	c->state = HTTP2_LINGER;
	deadline_clear(&c->notice);
	if (wire_pending(&c->wire) > 0) { /* on_write() comes back */
		deadline_set(&c->w->deadlines, &c->dl, c->w->send_kind);
		return;
	}
	if (wire_shut(&c->wire) < 0 || wire_read(&c->wire, true) < 0) {
		http2_close(c);
		return;
	}
	deadline_set(&c->w->deadlines, &c->dl, c->w->linger_kind);
}

static void
count_fault(struct http2 *c)
{
	static const enum scoreboard_http2 cells[] = {
		[H2_FINE] = HTTP2_N_COUNT,
		[H2_GONE] = HTTP2_N_COUNT,
		[H2_PROTOCOL] = HTTP2_N_PROTOCOL,
		[H2_HEADS] = HTTP2_N_HEADS,
		[H2_RESET] = HTTP2_N_RESETS,
		[H2_CONTROL] = HTTP2_N_CONTROLS,
		[H2_MEMORY] = HTTP2_N_COUNT,
	};
	enum scoreboard_http2 cell = cells[h2_fault(c->h2)];

	if (cell != HTTP2_N_COUNT)
		count32(&c->w->cells->http2[cell], 1);
}

/* The session has its last word: that, and out. */
static void
end(struct http2 *c)
{
	cancel_all(c);
	if (h2_write(c->h2) < 0 || http2_flush(c) < 0)
		http2_close(c);
	else
		linger(c);
}

/* It broke the rules, or went too far. */
static void
fail(struct http2 *c)
{
	if (c->state >= HTTP2_LINGER)
		return;
	count_fault(c);
	h2_stop(c->h2);
	end(c);
}

static void
on_notice(void *arg)
{
	struct http2 *c = arg;

	c->told = true;
	h2_goaway(c->h2);
	http2_later(c);
}

/* No more is to be asked for here; what was, is answered. */
static void
leave(struct http2 *c)
{
	if (c->state != HTTP2_OPEN)
		return;
	c->state = HTTP2_LEAVING;
	h2_notice(c->h2);
	deadline_set(&c->w->deadlines, &c->notice,
	    deadline_kind(&c->w->deadlines, HTTP2_NOTICE_MS));
	http2_later(c);
}

/* --- time ----------------------------------------------------------------- */

/* No step of these may be put off by what else the client does. */
static void
end_calmly(struct http2 *c)
{
	h2_goaway(c->h2);
	end(c);
}

static void
stalled(struct http2 *c)
{
	count32(&c->w->cells->http2[HTTP2_N_STALLS], 1);
	worker_hit(c->w, LIMIT_SEND_TIMEOUT);
}

static void
on_deadline(void *arg)
{
	struct http2 *c = arg;

	if (wire_pending(&c->wire) > 0) {
		if (!wire_stalls(&c->wire)) {
			deadline_set(&c->w->deadlines, &c->dl, c->w->send_kind);
			return;
		}
		stalled(c);
		http2_abort(c);
	} else if (c->state == HTTP2_LINGER) {
		worker_hit(c->w, LIMIT_LINGER);
		http2_close(c);
	} else {
		worker_hit(c->w,
		    c->waits == WAITS_HEAD ? LIMIT_HEAD_TIMEOUT
					   : LIMIT_IDLE_TIMEOUT);
		end_calmly(c);
	}
}

/* Looked at twice within the time that a client has to take something. */
static void
on_look(void *arg)
{
	struct http2_stream *s = arg;
	struct http2 *c = s->c;
	bool moved = s->h2.moved - s->mark >= HTTP2_STEP;

	s->still = moved ? 0 : s->still + 1;
	if (moved)
		s->mark = s->h2.moved;
	if (s->still < 2) {
		deadline_set(&c->w->deadlines, &s->dl, c->w->send_kind);
		return;
	}
	stalled(c);
	h2_cut(c->h2, &s->h2, false);
	http2_later(c);
}

/* A stream that the client lets wait for a window. */
static void
watch_stream(struct http2_stream *s)
{
	struct http2 *c = s->c;

	if (s->h2.tail.len == 0 || wire_pending(&c->wire) > 0) {
		deadline_clear(&s->dl);
		return;
	}
	if (link_on_list(&s->dl.link))
		return;
	s->dl.fn = on_look;
	s->dl.arg = s;
	s->mark = s->h2.moved;
	s->still = 0;
	deadline_set(&c->w->deadlines, &s->dl, c->w->send_kind);
}

/* Set only where the reason is another one: by nothing can it be put off. */
static void
watch(struct http2 *c)
{
	struct worker *w = c->w;
	struct deadline_kind *const kinds[] = {
		[WAITS_NOT] = NULL,
		[WAITS_SEND] = w->send_kind,
		[WAITS_HEAD] = w->head_kind,
		[WAITS_IDLE] = w->idle_kind,
	};
	enum http2_waits waits = WAITS_NOT;

	if (wire_pending(&c->wire) > 0)
		waits = WAITS_SEND;
	else if (h2_in_head(c->h2))
		waits = WAITS_HEAD;
	else if (is_idle(c))
		waits = WAITS_IDLE;
	if (waits == c->waits)
		return;
	c->waits = waits;
	if (waits == WAITS_NOT)
		deadline_clear(&c->dl);
	else
		deadline_set(&w->deadlines, &c->dl, kinds[waits]);
}

/* --- the end of a turn ---------------------------------------------------- */

/* Who waited for the client to take its answer may go on. */
static void
wake_streams(struct http2 *c)
{
	bool open = wire_pending(&c->wire) == 0;

	if (c->ntails == 0)
		return;
	LIST_EACH (s, &c->streams, struct http2_stream, link) {
		if (!s->tail)
			continue;
		watch_stream(s);
		if (!open || s->h2.tail.len > 0)
			continue;
		s->tail = false;
		c->ntails--;
		if (s->d.x != NULL)
			answer_drained(s->d.x);
	}
}

static int
write_all(struct http2 *c)
{
	int r;

	do {
		reap(c);
		r = h2_write(c->h2);
	} while (r == 0 && !list_empty(&c->over));
	return r == 0 ? http2_flush(c) : r;
}

static bool
is_finished(const struct http2 *c)
{
	return is_idle(c) && wire_pending(&c->wire) == 0 &&
	    (c->told || h2_over(c->h2));
}

static void
on_turn(void *arg)
{
	struct http2 *c = arg;
	bool more;

	if (c->state >= HTTP2_LINGER)
		return;
	if (write_all(c) < 0) {
		http2_close(c);
		return;
	}
	if (h2_fault(c->h2) != H2_FINE && h2_fault(c->h2) != H2_GONE) {
		fail(c);
		return;
	}
	wake_streams(c);
	if (is_finished(c)) {
		linger(c);
		return;
	}
	if (is_idle(c) && c->out.cap > OUT_KEEP)
		buf_done(&c->out);
	more = c->out.len + wire_pending(&c->wire) < HTTP2_OUT_HIGH;
	if (wire_read(&c->wire, more) < 0)
		http2_close(c);
	else
		watch(c);
}

/* --- events --------------------------------------------------------------- */

static void
count_request(struct http2 *c)
{
	/* A limit of 0 is none, for it wraps. */
	if (++c->requests <= c->w->limits.requests_per_connection - 1 ||
	    c->state != HTTP2_OPEN)
		return;
	worker_hit(c->w, LIMIT_REQUESTS_PER_CONNECTION);
	leave(c);
}

static void
take(struct http2 *c, const struct h2_event *ev)
{
	switch (ev->kind) {
	case H2_NOTHING:
		break;
	case H2_REQUEST:
		count_request(c);
		http2_stream_begin(c, ev);
		break;
	case H2_BODY:
		if (ev->stream != NULL)
			http2_stream_push(
			    CONTAINER_OF(ev->stream, struct http2_stream, h2),
			    ev);
		else if (ev->data.n > 0)
			h2_credit(c->h2, NULL, ev->data.n);
		break;
	case H2_MALFORMED:
		count32(&c->w->cells->http2[HTTP2_N_MALFORMED], 1);
		break;
	}
}

static void
feed(struct http2 *c, struct span in)
{
	struct h2_event ev;

	while (in.n > 0) {
		if (h2_read(c->h2, c->w->now_ms, &in, &ev) < 0) {
			if (h2_fault(c->h2) != H2_GONE)
				fail(c);
			break;
		}
		take(c, &ev);
		if (!list_empty(&c->over))
			reap(c);
	}
	http2_later(c);
}

static void
discard(struct http2 *c)
{
	ssize_t n = wire_recv(&c->wire, c->w->scratch, WORKER_PIECE);

	if (n == -EAGAIN)
		return;
	if (n > 0)
		c->lingered += (size_t)n;
	if (c->lingered > c->w->limits.linger_size)
		worker_hit(c->w, LIMIT_LINGER);
	else if (n > 0)
		return;
	http2_close(c);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct http2 *c = arg;
	ssize_t n;

	(void)fd;
	(void)what;
	if (c->state == HTTP2_LINGER) {
		discard(c);
		return;
	}
	n = wire_recv(&c->wire, c->w->scratch, WORKER_PIECE);
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		http2_close(c);
		return;
	}
	worker_tick(c->w);
	feed(c, (struct span){ c->w->scratch, (size_t)n });
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct http2 *c = arg;

	(void)fd;
	(void)what;
	if (wire_flush(&c->wire) < 0) {
		http2_close(c);
		return;
	}
	worker_tick(c->w);
	if (wire_pending(&c->wire) > 0)
		return;
	if (c->state == HTTP2_LINGER) {
		linger(c);
		return;
	}
	LIST_EACH (s, &c->streams, struct http2_stream, link)
		h2_wake(c->h2, &s->h2);
	http2_later(c);
}

/* --- as a client of the gate ---------------------------------------------- */

static bool
on_gate_idle(struct gate_client *client)
{
	return is_idle(client->owner);
}

static void
on_gate_close(struct gate_client *client)
{
	http2_close(client->owner);
}

static void
on_gate_leave(struct gate_client *client)
{
	leave(client->owner);
}

static const struct gate_client_ops client_ops = {
	.idle = on_gate_idle,
	.close = on_gate_close,
	.leave = on_gate_leave,
};

static void
set_up(struct http2 *c, struct worker *w, const struct peer *peer)
{
	c->w = w;
	c->peer = *peer;
	c->client.ops = &client_ops;
	c->client.owner = c;
	c->dl.fn = on_deadline;
	c->dl.arg = c;
	c->notice.fn = on_notice;
	c->notice.arg = c;
	list_init(&c->streams);
	list_init(&c->over);
	buf_init_metered(&c->out, HTTP2_OUT_MAX, &w->memory);
}

static struct http2 *
http2_new(
    struct worker *w, const struct gate_arrival *a, const struct peer *peer)
{
	const struct h2_limits limits = {
		.streams = a->http2,
		.head = w->limits.head_size,
		.lines = w->limits.head_lines,
		.meter = &w->memory,
		.resets = w->limits.http2_resets,
		.controls = w->limits.http2_controls,
		.window = w->limits.http2_window,
	};
	struct http2 *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	set_up(c, w, peer);
	c->h2 = h2_new(&limits, &h2_ops, c);
	if (c->h2 != NULL)
		return c;
	free(c);
	return NULL;
}

int
http2_open(struct worker *w, const struct gate_arrival *a,
    const struct peer *peer, struct span first)
{
	struct http2 *c = http2_new(w, a, peer);
	int fd = a->fd;

	if (c == NULL) {
		tls_conn_free(a->tls);
		fd_close(&fd);
		return -ENOMEM;
	}
	wire_open(&c->wire, w->base, fd, on_read, on_write, c, &w->memory);
	wire_secure(&c->wire, a->tls);
	c->wire.out.max = HTTP2_OUT_MAX;
	gate_enter(&w->gate, &c->client, a);
	w->memory.held += HTTP2_COST;
	count32(&w->cells->http2[HTTP2_N_CONNECTIONS], 1);
	if (w->draining)
		leave(c);
	feed(c, first);
	return 0;
}
