/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE /* struct ucred, accept4() */

#include "control/workers.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "control/cells.h"
#include "control/event.h"
#include "control/folders.h"
#include "control/listeners.h"
#include "control/publish.h"
#include "control/records.h"
#include "control/replica.h"
#include "control/scaling.h"
#include "control/strangers.h"
#include "control/upgrade.h"
#include "link/address.h"
#include "link/worker_msg.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define SPARE_MIN 8 /* places for those that drain, at least */
#define BOARD_NAME "scoreboard"

/* --- the process ---------------------------------------------------------- */

static void
on_spawn_refused(void *arg)
{
	struct worker *w = arg;

	instance_post(w->in, INSTANCE_EV_SPAWN_FAILED);
}

static int
spawn(struct worker *w)
{
	struct control *c = w->control;
	char path[ADDRESS_MAX], index[8], note[NOTE_MAX];
	const char *argv[] = { c->args.program, "worker", path, index, NULL };
	const char *env[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL };
	struct spawn_spec spec = {
		.id = ++c->last_child,
		.slot = w->slot,
		.log = "proxy",
		.argv = argv,
		.env = env,
		.directory = "/",
		.no_new_privs = true,
		.drop_capabilities = true,
		.umask = 0077,
		.rank = SPAWN_WORKER,
		.stop_signal = SIGTERM,
		.stop_timeout_ms = (uint32_t)workers_policy.stop_ms,
		.note = note,
	};
	int n;

	w->epoch = c->upgrade.epoch;
	n = note_worker(w, note, sizeof(note));
	if (n < 0)
		return n;
	spec.note_len = (size_t)n;
	snprintf(path, sizeof(path), "%s/control.sock", c->conf->dirs.runtime);
	snprintf(index, sizeof(index), "%u", w->n);
	folders_worker_identity(c->conf, &spec.uid, &spec.gid);
	w->child = spec.id;
	return herd_spawn(c->herd, &spec, NULL);
}

static void
op_spawn(void *owner, struct instance *in)
{
	struct worker *w = owner;

	if (instance_crashes(in) > 0)
		w->restarts++;
	if (spawn(w) < 0)
		loop_defer(w->control->loop, &w->later, on_spawn_refused, w);
}

static void
op_term(void *owner, struct instance *in)
{
	struct worker *w = owner;

	(void)in;
	(void)herd_signal(w->control->herd, w->child, SIGTERM, false);
}

static void
op_kill(void *owner, struct instance *in)
{
	struct worker *w = owner;

	(void)in;
	(void)herd_signal(w->control->herd, w->child, SIGKILL, true);
}

static void
op_arm(void *owner, struct instance *in, uint64_t ms)
{
	struct worker *w = owner;

	(void)in;
	if (ms == UINT64_MAX)
		loop_timer_disarm(&w->deadline);
	else
		loop_timer_arm(&w->deadline, ms);
}

static void
op_changed(void *owner, struct instance *in, enum instance_state from)
{
	struct worker *w = owner;
	uint64_t now = loop_now(w->control->loop);
	const struct event_note note = {
		.type = "worker",
		.instance = w->slot,
		.from = instance_state_name(from),
		.to = instance_state_name(instance_state(in)),
		.ms = now - w->since,
	};

	w->since = now;
	event_post(w->control, &note);
	upgrade_soon(w->control);
}

static const struct instance_ops ops = {
	.spawn = op_spawn,
	.term = op_term,
	.kill = op_kill,
	.arm = op_arm,
	.changed = op_changed,
};

static void
on_deadline(void *arg)
{
	struct worker *w = arg;

	instance_post(w->in, INSTANCE_EV_DEADLINE);
}

struct worker *
workers_by_child(struct control *c, uint64_t child)
{
	for (unsigned i = 0; i < c->workers.n; i++)
		if (child != 0 && c->workers.all[i].child == child)
			return &c->workers.all[i];
	return NULL;
}

void
workers_spawned(struct worker *w, pid_t pid)
{
	w->pid = pid;
	strangers_look(w->control);
}

/* It holds nothing any more: drains need not wait for it. */
static void
forget_process(struct worker *w)
{
	struct control *c = w->control;

	workers_hang_up(w);
	scoreboard_reset_worker(c->workers.board, w->n);
	(void)herd_forget(c->herd, w->child);
	w->child = 0;
	w->pid = 0;
	w->applied = UINT64_MAX;
	w->refused[0] = '\0';
	cells_sweep(c);
	strangers_look(c);
}

void
workers_exited(struct worker *w, const struct spawn_exit *exit)
{
	char why[64];

	if (!w->leaving)
		log_warn(w->slot, "worker exited: %s",
		    replica_exit_text(exit, why, sizeof(why)));
	forget_process(w);
	instance_post(w->in, INSTANCE_EV_EXITED);
}

void
workers_spawn_failed(struct worker *w, int error, const char *stage)
{
	log_error(w->slot, "cannot start: %s: %s", stage, strerror(-error));
	forget_process(w);
	instance_post(w->in, INSTANCE_EV_SPAWN_FAILED);
}

/* --- what they say -------------------------------------------------------- */

void
workers_hang_up(struct worker *w)
{
	int fd = w->io.fd;

	if (fd < 0)
		return;
	loop_io_done(&w->io);
	fd_close(&fd);
}

static void
on_message(struct worker *w, const struct worker_msg *m)
{
	struct control *c = w->control;

	switch (m->type) {
	case WORKER_ACK:
		w->applied = m->generation;
		w->refused[0] = '\0';
		if (instance_state(w->in) != INSTANCE_READY)
			instance_post(w->in, INSTANCE_EV_PASSED);
		cells_sweep(c);
		break;
	case WORKER_REFUSED:
		log_error(w->slot, "refused generation %llu: %s",
		    (unsigned long long)m->generation, m->text);
		snprintf(w->refused, sizeof(w->refused), "generation %llu: %s",
		    (unsigned long long)m->generation, m->text);
		break;
	case WORKER_ENDPOINT_DOWN:
		log_debug(w->slot, "endpoint cell %u refused: %s", m->cell,
		    strerror(m->error));
		break;
	case WORKER_WAKE:
		scaling_wake_cell(c, m->cell);
		break;
	default:
		log_error(w->slot, "unexpected message %d", (int)m->type);
		workers_hang_up(w);
	}
}

static void
on_worker_io(void *arg, unsigned what)
{
	struct worker *w = arg;
	struct worker_msg m;
	int fds[WORKER_MSG_FDS];

	(void)what;
	while (w->io.fd >= 0) {
		unsigned nfds = 0;
		struct err err = { "" };
		int r = worker_msg_recv(w->io.fd, &m, fds, &nfds, &err);

		if (r == -EAGAIN)
			return;
		for (unsigned i = 0; i < nfds; i++)
			fd_close(&fds[i]);
		if (r == -EBADMSG || r == -EPROTO)
			log_error(w->slot, "hung up: %s", err.text);
		if (r <= 0)
			workers_hang_up(w);
		else
			on_message(w, &m);
	}
}

void
workers_welcome(struct worker *w, int fd, const struct worker_msg *hello)
{
	struct control *c = w->control;
	const struct worker_msg m = {
		.type = WORKER_WELCOME,
		.version = hello->version,
		.index = w->n,
	};

	workers_hang_up(w);
	loop_io_init(&w->io, c->loop, fd, on_worker_io, w);
	if (loop_io_want(&w->io, LOOP_READ) < 0) {
		workers_hang_up(w);
		return;
	}
	if (hello->generation > 0)
		w->applied = hello->generation;
	publish_seen(c, hello->generation);
	if (worker_msg_send(w->io.fd, &m, &c->workers.board_fd, 1) < 0 ||
	    records_send(c, w, hello) < 0 || listeners_send(c, w) < 0) {
		workers_hang_up(w);
		return;
	}
	if (hello->generation < c->publish.generation)
		publish_send(c, w); /* else a newer one is on its way */
}

/* --- open and close ------------------------------------------------------- */

static int
listen_for_workers(struct control *c, struct err *err)
{
	struct address a;
	char text[ADDRESS_MAX];
	int r;

	snprintf(
	    text, sizeof(text), "unix:%s/control.sock", c->conf->dirs.runtime);
	r = address_parse(&a, text);
	if (r < 0)
		return err_errno(err, r, "%s", text);
	unlink(a.u.un.sun_path);
	c->workers.listen_fd = socket(
	    AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->workers.listen_fd < 0)
		return err_errno(err, -errno, "socket");
	if (bind(c->workers.listen_fd, &a.u.sa, a.len) < 0 ||
	    chmod(a.u.un.sun_path, 0666) < 0 ||
	    listen(c->workers.listen_fd, SCOREBOARD_WORKERS) < 0)
		return err_errno(err, -errno, "cannot listen on %s", text);
	loop_io_init(&c->workers.accept, c->loop, c->workers.listen_fd,
	    strangers_accept, c);
	return loop_io_want(&c->workers.accept, LOOP_READ);
}

/* Generations go on above what was published, and what a worker applied. */
int
workers_adopt_board(struct control *c, int fd, struct err *err)
{
	int r = scoreboard_attach(&c->workers.board, fd, err);
	struct scoreboard_worker_view v;

	if (r < 0)
		return r;
	c->workers.board_fd = fd;
	publish_seen(c, scoreboard_published(c->workers.board));
	for (unsigned i = 0; i < SCOREBOARD_WORKERS; i++)
		if (scoreboard_worker_view(c->workers.board, i, &v))
			publish_seen(c, v.generation);
	return 0;
}

static int
open_board(struct control *c, struct err *err)
{
	int r;

	if (c->workers.board != NULL)
		return 0;
	r = scoreboard_create(&c->workers.board_fd, err);
	if (r == 0)
		r = scoreboard_attach(
		    &c->workers.board, c->workers.board_fd, err);
	if (r == 0)
		r = herd_put_fd(c->herd, BOARD_NAME, c->workers.board_fd);
	return r;
}

static int
make_places(struct control *c, struct err *err)
{
	unsigned lanes = c->conf->workers;

	c->workers.lanes = lanes;
	c->workers.n = lanes + (lanes > SPARE_MIN ? lanes : SPARE_MIN);
	if (c->workers.n > SCOREBOARD_WORKERS)
		c->workers.n = SCOREBOARD_WORKERS;
	c->workers.all = calloc(c->workers.n, sizeof(*c->workers.all));
	if (c->workers.all == NULL)
		return err_errno(err, -ENOMEM, "workers");
	for (unsigned i = 0; i < c->workers.n; i++) {
		struct worker *w = &c->workers.all[i];

		w->control = c;
		w->n = i;
		w->lane = i;
		w->policy = workers_policy;
		w->io.fd = -1;
		w->applied = UINT64_MAX;
		w->since = loop_now(c->loop);
		snprintf(w->slot, sizeof(w->slot), "proxy.%u", i);
		loop_timer_init(&w->deadline, c->loop, on_deadline, w);
		w->in = instance_new(&w->policy, &ops, w, &c->rng);
		if (w->in == NULL)
			return err_errno(err, -ENOMEM, "workers");
	}
	return 0;
}

int
workers_open(struct control *c, struct err *err)
{
	int r = open_board(c, err);

	if (r == 0)
		r = records_open(c, err);
	if (r == 0)
		r = make_places(c, err);
	if (r == 0)
		r = listen_for_workers(c, err);
	if (r < 0)
		return r;
	beat_begin(c);
	return 0;
}

void
workers_close(struct control *c)
{
	for (unsigned i = 0; i < c->workers.n && c->workers.all; i++) {
		struct worker *w = &c->workers.all[i];

		workers_hang_up(w);
		loop_defer_cancel(&w->later);
		instance_free(w->in);
		loop_timer_done(&w->deadline);
	}
	strangers_close(c);
	loop_io_done(&c->workers.accept);
	fd_close(&c->workers.listen_fd);
	loop_timer_done(&c->workers.beat);
	free(c->workers.all);
	c->workers.all = NULL;
	c->workers.n = 0;
	scoreboard_free(c->workers.board);
	fd_close(&c->workers.board_fd);
	records_close(c);
}
