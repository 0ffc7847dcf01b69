/* SPDX-License-Identifier: ISC */

#include "proxy/handshake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "proxy/compose.h"
#include "proxy/gate.h"
#include "proxy/http1.h"
#include "proxy/http2.h"
#include "proxy/table.h"
#include "proxy/wire.h"
#include "proxy/worker.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

_Static_assert(HANDSHAKE_MEMORY - HANDSHAKE_CLOSED == TLS_FAILURE_MEMORY,
    "the reasons stand in the same order");

#define TLS_HANDSHAKE 22 /* the type of a client's first record */

struct handshake {
	struct gate_client client;
	struct worker *w;
	struct wire wire;
	struct deadline dl;
	struct loop_later later;
	struct link link;
	struct sockaddr_storage from;
	bool internal;
	uint16_t http2; /* streams, where it may be agreed upon */
	bool begun;	/* its first byte is one of TLS */
	bool refused;	/* answered without TLS: reading what still comes */
	size_t lingered;
};

void
handshakes_init(struct handshakes *hs)
{
	list_init(&hs->all);
	hs->n = 0;
}

/* --- going ---------------------------------------------------------------- */

static void
free_later(void *arg)
{
	free(arg);
}

static void
leave_room(struct handshake *h)
{
	deadline_clear(&h->dl);
	list_remove(&h->link);
	h->w->handshakes.n--;
	loop_defer(h->w->loop, &h->later, free_later, h);
}

static void
handshake_close(struct handshake *h)
{
	if (h->wire.fd == -1)
		return;
	wire_close(&h->wire);
	gate_leave(&h->w->gate, &h->client);
	leave_room(h);
}

static void
fail(struct handshake *h, enum scoreboard_handshake why)
{
	if (h->wire.fd == -1)
		return;
	if (!h->refused)
		count64(&h->w->cells->handshakes[why], 1);
	handshake_close(h);
}

static bool
on_gate_idle(struct gate_client *client)
{
	(void)client;
	return false;
}

static void
on_gate_close(struct gate_client *client)
{
	handshake_close(client->owner);
}

static const struct gate_client_ops client_ops = {
	.idle = on_gate_idle,
	.close = on_gate_close,
};

/* --- done ----------------------------------------------------------------- */

/* Once: it is the same for all connections of a kind. */
static void
tell_kernel(struct worker *w, const struct tls_conn *tls)
{
	bool on = tls_conn_in_kernel(tls);

	if (w->told_kernel_tls)
		return;
	w->told_kernel_tls = true;
	log_info("tls", "sealed by %s", on ? "the kernel" : "the worker");
}

static void
succeed(struct handshake *h)
{
	struct worker *w = h->w;
	bool http2 = tls_conn_is_http2(h->wire.tls);
	struct peer peer;
	struct gate_arrival a = {
		.from = (const struct sockaddr *)&h->from,
		.internal = h->internal,
		.before = &h->client,
		.http2 = http2 ? h->http2 : 0,
	};
	int r;

	a.fd = wire_release(&h->wire, &a.tls);
	tell_kernel(w, a.tls);
	count64(&w->cells->handshakes[HANDSHAKE_DONE], 1);
	if (tls_conn_resumed(a.tls))
		count64(&w->cells->handshakes[HANDSHAKE_RESUMED], 1);
	peer_init(&peer, a.from, a.internal);
	peer.secure = true;
	r = http2 ? http2_open(w, &a, &peer, SPAN("")) : http1_open(w, &a);
	if (r < 0)
		gate_leave(&w->gate, &h->client);
	leave_room(h);
}

/* --- without TLS ---------------------------------------------------------- */

static void
refuse(struct handshake *h)
{
	struct worker *w = h->w;
	char id[WORKER_ID];
	struct compose_problem p = {
		.status = 400,
		.fault = FAULT_BAD_REQUEST,
		.detail = "this port speaks HTTPS",
		.id = { id, sizeof(id) },
		.close = true,
	};
	struct iovec iov = { w->heads, 0 };
	struct tls_conn *none;
	int fd = wire_release(&h->wire, &none);

	/* It has read nothing yet: the wire goes on without it. */
	tls_conn_free(none);
	h->wire.fd = fd;
	h->refused = true;
	worker_id(w, id);
	iov.iov_len = compose_problem(&p, w->heads, WORKER_HEADS);
	count64(&w->cells->bad_requests, 1);
	count64(&w->cells->handshakes[HANDSHAKE_PLAIN], 1);
	if (wire_send(&h->wire, &iov, 1) < 0 || wire_shut(&h->wire) < 0 ||
	    wire_read(&h->wire, true) < 0)
		handshake_close(h);
	else
		deadline_set(&w->deadlines, &h->dl, w->linger_kind);
}

static void
discard(struct handshake *h)
{
	ssize_t n = wire_recv(&h->wire, h->w->scratch, WORKER_PIECE);

	if (n == -EAGAIN)
		return;
	if (n > 0)
		h->lingered += (size_t)n;
	if (n <= 0 || h->lingered > HANDSHAKE_LINGER_MAX)
		handshake_close(h);
}

/* Look at the first byte. False: it was dealt with, or there is none yet. */
static bool
begins(struct handshake *h)
{
	unsigned char first;
	ssize_t n = recv(h->wire.fd, &first, 1, MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == 1 && first >= 'A' && first <= 'Z') {
		refuse(h);
		return false;
	}
	h->begun = n == 1 && first == TLS_HANDSHAKE;
	return true;
}

/* --- on its way ----------------------------------------------------------- */

static void
step(struct handshake *h)
{
	int r = tls_conn_handshake(h->wire.tls);

	if (r == 0)
		succeed(h);
	else if (r != -EAGAIN && r != -EINPROGRESS)
		fail(h,
		    HANDSHAKE_CLOSED +
			(enum scoreboard_handshake)tls_conn_failure(
			    h->wire.tls));
	else if (wire_write(&h->wire, r == -EINPROGRESS) < 0)
		fail(h, HANDSHAKE_MEMORY);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct handshake *h = arg;

	(void)fd;
	(void)what;
	if (h->wire.fd == -1)
		return;
	worker_tick(h->w);
	if (h->refused)
		discard(h);
	else if (h->begun || begins(h))
		step(h);
}

static void
on_deadline(void *arg)
{
	fail(arg, HANDSHAKE_TIMEOUT);
}

/* --- arriving ------------------------------------------------------------- */

static void
make_room(struct worker *w, unsigned most)
{
	struct handshake *oldest;

	if (w->handshakes.n < most)
		return;
	oldest = LIST_FIRST(&w->handshakes.all, struct handshake, link);
	fail(oldest, HANDSHAKE_CROWDED);
}

static struct handshake *
handshake_new(struct worker *w, const struct gate_arrival *a)
{
	struct handshake *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->w = w;
	h->client.ops = &client_ops;
	h->client.owner = h;
	h->internal = a->internal;
	h->http2 = a->http2;
	h->dl.fn = on_deadline;
	h->dl.arg = h;
	memcpy(&h->from, a->from, sizeof(h->from));
	return h;
}

int
handshake_open(struct worker *w, const struct gate_arrival *a,
    const struct table_listener *l)
{
	struct tls_conn *tls = tls_conn_new(l->tls, a->fd);
	struct handshake *h = handshake_new(w, a);
	int fd = a->fd;

	make_room(w, l->handshakes);
	if (h == NULL || tls == NULL) {
		tls_conn_free(tls);
		free(h);
		fd_close(&fd);
		count64(&w->cells->handshakes[HANDSHAKE_MEMORY], 1);
		return -ENOMEM;
	}
	wire_open(&h->wire, w->base, fd, on_event, on_event, h, &w->memory);
	wire_secure(&h->wire, tls);
	if (wire_read(&h->wire, true) < 0) {
		wire_close(&h->wire);
		free(h);
		return -ENOMEM;
	}
	gate_enter(&w->gate, &h->client, a);
	list_push(&w->handshakes.all, &h->link);
	w->handshakes.n++;
	deadline_set(&w->deadlines, &h->dl, l->handshake_kind);
	return 0;
}
