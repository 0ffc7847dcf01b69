/* SPDX-License-Identifier: ISC */

/* A stream of HTTP/2, as the downstream of an exchange. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "http/head.h"
#include "model/route.h"
#include "proxy/compose.h"
#include "proxy/exchange.h"
#include "proxy/http2.h"
#include "proxy/worker.h"

#define FRAME_MAX (16U * 1024) /* we allow no larger ones */

static struct http2_stream *
stream_of(struct downstream *d)
{
	return (struct http2_stream *)d;
}

/* --- memory --------------------------------------------------------------- */

static struct http2_stream *
stream_new(struct worker *w)
{
	struct http2_stream *s = LIST_FIRST(
	    &w->spare_streams, struct http2_stream, link);

	if (s == NULL)
		return calloc(1, sizeof(*s));
	list_remove(&s->link);
	w->nspare_streams--;
	memset(s, 0, sizeof(*s));
	return s;
}

/* Keep it for the next one. */
static bool
spare(struct worker *w, struct http2_stream *s)
{
#ifdef WITH_SANITIZERS /* they would not see a use of a spare one */
	(void)w;
	(void)s;
	return false;
#else
	if (w->nspare_streams >= HTTP2_SPARES)
		return false;
	list_unshift(&w->spare_streams, &s->link);
	w->nspare_streams++;
	return true;
#endif
}

void
http2_stream_free(struct http2_stream *s)
{
	struct http2 *c = s->c;

	list_remove(&s->link);
	deadline_clear(&s->dl);
	c->ntails -= s->tail;
	if (s->owed > 0)
		h2_credit(c->h2, NULL, s->owed);
	h2_stream_done(&s->h2);
	if (!spare(c->w, s))
		free(s);
}

void
http2_free_spares(struct worker *w)
{
	LIST_EACH_SAFE (s, &w->spare_streams, struct http2_stream, link) {
		list_remove(&s->link);
		free(s);
	}
	w->nspare_streams = 0;
}

/* --- as a downstream ------------------------------------------------------ */

/* That is watched here, for all that is pending: see http2.c. */
static bool
op_stalls(struct downstream *d)
{
	(void)d;
	return false;
}

static size_t
op_pending(const struct downstream *d)
{
	const struct http2_stream *s = (const struct http2_stream *)d;

	return s->h2.tail.len + wire_pending(&s->c->wire);
}

static int
op_send(struct downstream *d, size_t head, struct iovec *iov, int n)
{
	struct http2_stream *s = stream_of(d);
	int r = http2_send(s, head, iov, n);

	if (!s->tail && op_pending(d) > 0) {
		s->tail = true;
		s->c->ntails++;
	}
	return r;
}

static int
op_trailers(struct downstream *d, struct span lines)
{
	struct http2_stream *s = stream_of(d);

	return h2_trailers(s->c->h2, &s->h2, lines);
}

/* What has gone on to the endpoint, or to nobody, makes room for more. */
static void
credit(struct http2_stream *s)
{
	if (s->owed == 0)
		return;
	h2_credit(s->c->h2, &s->h2, s->owed);
	s->owed = 0;
	http2_later(s->c);
}

static int
op_read(struct downstream *d, bool on)
{
	if (on)
		credit(stream_of(d));
	return 0;
}

static void
op_taken(struct downstream *d)
{
	credit(stream_of(d));
}

static void
op_done(struct downstream *d, bool keep, bool clean)
{
	struct http2_stream *s = stream_of(d);

	(void)keep;
	credit(s);
	h2_end(s->c->h2, &s->h2, !clean);
	http2_later(s->c);
}

static void
op_close(struct downstream *d)
{
	struct http2_stream *s = stream_of(d);

	h2_cut(s->c->h2, &s->h2, false);
	http2_later(s->c);
}

static void
op_abort(struct downstream *d)
{
	struct http2_stream *s = stream_of(d);

	h2_cut(s->c->h2, &s->h2, true);
	http2_later(s->c);
}

static const struct downstream_ops downstream_ops = {
	.send = op_send,
	.trailers = op_trailers,
	.pending = op_pending,
	.stalls = op_stalls,
	.read = op_read,
	.taken = op_taken,
	.done = op_done,
	.close = op_close,
	.abort = op_abort,
};

/* --- heads ---------------------------------------------------------------- */

/* There is no exchange: the answer is ours. */
static void
refuse(struct http2_stream *s, enum head_refusal why)
{
	struct worker *w = s->d.w;
	unsigned status = head_refusal_status(why);
	char id[WORKER_ID];
	struct compose_problem p = {
		.status = status,
		.fault = compose_fault(status),
		.detail = head_refusal_text(why),
		.id = { id, sizeof(id) },
		.allowed = status == 405 ? ROUTE_OTHER - 1 : 0,
		.head = s->h2.head,
	};
	struct iovec iov = { w->heads, 0 };

	if (status == 414)
		worker_hit(w, LIMIT_TARGET);
	else if (status == 431)
		worker_hit(w,
		    why == REFUSED_COUNT ? LIMIT_HEAD_LINES : LIMIT_HEAD_SIZE);
	worker_id(w, id);
	count64(&w->cells->bad_requests, 1);
	recording_refused(&s->d, p.id, status, p.fault);
	iov.iov_len = compose_problem(&p, w->heads, WORKER_HEADS);
	if (op_send(&s->d, iov.iov_len, &iov, 1) < 0)
		op_close(&s->d);
	else
		op_done(&s->d, false, s->h2.ended);
}

static void
begin(struct http2_stream *s, const struct h2_event *ev)
{
	struct worker *w = s->d.w;
	struct head h;
	size_t scanned = 0;
	enum head_verdict v;

	if (ev->refusal != REFUSED_NOT) {
		refuse(s, ev->refusal);
		return;
	}
	head_init(&h, w->headers, w->limits.head_lines);
	h.limits.head = w->limits.head_size;
	h.limits.target = w->limits.target;
	v = head_request(&h, ev->text, &scanned);
	if (v != HEAD_OK) {
		refuse(s, v == HEAD_REFUSED ? h.refusal : REFUSED_REQUEST_LINE);
		return;
	}
	s->chunked = h.framing == FRAMING_CHUNKED;
	peer_check(&s->c->peer, w->table);
	exchange_begin(&s->d, &h, (struct span){ ev->text.p, 0 });
}

void
http2_stream_begin(struct http2 *c, const struct h2_event *ev)
{
	struct http2_stream *s = stream_new(c->w);

	if (s == NULL) {
		struct h2_stream none = { .id = ev->id };

		h2_cut(c->h2, &none, true);
		return;
	}
	s->c = c;
	s->d.ops = &downstream_ops;
	s->d.w = c->w;
	s->d.peer = &c->peer;
	s->d.raw = true;
	s->d.http2 = true;
	list_push(&c->streams, &s->link);
	if (h2_open(c->h2, &s->h2, ev) < 0) {
		http2_stream_free(s);
		return;
	}
	count64(&c->w->cells->http2_streams, 1);
	begin(s, ev);
}

/* --- bodies --------------------------------------------------------------- */

static void
push(struct http2_stream *s, struct span in)
{
	if (s->d.x != NULL && in.n > 0)
		request_push(s->d.x, in);
}

static size_t
put(char *to, const void *data, size_t n)
{
	memcpy(to, data, n);
	return n;
}

/* As a chunk, and what ends them where nothing stands between. */
static void
push_chunk(struct http2_stream *s, struct span data, bool end)
{
	char text[FRAME_MAX + 32];
	size_t n = 0;

	for (int shift = 12; shift >= 0; shift -= 4)
		text[n++] = "0123456789abcdef"[data.n >> shift & 15];
	n += put(text + n, "\r\n", 2);
	n += put(text + n, data.p, data.n);
	n += put(text + n, "\r\n", 2);
	if (end)
		n += put(text + n, "0\r\n\r\n", 5);
	push(s, (struct span){ text, n });
}

static void
push_chunked(struct http2_stream *s, const struct h2_event *ev)
{
	bool trailers = ev->trailers.n > 0;

	if (ev->data.n > 0)
		push_chunk(s, ev->data, ev->end && !trailers);
	else if (ev->end && !trailers)
		push(s, SPAN("0\r\n\r\n"));
	if (!trailers)
		return;
	push(s, SPAN("0\r\n"));
	push(s, ev->trailers);
	push(s, SPAN("\r\n"));
}

void
http2_stream_push(struct http2_stream *s, const struct h2_event *ev)
{
	s->owed += ev->data.n;
	if (ev->shut)
		worker_hit(s->d.w, LIMIT_HTTP2_WINDOW);
	if (s->d.x == NULL) {
		credit(s);
		return;
	}
	if (s->chunked)
		push_chunked(s, ev);
	else
		push(s, ev->data);
}
