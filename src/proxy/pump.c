/* SPDX-License-Identifier: ISC */

#include "proxy/pump.h"

#include <errno.h>
#include <sys/socket.h>

#include "proxy/compose.h"
#include "proxy/downstream.h"
#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/service.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* --- whether -------------------------------------------------------------- */

static bool
lists(const char *listed, struct span token)
{
	struct span rest = span_of(listed), one;

	while (span_next(&rest, ' ', &one))
		if (one.n > 0 && span_eq_nocase(one, token))
			return true;
	return false;
}

struct span
pump_wanted(const struct head *h, const char *listed)
{
	const struct span none = { NULL, 0 };

	if (!head_has(h, HDR_UPGRADE) || h->minor == 0 ||
	    h->framing != FRAMING_NONE ||
	    !head_lists(h, HDR_CONNECTION, SPAN("upgrade")))
		return none;
	for (size_t i = 0; i < h->nheaders; i++) {
		struct span rest = h->headers[i].value, one;

		if (h->headers[i].id != HDR_UPGRADE)
			continue;
		while (span_next(&rest, ',', &one)) {
			one = span_trim(one);
			if (one.n <= EXCHANGE_UPGRADE_MAX && lists(listed, one))
				return one;
		}
	}
	return none;
}

/* --- ends ----------------------------------------------------------------- */

static size_t
unsent(const struct exchange *x)
{
	return x->req.len - x->sent;
}

static void
alive(struct exchange *x)
{
	struct deadline_kind *kind = x->svc->pump_kind;

	if (kind->ms != 0)
		deadline_set(&x->w->deadlines, &x->dl, kind);
	else
		deadline_clear(&x->dl);
}

/* The client's end goes on to the endpoint once all before it went. */
static void
pass_client_end(struct exchange *x)
{
	if (x->client_end && unsent(x) == 0 && !x->write_shut) {
		x->write_shut = true;
		wire_shut(&x->up->wire);
	}
}

/* May end x. */
static void
pass_endpoint_end(struct exchange *x)
{
	bool told = x->write_shut; /* it hears no more of the client */

	if (!x->endpoint_end || downstream_pending(x->down) > 0)
		return;
	if (told)
		exchange_finish(x);
	else
		downstream_shut(x->down);
}

/* --- client to endpoint --------------------------------------------------- */

/* The endpoint takes no more: what it still says is passed on. */
static void
refused(struct exchange *x)
{
	x->write_shut = true;
	buf_clear(&x->req);
	x->sent = 0;
}

static void
flush(struct exchange *x)
{
	ssize_t n = 0;

	if (!x->write_shut && unsent(x) > 0)
		n = request_write_some(x, x->req.data + x->sent, unsent(x));
	if (n < 0)
		refused(x);
	else
		x->sent += (size_t)n;
	if (unsent(x) == 0) {
		buf_clear(&x->req);
		x->sent = 0;
	}
}

/* After something moved towards the endpoint. May end x. */
static void
settle(struct exchange *x)
{
	bool held = unsent(x) > 0;

	if (wire_write(&x->up->wire, held) < 0 ||
	    downstream_read(x->down, !held && !x->client_end) < 0) {
		exchange_cut(x);
		return;
	}
	pass_client_end(x);
	alive(x);
	pass_endpoint_end(x);
}

void
pump_push(struct exchange *x, struct span in)
{
	ssize_t n = 0;

	x->body += in.n;
	if (x->write_shut) {
		alive(x);
		return; /* nobody is there to hear it */
	}
	if (unsent(x) == 0)
		n = request_write_some(x, in.p, in.n);
	if (n < 0)
		refused(x);
	else if (buf_append(&x->req, in.p + n, in.n - (size_t)n) < 0) {
		exchange_cut(x);
		return;
	}
	settle(x);
}

void
pump_client_eof(struct exchange *x)
{
	x->client_end = true;
	settle(x);
}

void
pump_writable(struct exchange *x)
{
	flush(x);
	settle(x);
}

/* --- endpoint to client --------------------------------------------------- */

/* May end x. */
static void
hold_or_go_on(struct exchange *x)
{
	bool more = downstream_pending(x->down) == 0 && !x->endpoint_end;

	if (wire_read(&x->up->wire, more) < 0) {
		exchange_cut(x);
		return;
	}
	alive(x);
	pass_endpoint_end(x);
}

void
pump_drained(struct exchange *x)
{
	hold_or_go_on(x);
}

void
pump_readable(struct exchange *x)
{
	struct worker *w = x->w;
	ssize_t n = wire_recv(&x->up->wire, w->scratch, WORKER_PIECE);
	struct iovec iov = { w->scratch, 0 };

	if (n == -EAGAIN)
		return;
	worker_tick(w);
	if (n < 0) {
		exchange_cut(x);
		return;
	}
	if (n == 0) {
		x->endpoint_end = true;
	} else {
		iov.iov_len = (size_t)n;
		x->bytes_out += (size_t)n;
		count64(&x->ep->count->bytes_out, (uint64_t)n);
		if (downstream_send(x->down, 0, &iov, 1) < 0) {
			exchange_cancel(x);
			return;
		}
	}
	hold_or_go_on(x);
}

/* --- the switch ----------------------------------------------------------- */

void
pump_begin(struct exchange *x, const struct head *h, struct span rest)
{
	struct worker *w = x->w;
	struct iovec iov[2] = { { w->heads, 0 },
		{ (void *)(uintptr_t)rest.p, rest.n } };
	size_t n;

	worker_tick(w);
	recording_answer(x);
	x->notes.flags |= RECORD_UPGRADED;
	x->status = h->status;
	n = compose_answer(x, h, w->heads, WORKER_HEADS);
	if (n == 0) {
		exchange_bad_response(x, "head too large");
		return;
	}
	iov[0].iov_len = n;
	x->phase = EXCHANGE_TUNNEL;
	x->keep = x->reusable = false;
	x->read_all = false;
	x->replay = false;
	buf_clear(&x->req);
	x->sent = 0;
	x->bytes_out = rest.n;
	service_praise(x->ep);
	service_tunnel(x->svc, x->ep);
	if (downstream_send(x->down, n, iov, rest.n > 0 ? 2 : 1) < 0) {
		exchange_cancel(x);
		return;
	}
	buf_done(&x->up->in);
	alive(x);
	if (wire_read(&x->up->wire, downstream_pending(x->down) == 0) < 0)
		exchange_cut(x);
	else
		downstream_tunnel(x->down);
}
