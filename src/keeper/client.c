/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#define LOG_SUBSYSTEM "keeper"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "keeper/state.h"

#define CLIENTS_MAX 8u
#define QUEUE_MAX (8u << 20)   /* then it is given up: it does not read */
#define LINES_MAX (512u << 10) /* then followed lines are dropped */
#define OUT_KEPT (16u << 10)

struct client {
	struct link link;
	struct keeper *keeper;
	struct packet_conn conn;
	struct loop_later free;
	pid_t pid;
	uint32_t version; /* 0 until its hello */
};

/* --- talking -------------------------------------------------------------- */

static void
free_later(void *arg)
{
	free(arg);
}

static void
client_drop(struct client *cl)
{
	struct keeper *k = cl->keeper;

	packet_done(&cl->conn);
	list_remove(&cl->link);
	if (k->current == cl) {
		k->current = NULL;
		output_unfollow(&k->output);
	}
	loop_defer(k->loop, &cl->free, free_later, cl);
}

static void
client_send(struct client *cl, const struct keeper_msg *m, int fd)
{
	struct keeper *k = cl->keeper;
	int r = keeper_msg_encode(
	    m, cl->version > 0 ? cl->version : KEEPER_MSG_VERSION, &k->out);

	if (r == 0)
		r = packet_send(
		    &cl->conn, k->out.data, k->out.len, &fd, fd >= 0);
	if (k->out.cap > OUT_KEPT)
		buf_done(&k->out);
	if (r == 0 || cl->conn.fd < 0)
		return;
	log_warn("client", "given up: %s pid=%d", strerror(-r), (int)cl->pid);
	client_drop(cl);
}

void
client_tell(struct keeper *k, const struct keeper_msg *m, int fd)
{
	if (k->current != NULL)
		client_send(k->current, m, fd);
}

bool
client_is_behind(const struct keeper *k)
{
	return k->current != NULL && k->current->conn.queued > 0;
}

bool
client_keeps_up(const struct keeper *k)
{
	return k->current != NULL && k->current->conn.queued < LINES_MAX;
}

/* --- the store of descriptors --------------------------------------------- */

static struct kept_fd *
find_fd(struct keeper *k, const char *name)
{
	LIST_EACH (f, &k->fds, struct kept_fd, link)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static void
drop_fd(struct keeper *k, struct kept_fd *f)
{
	if (f == NULL)
		return;
	list_remove(&f->link);
	k->nfds--;
	fd_close(&f->fd);
	free(f);
}

void
fds_free(struct keeper *k)
{
	LIST_EACH_SAFE (f, &k->fds, struct kept_fd, link)
		drop_fd(k, f);
}

int
fds_put(struct keeper *k, const char *name, int *fd)
{
	struct kept_fd *f;

	if (*fd < 0)
		return -EBADF;
	drop_fd(k, find_fd(k, name));
	if (k->nfds >= KEEPER_FDS_MAX)
		return -ENOSPC;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	if (str_copy(f->name, sizeof(f->name), span_of(name)) < 0) {
		free(f);
		return -ENAMETOOLONG;
	}
	f->fd = *fd;
	*fd = -1;
	list_push(&k->fds, &f->link);
	k->nfds++;
	return 0;
}

/* --- the manifest --------------------------------------------------------- */

struct keeper_msg
client_child(const struct child *c)
{
	return (struct keeper_msg){
		.type = KEEPER_MSG_CHILD,
		.id = c->id,
		.pid = c->process.pid,
		.started_ms = c->started_ms,
		.text = c->slot->name,
		.note = { c->note, c->note_len },
		.exited = !c->alive,
		.exit = c->exit,
		.bytes = { c->tail, c->tail_len },
		.number = c->missing,
	};
}

struct keeper_msg
client_ready(const struct keeper *k)
{
	return (struct keeper_msg){
		.type = KEEPER_MSG_READY,
		.id = k->last_id,
		.pid = getpid(),
		.text = k->incarnation,
		.host = k->host,
	};
}

static void
tell_manifest(struct client *cl)
{
	struct keeper *k = cl->keeper;
	const struct keeper_msg ready = client_ready(k);

	LIST_EACH (c, &k->children, struct child, link) {
		const struct keeper_msg m = client_child(c);

		client_send(cl, &m, -1);
	}
	LIST_EACH (f, &k->fds, struct kept_fd, link) {
		const struct keeper_msg m = { .type = KEEPER_MSG_FD,
			.text = f->name };

		client_send(cl, &m, f->fd);
	}
	client_send(cl, &ready, -1);
}

static void
greet(struct client *cl, const struct keeper_msg *m)
{
	struct keeper *k = cl->keeper;
	struct err err;
	int version = keeper_msg_agree(
	    KEEPER_MSG_VERSION, KEEPER_MSG_OLDEST, m->version, m->oldest, &err);

	if (version < 0) {
		const struct keeper_msg no = { .type = KEEPER_MSG_REFUSED,
			.text = err.text };

		log_warn(
		    "client", "refused: %s pid=%d", err.text, (int)cl->pid);
		client_send(cl, &no, -1);
		if (cl->conn.fd >= 0)
			client_drop(cl);
		return;
	}
	if (k->current != NULL)
		client_drop(k->current);
	const struct keeper_msg yes = { .type = KEEPER_MSG_HELLO,
		.version = (uint32_t)version,
		.oldest = (uint32_t)version };

	cl->version = (uint32_t)version;
	k->current = cl;
	client_send(cl, &yes, -1);
	tell_manifest(cl);
}

/* --- orders --------------------------------------------------------------- */

static void
tell_tail(struct keeper *k, const struct keeper_msg *m)
{
	const struct slot *s = slot_find(&k->output, m->text);
	const struct keeper_msg answer = { .type = KEEPER_MSG_LINES,
		.id = m->id,
		.text = m->text,
		.bytes = s == NULL ? (struct span){ NULL, 0 }
				   : slot_tail(s, m->number) };

	client_tell(k, &answer, -1);
}

static void
order_child(struct keeper *k, const struct keeper_msg *m)
{
	struct child *c = child_find(k, m->id);

	if (c == NULL)
		return; /* it has gone meanwhile; the exit tells */
	if (m->type == KEEPER_MSG_SIGNAL)
		child_signal(c, (int)m->number, m->flag);
	else if (m->type == KEEPER_MSG_FORGET && !c->alive)
		child_free(c);
	else if (m->type == KEEPER_MSG_NOTE && child_note(c, m->note) < 0)
		log_warn(c->slot->name, "no memory for a note");
}

static void
order_store(struct keeper *k, const struct keeper_msg *m, int *fd)
{
	int r;

	if (m->type == KEEPER_MSG_DROP_FD)
		drop_fd(k, find_fd(k, m->text));
	else if ((r = fds_put(k, m->text, fd)) < 0)
		log_warn(m->text, "cannot keep a descriptor: %s", strerror(-r));
}

static void
order_logs(struct keeper *k, const struct keeper_msg *m)
{
	int r = logs_set(&k->output.logs, m->text, m->size, m->files, m->flag);

	if (r < 0)
		log_warn("logs", "folder=%s: %s",
		    m->text != NULL ? m->text : "-", strerror(-r));
}

static void
obey(struct keeper *k, const struct keeper_msg *m, int *fds, unsigned nfds)
{
	int none = -1;

	switch (m->type) {
	case KEEPER_MSG_SPAWN:
		child_spawn(k, &m->spec, fds, nfds);
		break;
	case KEEPER_MSG_NOTE:
	case KEEPER_MSG_SIGNAL:
	case KEEPER_MSG_FORGET:
		order_child(k, m);
		break;
	case KEEPER_MSG_PUT_FD:
	case KEEPER_MSG_DROP_FD:
		order_store(k, m, nfds > 0 ? &fds[0] : &none);
		break;
	case KEEPER_MSG_SHUTDOWN:
		keeper_stop(k);
		break;
	case KEEPER_MSG_SET_LOGS:
		order_logs(k, m);
		break;
	case KEEPER_MSG_UPGRADE:
		upgrade_begin(k, m);
		break;
	case KEEPER_MSG_TAIL:
		tell_tail(k, m);
		break;
	case KEEPER_MSG_FOLLOW:
		output_follow(&k->output, m->text, m->flag);
		break;
	default:
		log_warn("client", "sent message %d", (int)m->type);
		break;
	}
}

static void
on_message(void *arg, const void *data, size_t n, int *fds, unsigned nfds)
{
	static struct keeper_msg m; /* large, and never two at once */
	struct client *cl = arg;
	struct err err;

	if (keeper_msg_decode(&m, data, n, &err) < 0) {
		log_warn("client", "%s pid=%d", err.text, (int)cl->pid);
		client_drop(cl);
	} else if (m.type == KEEPER_MSG_HELLO && cl->version == 0)
		greet(cl, &m);
	else if (cl == cl->keeper->current)
		obey(cl->keeper, &m, fds, nfds);
	else
		client_drop(cl); /* orders before its hello */
	for (unsigned i = 0; i < nfds; i++)
		fd_close(&fds[i]);
}

static void
on_closed(void *arg, int error)
{
	(void)error;
	client_drop(arg);
}

/* --- the door ------------------------------------------------------------- */

static const struct packet_ops client_ops = {
	.message = on_message,
	.closed = on_closed,
};

static bool
may_enter(const struct keeper *k, int fd, pid_t *pid)
{
	uid_t uid;

	if (packet_peer(fd, pid, &uid) < 0)
		return false;
	if (uid == 0 || uid == geteuid() ||
	    (k->control_uid != (uid_t)-1 && uid == k->control_uid))
		return true;
	log_warn("client", "refused: uid=%u pid=%d", uid, (int)*pid);
	return false;
}

/* Those who never say hello make room for those who might. */
static void
make_room(struct keeper *k)
{
	unsigned n = 0;
	struct client *oldest = NULL;

	LIST_EACH (cl, &k->clients, struct client, link) {
		n++;
		if (oldest == NULL && cl != k->current)
			oldest = cl;
	}
	if (n >= CLIENTS_MAX && oldest != NULL)
		client_drop(oldest);
}

/* fd is the client's, also on failure: NULL. */
static struct client *
client_new(struct keeper *k, int fd, pid_t pid)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL) {
		fd_close(&fd);
		return NULL;
	}
	cl->keeper = k;
	cl->pid = pid;
	if (packet_init(&cl->conn, k->loop, fd, QUEUE_MAX, &client_ops, cl) <
	    0) {
		free(cl);
		return NULL;
	}
	list_push(&k->clients, &cl->link);
	return cl;
}

static void
admit(struct keeper *k, int fd)
{
	pid_t pid;

	if (!may_enter(k, fd, &pid)) {
		fd_close(&fd);
		return;
	}
	make_room(k);
	(void)client_new(k, fd, pid);
}

int
client_fd(const struct keeper *k, uint32_t *version, int32_t *pid)
{
	const struct client *cl = k->current;

	*version = cl == NULL ? 0 : cl->version;
	*pid = cl == NULL ? 0 : cl->pid;
	return cl == NULL ? -1 : cl->conn.fd;
}

int
client_resume(struct keeper *k, int fd, uint32_t version, pid_t pid)
{
	struct client *cl;

	if (fd < 0)
		return 0;
	cl = client_new(k, fd, pid);
	if (cl == NULL)
		return -ENOMEM;
	cl->version = version;
	k->current = cl;
	return 0;
}

static void
on_accept(void *arg, unsigned what)
{
	struct keeper *k = arg;
	int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd >= 0)
		admit(k, fd);
}

int
clients_listen(struct keeper *k, const char *path, struct err *err)
{
	k->listener = packet_listen(path, 0600, err);
	if (k->listener < 0)
		return k->listener;
	if (k->control_uid != (uid_t)-1 &&
	    chown(path, k->control_uid, (gid_t)-1) < 0)
		return err_errno(err, -errno, "cannot give away %s", path);
	return clients_accept(k) < 0 ? err_errno(err, -ENOMEM, "%s", path) : 0;
}

int
clients_accept(struct keeper *k)
{
	loop_io_init(&k->accept, k->loop, k->listener, on_accept, k);
	return loop_io_want(&k->accept, LOOP_READ);
}

void
clients_close(struct keeper *k)
{
	loop_io_done(&k->accept);
	fd_close(&k->listener);
	LIST_EACH_SAFE (cl, &k->clients, struct client, link)
		client_drop(cl);
	buf_done(&k->out);
}
