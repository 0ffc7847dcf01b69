/* SPDX-License-Identifier: ISC */

#include "proxy/orders.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "link/address.h"
#include "proxy/service.h"
#include "proxy/table.h"
#include "proxy/worker.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

#define WAKE_VERSION 3

static void
hang_up(struct orders *o, const char *why)
{
	if (o->fd == -1)
		return;
	log_info("control", "disconnected cause=\"%s\"", why);
	o->speaks = 0;
	loop_io_done(&o->io);
	fd_close(&o->fd);
	loop_timer_arm(&o->retry, ORDERS_RETRY_MS);
}

static void
tell(struct orders *o, const struct worker_msg *m)
{
	int r;

	if (o->fd == -1)
		return;
	r = worker_msg_send(o->fd, m, NULL, 0);
	/* It reads its socket every turn: full is as good as dead. */
	if (r < 0)
		hang_up(o, strerror(-r));
}

static uint64_t
generation(const struct worker *w)
{
	return w->table == NULL ? 0 : w->table->snap->generation;
}

static void
say_hello(struct orders *o)
{
	struct worker *w = o->w;
	struct worker_msg m = {
		.type = WORKER_HELLO,
		.version = WORKER_MSG_VERSION,
		.index = w->index,
		.pid = getpid(),
		.generation = generation(w),
	};

	if (w->cells != NULL) {
		m.requests = atomic_load(&w->cells->requests);
		m.connections = atomic_load(&w->cells->connections);
	}
	tell(o, &m);
}

void
orders_endpoint_down(struct orders *o, uint32_t cell, int error)
{
	struct worker_msg m = {
		.type = WORKER_ENDPOINT_DOWN,
		.generation = generation(o->w),
		.cell = cell,
		.error = error,
	};

	tell(o, &m);
}

bool
orders_wake(struct orders *o, uint32_t cell)
{
	struct worker_msg m = { .type = WORKER_WAKE, .cell = cell };

	if (o->speaks < WAKE_VERSION)
		return false;
	tell(o, &m);
	return o->fd != -1;
}

/* --- what control says ---------------------------------------------------- */

/* What an earlier control was told it may have taken with it. */
static void
wake_again(struct worker *w)
{
	LIST_EACH (s, &w->waiting, struct service, waiting) {
		s->told = false;
		service_call(s);
	}
}

static void
on_welcome(struct orders *o, const struct worker_msg *m, int fd)
{
	struct worker *w = o->w;
	struct err err;

	o->speaks = m->version;
	if (w->sb != NULL) {
		if (m->index != w->index) {
			log_warn("control", "gave us another index: draining");
			worker_drain(w, 0);
		}
		wake_again(w);
		return;
	}
	if (worker_join(w, m->index, fd, &err) < 0) {
		log_error("control", "%s", err.text);
		hang_up(o, "no scoreboard");
	}
}

/* A new control brings the same ones. */
static void
on_records(struct orders *o, int fd)
{
	struct worker *w = o->w;
	struct err err;

	if (w->records == NULL &&
	    record_join(&w->records, fd, w->index, &err) < 0)
		log_error("control", "%s", err.text);
}

static void
acknowledge(struct orders *o, uint64_t number)
{
	struct worker_msg m = { .type = WORKER_ACK, .generation = number };

	tell(o, &m);
}

static void
refuse(struct orders *o, uint64_t number, const struct err *err)
{
	struct worker_msg m = { .type = WORKER_REFUSED, .generation = number };

	log_error("control", "generation %llu refused: %s",
	    (unsigned long long)number, err->text);
	if (str_copy(m.text, sizeof(m.text), span_of(err->text)) < 0)
		memcpy(m.text, err->text, sizeof(m.text) - 1);
	tell(o, &m);
}

static int
apply(struct orders *o, int fd, uint64_t number, struct err *err)
{
	struct worker *w = o->w;
	struct snapshot *s;
	int r;

	if (w->sb == NULL)
		return err_set(err, -EPROTO, "a snapshot before the welcome");
	r = snapshot_read(fd, &s, err);
	if (r < 0)
		return r;
	if (s->generation != number || number < generation(w)) {
		snapshot_free(s);
		return err_set(err, -EPROTO, "generation out of order");
	}
	return table_apply(w, s, err);
}

static void
on_snapshot(struct orders *o, const struct worker_msg *m, int fd)
{
	struct worker *w = o->w;
	struct err err;

	if (apply(o, fd, m->generation, &err) < 0) {
		refuse(o, m->generation, &err);
		return;
	}
	atomic_store(&w->cells->generation, m->generation);
	acknowledge(o, m->generation);
}

/* True: the descriptors have a new owner. */
static bool
obey(
    struct orders *o, const struct worker_msg *m, const int *fds, unsigned nfds)
{
	switch (m->type) {
	case WORKER_WELCOME:
		on_welcome(o, m, fds[0]);
		return false;
	case WORKER_RECORDS:
		on_records(o, fds[0]);
		return false;
	case WORKER_SNAPSHOT:
		on_snapshot(o, m, fds[0]);
		return false;
	case WORKER_LISTENERS:
		if (o->w->gate.closed)
			return false;
		gate_set(&o->w->gate, m->ids, fds, nfds);
		return true;
	case WORKER_DRAIN:
		worker_drain(o->w, m->timeout_ms);
		return false;
	default:
		hang_up(o, "control speaks like a worker");
		return false;
	}
}

static void
on_control(void *arg, unsigned what)
{
	struct orders *o = arg;
	struct worker_msg m;
	int fds[WORKER_MSG_FDS];
	unsigned nfds;
	struct err err = { "" };
	int r;

	(void)what;
	worker_tick(o->w);
	r = worker_msg_recv(o->fd, &m, fds, &nfds, &err);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		hang_up(o,
		    r == 0		      ? "hung up"
			: err.text[0] != '\0' ? err.text
					      : strerror(-r));
		return;
	}
	if (!obey(o, &m, fds, nfds))
		while (nfds > 0)
			fd_close(&fds[--nfds]);
}

/* --- the socket ----------------------------------------------------------- */

static int
open_socket(struct orders *o)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, r;

	r = str_copy(un.sun_path, sizeof(un.sun_path), span_of(o->path));
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		r = -errno;
		fd_close(&fd);
		return r;
	}
	return fd;
}

static void
on_retry(void *arg)
{
	struct orders *o = arg;

	o->fd = open_socket(o);
	if (o->fd < 0) {
		o->fd = -1;
		loop_timer_arm(&o->retry, ORDERS_RETRY_MS);
		return;
	}
	loop_io_init(&o->io, o->w->loop, o->fd, on_control, o);
	if (loop_io_want(&o->io, LOOP_READ) < 0) {
		hang_up(o, "no memory");
		return;
	}
	log_info("control", "connected");
	say_hello(o);
}

void
orders_init(struct orders *o, struct worker *w, const char *path)
{
	o->w = w;
	o->path = path;
	o->fd = -1;
	loop_timer_init(&o->retry, w->loop, on_retry, o);
	loop_timer_arm(&o->retry, 0);
}

void
orders_done(struct orders *o)
{
	if (o->fd != -1)
		loop_io_done(&o->io);
	fd_close(&o->fd);
	loop_timer_done(&o->retry);
}
