/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "proxy/gate.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/rand.h"
#include "http/h2.h"
#include "proxy/handshake.h"
#include "proxy/http1.h"
#include "proxy/pipe.h"
#include "proxy/table.h"
#include "proxy/worker.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

/* Of our descriptors, what is not for clients and their upstreams. */
#define RESERVED (128 + 2 * PIPE_MAX)

static bool
transient(int error)
{
	return error == EINTR || error == ECONNABORTED || error == EPROTO ||
	    error == EPERM;
}

/* Whether there are as many from there as there may be. */
static bool
crowded(struct gate *g, const struct gate_arrival *a)
{
	uint32_t max = g->w->limits.connections_per_address;
	unsigned char from[16];

	if (max == 0 || a->internal || !peer_address(a->from, from))
		return false;
	g->arriving = tally_tag(&g->addresses, from, peer_network(from));
	return tally_count(&g->addresses, g->arriving) >= max &&
	    !table_trusts(g->w->table, from);
}

static bool
let_in(struct gate *g, struct gate_arrival *a, const struct table_listener *to)
{
	bool ok = true;

	g->arriving = 0;
	if (!crowded(g, a)) {
		ok = (to->tls == NULL ? http1_open(g->w, a)
				      : handshake_open(g->w, a, to)) == 0;
	} else {
		count64(&g->w->cells->rejected, 1);
		worker_hit(g->w, LIMIT_CONNECTIONS_PER_ADDRESS);
		fd_close(&a->fd);
	}
	return ok;
}

/* The streams of HTTP/2, where it may be spoken; else 0. */
static uint16_t
http2_of(const struct table_listener *to)
{
	uint32_t flags = to->conf->flags;
	bool may = to->tls != NULL
	    ? !(flags & SNAPSHOT_LISTENER_HTTP2_NEVER)
	    : (flags & SNAPSHOT_LISTENER_HTTP2_ALWAYS) != 0;

	if (!may)
		return 0;
	return to->conf->http2_streams != 0 ? (uint16_t)to->conf->http2_streams
					    : H2_STREAMS;
}

/* False: enough for this turn. */
static bool
accept_one(
    struct gate *g, struct gate_listener *l, const struct table_listener *to)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct gate_arrival a = {
		.fd = accept4(l->fd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC),
		.from = (const struct sockaddr *)&ss,
		.internal = to->internal,
		.http2 = http2_of(to),
	};

	if (a.fd >= 0)
		return let_in(g, &a, to);
	if (transient(errno))
		return true;
	if (errno != EAGAIN) {
		log_warn("gate", "cannot accept error=\"%s\"", strerror(errno));
		g->full = true;
		gate_update(g);
		loop_timer_arm(&g->pause, GATE_PAUSE_MS);
	}
	return false;
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct gate_listener *l = arg;
	struct gate *g = &l->w->gate;
	const struct table_listener *to = secure_find(g->w->table, l->id);

	(void)fd;
	(void)what;
	worker_tick(g->w);
	relief_step(&g->w->relief);
	for (int i = 0; i < GATE_BATCH && l->open && to != NULL; i++)
		if (!accept_one(g, l, to))
			break;
}

static void
on_pause(void *arg)
{
	struct gate *g = arg;

	g->full = g->nclients >= g->limit;
	gate_update(g);
}

static unsigned
descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return 1024;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur < 4 * RESERVED)
		return RESERVED;
	/* A client may have an upstream at its side. */
	rl.rlim_cur = (rl.rlim_cur - RESERVED) / 2;
	return rl.rlim_cur > 1U << 20 ? 1U << 20 : (unsigned)rl.rlim_cur;
}

void
gate_init(struct gate *g, struct worker *w)
{
	struct hash_key key;

	g->w = w;
	g->descriptors = descriptors();
	list_init(&g->clients);
	rand_bytes(&key, sizeof(key));
	tally_init(&g->addresses, &key);
	loop_timer_init(&g->pause, w->loop, on_pause, g);
	g->limit = g->descriptors;
}

static void
close_listeners(struct gate *g)
{
	for (unsigned i = 0; i < g->nlisteners; i++) {
		struct gate_listener *l = &g->listeners[i];

		if (l->open)
			event_del(&l->ev);
		l->open = false;
		fd_close(&l->fd);
	}
	g->nlisteners = 0;
}

void
gate_done(struct gate *g)
{
	close_listeners(g);
	LIST_EACH_SAFE (c, &g->clients, struct gate_client, link)
		c->ops->close(c);
	loop_timer_done(&g->pause);
	tally_done(&g->addresses);
}

/* Accepted sockets inherit it: one call less for each. */
static void
no_delay(int fd)
{
	int on = 1;

	/* A Unix socket knows no such thing, and needs none. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
gate_set(struct gate *g, const uint32_t *ids, const int *fds, unsigned n)
{
	close_listeners(g);
	for (unsigned i = 0; i < n; i++) {
		struct gate_listener *l = &g->listeners[i];

		*l = (struct gate_listener){ .w = g->w, .id = ids[i] };
		l->fd = fds[i];
		if (fd_nonblock(l->fd) < 0)
			log_warn("gate", "listener cannot be non-blocking");
		no_delay(l->fd);
		event_assign(&l->ev, g->w->base, l->fd, EV_READ | EV_PERSIST,
		    on_accept, l);
	}
	g->nlisteners = n;
	gate_update(g);
}

void
gate_limit(struct gate *g, unsigned limit)
{
	g->limit = limit < g->descriptors ? limit : g->descriptors;
	g->full = g->nclients >= g->limit;
	if (g->w->limits.connections_per_address != 0 &&
	    tally_resize(&g->addresses, g->limit) < 0)
		log_warn("gate", "no memory to count each address");
	gate_update(g);
}

void
gate_starve(struct gate *g, bool on)
{
	g->starved = on;
	gate_update(g);
}

/* One that the snapshot does not know is not served: it might be internal. */
static bool
is_served(const struct gate *g, uint32_t id)
{
	const struct table_listener *to = secure_find(g->w->table, id);

	return to != NULL && to->served;
}

void
gate_update(struct gate *g)
{
	for (unsigned i = 0; i < g->nlisteners; i++) {
		struct gate_listener *l = &g->listeners[i];
		bool want = g->w->table != NULL && !g->closed && !g->full &&
		    !g->starved && is_served(g, l->id);

		if (want && !l->open)
			l->open = event_add(&l->ev, NULL) == 0;
		else if (!want && l->open)
			l->open = event_del(&l->ev) < 0;
	}
}

void
gate_close(struct gate *g)
{
	g->closed = true;
	close_listeners(g);
}

void
gate_enter(
    struct gate *g, struct gate_client *client, const struct gate_arrival *a)
{
	struct scoreboard_worker *c = g->w->cells;

	if (a->before != NULL) {
		client->tag = a->before->tag;
		list_push(&g->clients, &client->link);
		list_remove(&a->before->link);
		return;
	}

	client->tag = g->arriving;
	g->arriving = 0;
	if (client->tag != 0 && tally_add(&g->addresses, client->tag) < 0)
		client->tag = 0;
	list_push(&g->clients, &client->link);
	g->nclients++;
	count64(&c->accepted, 1);
	count64(&c->connections, 1);
	if (g->nclients >= g->limit) {
		worker_hit(g->w, LIMIT_CONNECTIONS);
		g->full = true;
		gate_update(g);
	}
}

void
gate_leave(struct gate *g, struct gate_client *client)
{
	list_remove(&client->link);
	if (client->tag != 0)
		tally_remove(&g->addresses, client->tag);
	g->nclients--;
	count64(&g->w->cells->connections, (uint64_t)-1);
	if (g->full && g->nclients <= g->limit - g->limit / 16 &&
	    !loop_timer_armed(&g->pause)) {
		g->full = false;
		gate_update(g);
	}
	worker_idle(g->w);
}
