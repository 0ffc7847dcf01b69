/* SPDX-License-Identifier: ISC */

/* What a turn gathers to be sent, and how it goes. */

#include <errno.h>

#include "proxy/http2.h"

#define LENT_MAX 32 /* pieces sent from where they are, in one call */
#define LENT_MIN (8U * 1024)

/* Pieces that are sent from where they are, between what is in c->out. */
struct outlet {
	struct {
		const void *p;
		size_t n, at; /* behind so many bytes of out */
	} lent[LENT_MAX];
	int n;
};

int
http2_emit(void *arg, const void *data, size_t n, bool lent)
{
	struct http2 *c = arg;
	struct outlet *o = c->outlet;

	if (!lent || o == NULL || o->n == LENT_MAX)
		return buf_append(&c->out, data, n);
	o->lent[o->n].p = data;
	o->lent[o->n].n = n;
	o->lent[o->n++].at = c->out.len;
	return 0;
}

/* Whole, or it waits until the client has taken what is before it. */
int
http2_flush(struct http2 *c)
{
	struct iovec iov = { c->out.data, c->out.len };
	int r;

	if (c->out.len == 0 || wire_pending(&c->wire) > 0)
		return 0;
	r = wire_send(&c->wire, &iov, 1);
	buf_clear(&c->out);
	return r;
}

static int
send_lent(struct http2 *c, const struct outlet *o)
{
	struct iovec iov[2 * LENT_MAX + 1];
	size_t at = 0;
	int n = 0, r;

	for (int i = 0; i < o->n; i++) {
		if (o->lent[i].at > at)
			iov[n++] = (struct iovec){ c->out.data + at,
				o->lent[i].at - at };
		iov[n++] = (struct iovec){ (void *)(uintptr_t)o->lent[i].p,
			o->lent[i].n };
		at = o->lent[i].at;
	}
	if (c->out.len > at)
		iov[n++] = (struct iovec){ c->out.data + at, c->out.len - at };
	r = wire_send(&c->wire, iov, n);
	buf_clear(&c->out);
	return r;
}

static bool
is_large(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len >= LENT_MIN)
			return true;
	return false;
}

int
http2_send(struct http2_stream *s, size_t head, struct iovec *iov, int n)
{
	struct http2 *c = s->c;
	struct outlet o;
	int r;

	o.n = 0;
	if (wire_pending(&c->wire) == 0 && is_large(iov, n))
		c->outlet = &o;
	r = head > 0 ? h2_answer(c->h2, &s->h2, iov, n)
		     : h2_body(c->h2, &s->h2, iov, n);
	c->outlet = NULL;
	if (o.n > 0)
		r = send_lent(c, &o) < 0 ? -EPIPE : r;
	else if (r == 0 && c->out.len >= HTTP2_OUT_TURN)
		r = http2_flush(c);
	http2_later(c);
	return r;
}
