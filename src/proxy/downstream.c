/* SPDX-License-Identifier: ISC */

#include "proxy/downstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "http/head.h"
#include "model/route.h"
#include "proxy/compose.h"
#include "proxy/exchange.h"
#include "proxy/table.h"
#include "proxy/worker.h"

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);
static void on_deadline(void *arg);
static void on_next(void *arg);

/* --- coming and going ----------------------------------------------------- */

static void
set_peer(struct downstream *d, const struct sockaddr *sa)
{
	const unsigned char *v4 = d->address + 12;

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		d->address[10] = d->address[11] = 0xff;
		memcpy(d->address + 12, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(d->address, &in6->sin6_addr, 16);
		if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			v4 = NULL;
	} else {
		d->local = true;
		memcpy(d->peer, "unknown", 8);
		d->peer_len = 7;
		return;
	}
	if (v4 != NULL)
		inet_ntop(AF_INET, v4, d->peer, sizeof(d->peer));
	else
		inet_ntop(AF_INET6, d->address, d->peer, sizeof(d->peer));
	d->peer_len = strlen(d->peer);
}

int
downstream_open(
    struct worker *w, int fd, const struct sockaddr *sa, bool internal)
{
	struct downstream *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		fd_close(&fd);
		return -ENOMEM;
	}
	d->w = w;
	d->internal = internal;
	d->dl.fn = on_deadline;
	d->dl.arg = d;
	buf_init(&d->in, DOWNSTREAM_IN_MAX);
	set_peer(d, sa);
	wire_open(&d->wire, w->base, fd, on_read, on_write, d);
	if (wire_read(&d->wire, true) < 0) {
		wire_close(&d->wire);
		free(d);
		return -ENOMEM;
	}
	gate_enter(&w->gate, d);
	deadline_set(&w->deadlines, &d->dl, w->idle_kind);
	return 0;
}

static void
free_later(void *arg)
{
	free(arg);
}

void
downstream_close(struct downstream *d)
{
	if (d->wire.fd == -1)
		return;
	if (d->x != NULL) {
		exchange_cancel(d->x); /* closes */
		return;
	}
	wire_close(&d->wire);
	deadline_clear(&d->dl);
	loop_defer_cancel(&d->next);
	buf_done(&d->in);
	gate_leave(&d->w->gate, d);
	loop_defer(d->w->loop, &d->later, free_later, d);
}

void
downstream_abort(struct downstream *d)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (d->wire.fd != -1)
		setsockopt(
		    d->wire.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	downstream_close(d);
}

bool
downstream_is_idle(const struct downstream *d)
{
	return d->state == DOWNSTREAM_HEAD && d->in.len == d->in_off;
}

int
downstream_send(struct downstream *d, struct iovec *iov, int n)
{
	return wire_send(&d->wire, iov, n);
}

int
downstream_stash(struct downstream *d, struct span s)
{
	return buf_append(&d->in, s.p, s.n);
}

/* --- after an answer ------------------------------------------------------ */

/* Our side ends; what the client still sends is read, so that no reset cuts
 * off what it has not read yet. */
static void
linger(struct downstream *d)
{
	d->state = DOWNSTREAM_LINGER;
	if (shutdown(d->wire.fd, SHUT_WR) < 0 ||
	    wire_read(&d->wire, true) < 0) {
		downstream_close(d);
		return;
	}
	deadline_set(&d->w->deadlines, &d->dl, d->w->linger_kind);
}

static void
settle(struct downstream *d)
{
	struct worker *w = d->w;
	bool more = d->in.len > d->in_off;

	if (!d->keep && d->clean && !more) {
		downstream_close(d);
	} else if (!d->keep) {
		linger(d);
	} else {
		d->state = DOWNSTREAM_HEAD;
		d->scanned = 0;
		if (wire_read(&d->wire, true) < 0) {
			downstream_close(d);
			return;
		}
		deadline_set(&w->deadlines, &d->dl, w->idle_kind);
		if (more)
			loop_defer(w->loop, &d->next, on_next, d);
	}
}

void
downstream_done(struct downstream *d, bool keep, bool clean)
{
	d->keep = keep && !d->eof;
	d->clean = clean;
	if (wire_pending(&d->wire) == 0) {
		settle(d);
		return;
	}
	d->state = DOWNSTREAM_FLUSH;
	deadline_set(&d->w->deadlines, &d->dl, d->w->idle_kind);
}

/* --- heads ---------------------------------------------------------------- */

static enum scoreboard_fault
fault_of(unsigned status)
{
	return status == 414 ? FAULT_URI_TOO_LONG
	    : status == 431  ? FAULT_HEAD_TOO_LARGE
			     : FAULT_BAD_REQUEST;
}

/* Before there is an exchange: answer and close. */
static void
refuse(struct downstream *d, unsigned status, enum scoreboard_fault fault,
    const char *detail)
{
	struct worker *w = d->w;
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
	iov.iov_len = compose_problem(&p, w->heads, WORKER_HEADS);
	d->in_off = d->in.len;
	if (downstream_send(d, &iov, 1) < 0)
		downstream_close(d);
	else
		downstream_done(d, false, false);
}

/* What is not yet a head, or comes after the one that is being answered. */
static void
keep_rest(struct downstream *d, struct span rest)
{
	if (d->in.len > 0 && rest.p >= d->in.data &&
	    rest.p <= d->in.data + d->in.len) {
		d->in_off = d->in.len - rest.n;
		return;
	}
	buf_clear(&d->in);
	d->in_off = 0;
	if (rest.n > 0 && downstream_stash(d, rest) < 0)
		downstream_close(d);
}

static void
wait_for_more(struct downstream *d, struct span part)
{
	struct worker *w = d->w;

	keep_rest(d, part);
	if (d->wire.fd == -1 || part.n == 0)
		return;
	/* From its first byte on, not from its last. */
	if (d->dl.kind != w->head_kind)
		deadline_set(&w->deadlines, &d->dl, w->head_kind);
}

static void
check_trust(struct downstream *d)
{
	const struct table *t = d->w->table;

	if (d->checked == t->snap->generation)
		return;
	d->checked = t->snap->generation;
	d->trusted = !d->local && table_trusts(t, d->address);
}

/* A whole head is there. Returns what is behind the request. */
static struct span
begin(struct downstream *d, const struct head *h, struct span in)
{
	size_t used;

	in.p += h->size;
	in.n -= h->size;
	d->scanned = 0;
	d->state = DOWNSTREAM_BUSY;
	deadline_clear(&d->dl);
	d->dl.kind = NULL;
	check_trust(d);
	used = exchange_begin(d, h, in);
	in.p += used;
	in.n -= used;
	return in;
}

/* Answer heads in order, until one is under way or incomplete. */
static void
parse(struct downstream *d, struct span in)
{
	struct worker *w = d->w;
	struct head h;

	do {
		enum head_verdict v;

		head_init(&h, w->headers, HEAD_HEADERS_MAX);
		v = head_request(&h, in, &d->scanned);
		if (v == HEAD_MORE) {
			wait_for_more(d, in);
			return;
		}
		if (v == HEAD_REFUSED) {
			refuse(d, head_refusal_status(h.refusal),
			    fault_of(head_refusal_status(h.refusal)),
			    head_refusal_text(h.refusal));
			return;
		}
		in = begin(d, &h, in);
	} while (d->wire.fd != -1 && d->state == DOWNSTREAM_HEAD && in.n > 0);
	if (d->wire.fd == -1)
		return;
	if (d->state == DOWNSTREAM_LINGER)
		d->in_off = d->in.len;
	else
		keep_rest(d, in);
}

static void
on_next(void *arg)
{
	struct downstream *d = arg;
	struct span in = { d->in.data + d->in_off, d->in.len - d->in_off };

	if (d->wire.fd == -1 || d->state != DOWNSTREAM_HEAD || in.n == 0)
		return;
	worker_tick(d->w);
	parse(d, in);
}

static void
read_head(struct downstream *d)
{
	struct worker *w = d->w;
	size_t have = d->in.len - d->in_off;
	ssize_t n;

	if (have > 0)
		memcpy(w->scratch, d->in.data + d->in_off, have);
	do
		n = recv(
		    d->wire.fd, w->scratch + have, WORKER_SCRATCH - have, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		downstream_close(d);
		return;
	}
	worker_tick(w);
	if (have > 0) {
		buf_clear(&d->in);
		d->in_off = 0;
	}
	parse(d, (struct span){ w->scratch, have + (size_t)n });
}

/* --- events --------------------------------------------------------------- */

static void
discard(struct downstream *d)
{
	ssize_t n = recv(d->wire.fd, d->w->scratch, WORKER_SCRATCH, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		d->lingered += (size_t)n;
	if (n <= 0 || d->lingered > DOWNSTREAM_LINGER_MAX)
		downstream_close(d);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct downstream *d = arg;

	(void)fd;
	(void)what;
	switch (d->state) {
	case DOWNSTREAM_HEAD:
		read_head(d);
		break;
	case DOWNSTREAM_BUSY:
		request_readable(d->x);
		break;
	case DOWNSTREAM_FLUSH:
		/* It may send more once it has read its answer. */
		wire_pause(&d->wire);
		break;
	case DOWNSTREAM_LINGER:
		discard(d);
		break;
	}
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct downstream *d = arg;

	(void)fd;
	(void)what;
	if (wire_flush(&d->wire) < 0) {
		downstream_close(d);
		return;
	}
	worker_tick(d->w);
	if (d->state == DOWNSTREAM_FLUSH)
		deadline_set(&d->w->deadlines, &d->dl, d->w->idle_kind);
	if (wire_pending(&d->wire) > 0)
		return;
	if (d->state == DOWNSTREAM_BUSY)
		answer_drained(d->x);
	else if (d->state == DOWNSTREAM_FLUSH)
		settle(d);
}

static void
on_deadline(void *arg)
{
	struct downstream *d = arg;

	if (d->state == DOWNSTREAM_HEAD && d->in.len > d->in_off)
		refuse(d, 408, FAULT_TIMEOUT,
		    "the head of the request did not come in time");
	else if (d->state == DOWNSTREAM_FLUSH)
		downstream_abort(d);
	else
		downstream_close(d);
}
