/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "control/strangers.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "control/workers.h"
#include "link/worker_msg.h"
#include "proc/packet.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define SAY_EVERY_MS 1000

/* --- who they are --------------------------------------------------------- */

static pid_t
pid_of(int fd)
{
	pid_t pid;
	uid_t uid;

	return packet_peer(fd, &pid, &uid) < 0 ? -1 : pid;
}

static struct worker *
worker_of(struct control *c, pid_t pid)
{
	for (unsigned i = 0; i < c->workers.n; i++)
		if (pid > 0 && c->workers.all[i].pid == pid)
			return &c->workers.all[i];
	return NULL;
}

/* One was ordered, and the keeper is yet to tell its pid. */
static bool
one_is_awaited(const struct control *c)
{
	for (unsigned i = 0; i < c->workers.n; i++)
		if (c->workers.all[i].child != 0 && c->workers.all[i].pid == 0)
			return true;
	return false;
}

static bool
may_be_ours(struct control *c, pid_t pid)
{
	return worker_of(c, pid) != NULL || one_is_awaited(c);
}

static void
complain(struct control *c, pid_t pid, const char *why)
{
	uint64_t now = loop_now(c->loop);

	c->workers.hung_up_on++;
	if (c->workers.said != 0 && now - c->workers.said < SAY_EVERY_MS)
		return;
	log_warn("control.sock", "hung up on a stranger: %s pid=%d others=%u",
	    why, (int)pid, c->workers.hung_up_on - 1);
	c->workers.said = now;
	c->workers.hung_up_on = 0;
}

/* --- one of them ---------------------------------------------------------- */

static void
on_free(void *arg)
{
	free(arg);
}

/* Its descriptor stays open. */
static int
let_go(struct stranger *s)
{
	int fd = s->io.fd;

	list_remove(&s->link);
	loop_io_done(&s->io);
	loop_defer(s->control->loop, &s->later, on_free, s);
	return fd;
}

static void
send_away(struct stranger *s, const char *why)
{
	struct control *c = s->control;
	int fd = let_go(s);

	complain(c, pid_of(fd), why);
	fd_close(&fd);
}

static void
on_io(void *arg, unsigned what)
{
	struct stranger *s = arg;
	struct control *c = s->control;
	struct worker *w = worker_of(c, pid_of(s->io.fd));
	struct worker_msg m = { 0 };
	int fds[WORKER_MSG_FDS], r;
	unsigned nfds = 0;
	struct err err = { "" };

	(void)what;
	if (w == NULL && one_is_awaited(c)) {
		(void)loop_io_want(&s->io, 0);
		return;
	}
	r = worker_msg_recv(s->io.fd, &m, fds, &nfds, &err);
	if (r == -EAGAIN)
		return;
	for (unsigned i = 0; i < nfds; i++)
		fd_close(&fds[i]);
	if (r > 0 && w != NULL && m.type == WORKER_HELLO && m.index == w->n)
		workers_welcome(w, let_go(s), &m);
	else
		send_away(s,
		    err.text[0] != '\0' ? err.text : "not one of our workers");
}

/* --- all of them ---------------------------------------------------------- */

static void
make_room(struct control *c)
{
	unsigned n = 0;

	LIST_EACH (s, &c->workers.strangers, struct stranger, link)
		n++;
	if (n >= STRANGERS_MAX)
		send_away(
		    LIST_FIRST(&c->workers.strangers, struct stranger, link),
		    "too many that say nothing");
}

void
strangers_accept(void *arg, unsigned what)
{
	struct control *c = arg;
	int fd = accept4(
	    c->workers.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct stranger *s;

	(void)what;
	if (fd < 0)
		return;
	if (!may_be_ours(c, pid_of(fd))) {
		complain(c, pid_of(fd), "not one of our workers");
		fd_close(&fd);
		return;
	}
	make_room(c);
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		fd_close(&fd);
		return;
	}
	s->control = c;
	list_push(&c->workers.strangers, &s->link);
	loop_io_init(&s->io, c->loop, fd, on_io, s);
	if (loop_io_want(&s->io, LOOP_READ) < 0)
		send_away(s, "no memory");
}

void
strangers_look(struct control *c)
{
	LIST_EACH_SAFE (s, &c->workers.strangers, struct stranger, link) {
		if (!may_be_ours(c, pid_of(s->io.fd)))
			send_away(s, "not one of our workers");
		else if (loop_io_want(&s->io, LOOP_READ) < 0)
			send_away(s, "no memory");
	}
}

void
strangers_close(struct control *c)
{
	LIST_EACH_SAFE (s, &c->workers.strangers, struct stranger, link) {
		int fd = let_go(s);

		fd_close(&fd);
	}
}
