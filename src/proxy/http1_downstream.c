/* SPDX-License-Identifier: ISC */

/* A connection of HTTP/1 as its exchange sees it. */

#include "proxy/exchange.h"
#include "proxy/http1.h"
#include "proxy/worker.h"

static struct http1 *
http1_of(struct downstream *d)
{
	return (struct http1 *)d;
}

static int
op_send(struct downstream *d, size_t head, struct iovec *iov, int n)
{
	(void)head;
	return wire_send(&http1_of(d)->wire, iov, n);
}

static ssize_t
op_splice(struct downstream *d, int from, size_t n)
{
	return wire_splice(&http1_of(d)->wire, &d->w->pipes, from, n);
}

static size_t
op_pending(const struct downstream *d)
{
	return wire_pending(&((const struct http1 *)d)->wire);
}

static bool
op_stalls(struct downstream *d)
{
	return wire_stalls(&http1_of(d)->wire);
}

static int
op_read(struct downstream *d, bool on)
{
	if (on)
		return wire_read(&http1_of(d)->wire, true);
	http1_hold(http1_of(d));
	return 0;
}

static int
op_stash(struct downstream *d, struct span s)
{
	return buf_append(&http1_of(d)->in, s.p, s.n);
}

static void
op_tunnel(struct downstream *d)
{
	struct http1 *c = http1_of(d);
	struct buf in = c->in;
	size_t off = c->in_off;

	buf_init_metered(&c->in, HTTP1_IN_MAX, &d->w->memory);
	c->in_off = 0;
	if (wire_read(&c->wire, true) < 0)
		exchange_cancel(d->x);
	else if (in.len > off)
		request_push(
		    d->x, (struct span){ in.data + off, in.len - off });
	buf_done(&in);
}

static void
op_shut(struct downstream *d)
{
	wire_shut(&http1_of(d)->wire); /* one that fails shows by itself */
}

static void
op_done(struct downstream *d, bool keep, bool clean)
{
	http1_finish(http1_of(d), keep, clean);
}

static void
op_close(struct downstream *d)
{
	http1_close(http1_of(d));
}

static void
op_abort(struct downstream *d)
{
	http1_abort(http1_of(d));
}

const struct downstream_ops http1_downstream = {
	.send = op_send,
	.pending = op_pending,
	.splice = op_splice,
	.stalls = op_stalls,
	.read = op_read,
	.stash = op_stash,
	.tunnel = op_tunnel,
	.shut = op_shut,
	.done = op_done,
	.close = op_close,
	.abort = op_abort,
};
