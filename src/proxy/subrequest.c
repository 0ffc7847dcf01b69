/* SPDX-License-Identifier: ISC */

#include "proxy/subrequest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/balance.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "proxy/service.h"
#include "proxy/worker.h"

struct subrequest {
	struct downstream d; /* first: see of() */
	struct service *to;  /* a reference */
	struct buf head, answer;
	size_t body;	       /* bytes of the answer's that were let go */
	void (*fn)(void *arg); /* NULL: freed */
	void *arg;
	struct loop_later later;
};

static struct subrequest *
of(struct downstream *d)
{
	return (struct subrequest *)d;
}

static void
free_now(void *arg)
{
	struct subrequest *s = arg;

	buf_meter_free(&s->d.w->memory, s, sizeof(*s));
}

static void
on_over(void *arg)
{
	struct subrequest *s = arg;

	worker_tick(s->d.w);
	s->fn(s->arg);
}

/* --- as a downstream ------------------------------------------------------ */

/* 103 and the like say nothing about the verdict. */
static bool
is_interim(struct span head)
{
	return span_starts(head, SPAN("HTTP/1.1 1"));
}

static int
op_send(struct downstream *d, size_t head, struct iovec *iov, int n)
{
	struct subrequest *s = of(d);
	struct span text = { n > 0 ? iov[0].iov_base : NULL, head };

	for (int i = 0; i < n; i++)
		s->body += iov[i].iov_len;
	s->body -= head;
	if (s->body > SUBREQUEST_BODY_MAX)
		return -EFBIG;
	if (head == 0 || is_interim(text) || s->answer.len > 0)
		return 0;
	return buf_append(&s->answer, text.p, text.n);
}

static size_t
op_pending(const struct downstream *d)
{
	(void)d;
	return 0;
}

static int
op_read(struct downstream *d, bool on)
{
	(void)d;
	(void)on;
	return 0;
}

static void
over(struct downstream *d)
{
	struct subrequest *s = of(d);

	if (s->fn != NULL)
		loop_defer(d->w->loop, &s->later, on_over, s);
}

static void
op_done(struct downstream *d, bool keep, bool clean)
{
	(void)keep;
	(void)clean;
	over(d);
}

static const struct downstream_ops ops = {
	.send = op_send,
	.pending = op_pending,
	.read = op_read,
	.done = op_done,
	.close = over,
	.abort = over,
};

/* --- its life ------------------------------------------------------------- */

struct subrequest *
subrequest_new(struct worker *w, struct service *to, struct peer *peer,
    void (*fn)(void *arg), void *arg)
{
	struct subrequest *s = buf_meter_alloc(&w->memory, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->d.ops = &ops;
	s->d.w = w;
	s->d.peer = peer;
	s->to = service_ref(to);
	s->fn = fn;
	s->arg = arg;
	buf_init_metered(&s->head, SUBREQUEST_HEAD_MAX, &w->memory);
	buf_init_metered(&s->answer, SUBREQUEST_HEAD_MAX, &w->memory);
	return s;
}

void
subrequest_free(struct subrequest *s)
{
	if (s == NULL)
		return;
	s->fn = NULL;
	loop_defer_cancel(&s->later);
	if (s->d.x != NULL)
		exchange_cancel(s->d.x);
	service_unref(s->to);
	buf_done(&s->head);
	buf_done(&s->answer);
	loop_defer(s->d.w->loop, &s->later, free_now, s);
}

struct buf *
subrequest_head(struct subrequest *s)
{
	return &s->head;
}

struct span
subrequest_answer(const struct subrequest *s)
{
	return buf_span(&s->answer);
}

int
subrequest_begin(struct subrequest *s, struct span id, uint32_t timeout_ms)
{
	struct exchange *x = exchange_new(s->d.w);

	if (x == NULL)
		return -ENOMEM;
	x->down = &s->d;
	s->d.x = x;
	exchange_ask(x, s->to);
	x->remaining_ms = timeout_ms;
	x->key = balance_hash(peer_text(s->d.peer));
	memcpy(x->id, id.p, id.n);
	x->id_len = id.n;
	if (buf_append(&x->req, s->head.data, s->head.len) < 0) {
		s->fn = NULL;
		exchange_cancel(x);
		return -ENOMEM;
	}
	x->head_len = x->req.len;
	exchange_admit(x);
	return 0;
}
