/* SPDX-License-Identifier: ISC */

#include "proxy/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "proxy/exchange.h"
#include "proxy/worker.h"

#define CAREFUL_MS 1000

static void
free_later(void *arg)
{
	free(arg);
}

void
upstream_close(struct upstream *up)
{
	struct worker *w = up->ep->w;

	if (up->x == NULL)
		up->ep->nidle--;
	list_remove(&up->link);
	deadline_clear(&up->dl);
	wire_close(&up->wire);
	buf_done(&up->in);
	count64(&w->cells->upstreams, (uint64_t)-1);
	w->memory.held -= sizeof(*up);
	endpoint_unref(up->ep);
	loop_defer(w->loop, &up->later, free_later, up);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *up = arg;

	(void)fd;
	(void)what;
	if (up->wire.fd == -1)
		return;
	/* Idle: it closed, or it speaks without being asked. */
	if (up->x == NULL)
		upstream_close(up);
	else if (!up->connecting)
		exchange_readable(up->x);
}

static void
connected(struct upstream *up)
{
	struct exchange *x = up->x;
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(up->wire.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0 && wire_write(&up->wire, false) < 0)
		error = ENOMEM;
	deadline_clear(&up->dl);
	if (error != 0) {
		exchange_connect_failed(x, error);
		return;
	}
	up->connecting = false;
	exchange_connected(x);
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *up = arg;

	(void)fd;
	(void)what;
	if (up->wire.fd == -1 || up->x == NULL)
		return;
	worker_tick(up->ep->w);
	if (up->connecting)
		connected(up);
	else
		exchange_writable(up->x);
}

static void
on_connect_timeout(void *arg)
{
	struct upstream *up = arg;

	worker_hit(up->ep->w, LIMIT_CONNECT_TIMEOUT);
	exchange_connect_failed(up->x, ETIMEDOUT);
}

static void
on_idle_timeout(void *arg)
{
	struct upstream *up = arg;

	worker_hit(up->ep->w, LIMIT_POOL_TIMEOUT);
	upstream_close(up);
}

static uint64_t
age_ms(const struct upstream *up)
{
	return up->ep->w->now_ms - up->idle_since_ms;
}

/* Whether the endpoint may be closing it this very moment. */
static bool
stale(const struct upstream *up, bool careful)
{
	uint64_t limit = careful ? CAREFUL_MS : up->ep->w->limits.pool_timeout;

	if (up->keep_ms != 0) {
		uint64_t keep = up->keep_ms > 1000 ? up->keep_ms - 1000 : 0;

		if (keep < limit)
			limit = keep;
	}
	return age_ms(up) >= limit;
}

/* It has said something since, or closed, of which no event told yet. */
static bool
spoke(const struct upstream *up)
{
	char c;

	if (!up->bodyless)
		return false;
	return recv(up->wire.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	    errno != EAGAIN;
}

struct upstream *
upstream_reuse(struct endpoint *ep, struct exchange *x, bool careful)
{
	struct upstream *up;

	while ((up = LIST_FIRST(&ep->idle, struct upstream, link)) != NULL) {
		if (stale(up, careful))
			return NULL;
		if (!spoke(up))
			break;
		upstream_close(up);
	}
	if (up == NULL)
		return NULL;
	list_remove(&up->link);
	list_push(&ep->busy, &up->link);
	deadline_clear(&up->dl);
	ep->nidle--;
	up->x = x;
	up->reused = true;
	return up;
}

int
upstream_open(struct upstream **out, struct endpoint *ep, struct exchange *x)
{
	struct upstream *up = calloc(1, sizeof(*up));
	struct worker *w = ep->w;
	bool done = false;
	int fd;

	*out = NULL;
	if (up == NULL)
		return -ENOMEM;
	fd = endpoint_connect(ep, &done);
	if (fd < 0) {
		free(up);
		return fd;
	}
	wire_open(&up->wire, w->base, fd, on_read, on_write, up, &w->memory);
	buf_init_metered(&up->in, WORKER_SCRATCH, &w->memory);
	w->memory.held += sizeof(*up);
	up->ep = endpoint_ref(ep);
	list_push(&ep->busy, &up->link);
	up->x = x;
	up->connecting = !done;
	up->dl.arg = up;
	count32(&ep->count->connects, 1);
	count64(&w->cells->upstreams, 1);
	if (wire_read(&up->wire, true) < 0 ||
	    (!done && wire_write(&up->wire, true) < 0)) {
		upstream_close(up);
		return -ENOMEM;
	}
	if (!done) {
		up->dl.fn = on_connect_timeout;
		deadline_set(&w->deadlines, &up->dl, w->connect_kind);
	}
	*out = up;
	return 0;
}

void
upstream_release(struct upstream *up)
{
	struct endpoint *ep = up->ep;
	struct worker *w = ep->w;

	bool full = ep->nidle >= w->limits.pool;

	if (full)
		worker_hit(w, LIMIT_POOL);
	if (ep->gone || ep->down || w->draining || full ||
	    wire_read(&up->wire, true) < 0) {
		upstream_close(up);
		return;
	}
	list_remove(&up->link);
	up->x = NULL;
	up->idle_since_ms = w->now_ms;
	up->dl.fn = on_idle_timeout;
	list_unshift(&ep->idle, &up->link);
	ep->nidle++;
	deadline_set(&w->deadlines, &up->dl, w->pool_kind);
}
