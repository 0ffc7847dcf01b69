/* SPDX-License-Identifier: ISC */

#include "control/herd.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "link/keeper_msg.h"
#include "proc/packet.h"

#define QUEUE_MAX (8u << 20)
#define HELLO_MS 5000
#define OUT_KEPT (16u << 10)

_Static_assert(KEEPER_MSG_MAX == PACKET_MAX && KEEPER_MSG_FDS == PACKET_FDS,
    "a message is a packet");

struct herd {
	struct loop *loop;
	struct packet_conn conn;
	const struct herd_ops *ops;
	void *owner;
	struct loop_later free;
	struct buf out; /* a message being written */

	uint32_t version;
	pid_t keeper;
	char incarnation[33];
	uint64_t last_id;
	struct herd_host host;

	uint64_t last_upgrade;
	uint64_t last_tail;
	struct list tails;   /* struct tail, asked and not answered */
	struct list follows; /* struct follow */
};

struct tail {
	struct link link;
	uint64_t id;
	void (*done)(void *arg, const struct herd_line *lines, size_t n);
	void *arg;
};

struct follow {
	struct link link;
	unsigned count;
	char slot[SPAWN_NAME_MAX + 1];
};

static void
tail_free(struct tail *t)
{
	list_remove(&t->link);
	free(t);
}

static void
free_later(void *arg)
{
	free(arg);
}

void
herd_free(struct herd *h)
{
	if (h == NULL)
		return;
	packet_done(&h->conn);
	buf_done(&h->out);
	LIST_EACH_SAFE (t, &h->tails, struct tail, link)
		tail_free(t);
	LIST_EACH_SAFE (f, &h->follows, struct follow, link) {
		list_remove(&f->link);
		free(f);
	}
	/* We may be inside an op: the connection is looked at once more. */
	loop_defer(h->loop, &h->free, free_later, h);
}

static void
lose(struct herd *h, const struct err *why)
{
	packet_done(&h->conn);
	for (struct tail *t;
	     (t = LIST_FIRST(&h->tails, struct tail, link)) != NULL;) {
		struct tail asked = *t;

		tail_free(t);
		asked.done(asked.arg, NULL, 0);
	}
	h->ops->lost(h->owner, why);
}

/* --- what the keeper says ------------------------------------------------- */

static void
take_child(struct herd *h, const struct keeper_msg *m)
{
	const struct herd_child child = {
		.id = m->id,
		.pid = m->pid,
		.slot = m->text,
		.started_wall_ms = m->started_ms,
		.note = m->note.p,
		.note_len = m->note.n,
		.exited = m->exited,
		.exit = m->exit,
		.tail = m->bytes,
		.missing = m->number,
	};

	h->ops->child(h->owner, &child);
}

static void
take_ready(struct herd *h, const struct keeper_msg *m)
{
	h->keeper = m->pid;
	if (m->id > h->last_id)
		h->last_id = m->id;
	if (str_copy(h->incarnation, sizeof(h->incarnation), span_of(m->text)) <
	    0)
		h->incarnation[0] = '\0';
	h->host = (struct herd_host){
		.cgroup_memory = (m->host & KEEPER_HOST_MEMORY) != 0,
		.cgroup_cpu = (m->host & KEEPER_HOST_CPU) != 0,
		.cgroup_pids = (m->host & KEEPER_HOST_PIDS) != 0,
		.namespaces = (m->host & KEEPER_HOST_NAMESPACES) != 0,
		.filters = h->version >= 4,
	};
	h->ops->ready(h->owner);
}

static size_t
count_lines(struct span rest)
{
	struct keeper_line line;
	size_t n = 0;

	while (keeper_line_next(&rest, &line) > 0)
		n++;
	return n;
}

static struct herd_line
line_of(const char *slot, const struct keeper_line *line)
{
	return (struct herd_line){ .slot = slot,
		.at_wall_ms = line->at_ms,
		.stderr_ = line->stderr_,
		.text = line->text };
}

static void
answer_tail(struct herd *h, const struct keeper_msg *m)
{
	size_t n = count_lines(m->bytes), i = 0;
	struct herd_line *lines = NULL;
	struct span rest = m->bytes;
	struct keeper_line line;
	struct tail asked;

	LIST_EACH (t, &h->tails, struct tail, link) {
		if (t->id != m->id)
			continue;
		asked = *t;
		tail_free(t);
		if (n > 0)
			lines = calloc(n, sizeof(*lines));
		while (lines != NULL && i < n &&
		    keeper_line_next(&rest, &line) > 0)
			lines[i++] = line_of(m->text, &line);
		asked.done(asked.arg, lines, i);
		free(lines);
		return;
	}
}

static bool
is_followed(const struct herd *h, const char *slot)
{
	LIST_EACH (f, &h->follows, struct follow, link)
		if (strcmp(f->slot, slot) == 0)
			return true;
	return false;
}

static void
take_lines(struct herd *h, const struct keeper_msg *m)
{
	struct span rest = m->bytes;
	struct keeper_line line;

	if (m->id != 0) {
		answer_tail(h, m);
		return;
	}
	/* line() may hang up, or follow no longer. */
	while (h->conn.fd >= 0 && is_followed(h, m->text) &&
	    keeper_line_next(&rest, &line) > 0) {
		const struct herd_line told = line_of(m->text, &line);

		h->ops->line(h->owner, &told);
	}
}

static void
take(struct herd *h, const struct keeper_msg *m, int *fds, unsigned nfds)
{
	switch (m->type) {
	case KEEPER_MSG_CHILD:
		take_child(h, m);
		break;
	case KEEPER_MSG_FD:
		if (nfds == 1) {
			h->ops->fd(h->owner, m->text, fds[0]);
			fds[0] = -1;
		}
		break;
	case KEEPER_MSG_READY:
		take_ready(h, m);
		break;
	case KEEPER_MSG_SPAWNED:
		h->ops->spawned(h->owner, m->id, m->pid, m->number);
		break;
	case KEEPER_MSG_SPAWN_FAILED:
		h->ops->spawn_failed(h->owner, m->id, -(int)m->number, m->text);
		break;
	case KEEPER_MSG_EXITED:
		h->ops->exited(h->owner, m->id, &m->exit, m->bytes);
		break;
	case KEEPER_MSG_LINES:
		take_lines(h, m);
		break;
	case KEEPER_MSG_UPGRADED:
		if (m->id == h->last_upgrade)
			h->ops->upgraded(h->owner, m->text);
		break;
	default:
		break; /* an order is ours to give: it means nothing here */
	}
}

static void
on_message(void *arg, const void *data, size_t n, int *fds, unsigned nfds)
{
	static struct keeper_msg m; /* large, and never two at once */
	struct herd *h = arg;
	struct err err;

	if (keeper_msg_decode(&m, data, n, &err) < 0)
		lose(h, &err);
	else
		take(h, &m, fds, nfds);
	for (unsigned i = 0; i < nfds; i++)
		fd_close(&fds[i]);
}

static void
on_closed(void *arg, int error)
{
	struct err err;

	if (error == 0)
		err_set(&err, 0, "the keeper hung up");
	else
		err_errno(&err, error, "the keeper");
	lose(arg, &err);
}

static const struct packet_ops conn_ops = {
	.message = on_message,
	.closed = on_closed,
};

/* --- hello ---------------------------------------------------------------- */

static int
await_packet(int fd, void *data, size_t size, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int fds[PACKET_FDS];
	unsigned nfds;
	ssize_t got;
	int r;

	do
		r = poll(&pfd, 1, HELLO_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return err_set(err, -ETIMEDOUT, "the keeper does not answer");
	got = packet_read(fd, data, size, fds, &nfds);
	while (nfds > 0)
		fd_close(&fds[--nfds]);
	if (got == 0 || got == -ECONNRESET)
		return err_set(err, -EACCES, "the keeper does not serve us");
	return got < 0 ? err_errno(err, (int)got, "the keeper") : (int)got;
}

static int
read_answer(struct herd *h, const void *data, size_t n, struct err *err)
{
	struct keeper_msg *m = malloc(sizeof(*m));
	int r = -ENOMEM;

	if (m == NULL)
		return err_errno(err, r, "the keeper");
	r = keeper_msg_decode(m, data, n, err);
	if (r == 0 && m->type == KEEPER_MSG_REFUSED)
		r = err_set(err, -EPROTO, "%s", m->text);
	else if (r == 0 && m->type != KEEPER_MSG_HELLO)
		r = err_set(err, -EPROTO, "the keeper does not say hello");
	else if (r == 0)
		r = keeper_msg_agree(KEEPER_MSG_VERSION, KEEPER_MSG_OLDEST,
		    m->version, m->oldest, err);
	if (r > 0)
		h->version = (uint32_t)r;
	free(m);
	if (r == -EPROTONOSUPPORT)
		return -EPROTO;
	return r > 0 ? 0 : r;
}

static int
say_hello(struct herd *h, int fd, struct err *err)
{
	const struct keeper_msg hello = { .type = KEEPER_MSG_HELLO,
		.version = KEEPER_MSG_VERSION,
		.oldest = KEEPER_MSG_OLDEST };
	char data[1024];
	int r = keeper_msg_encode(&hello, KEEPER_MSG_VERSION, &h->out);

	if (r == 0)
		r = packet_write(fd, h->out.data, h->out.len, NULL, 0);
	if (r < 0 && r != -EPIPE) /* what it said before is still there */
		return err_errno(err, r, "the keeper");
	r = await_packet(fd, data, sizeof(data), err);
	return r < 0 ? r : read_answer(h, data, (size_t)r, err);
}

int
herd_connect(struct herd **herd, struct loop *loop, const char *path,
    const struct herd_ops *ops, void *owner, struct err *err)
{
	struct herd *h;
	int fd, r;

	*herd = NULL;
	fd = packet_connect(path, err);
	if (fd < 0)
		return fd;
	h = calloc(1, sizeof(*h));
	if (h == NULL) {
		fd_close(&fd);
		return err_errno(err, -ENOMEM, "%s", path);
	}
	h->loop = loop;
	h->ops = ops;
	h->owner = owner;
	h->conn.fd = -1;
	buf_init(&h->out, KEEPER_MSG_MAX);
	list_init(&h->tails);
	list_init(&h->follows);
	r = say_hello(h, fd, err);
	if (r < 0) {
		fd_close(&fd);
		goto fail;
	}
	r = packet_init(&h->conn, loop, fd, QUEUE_MAX, &conn_ops, h);
	if (r < 0) {
		err_errno(err, r, "%s", path);
		goto fail;
	}
	*herd = h;
	return 0;
fail:
	buf_done(&h->out);
	free(h);
	return r;
}

pid_t
herd_keeper_pid(const struct herd *h)
{
	return h->keeper;
}

const char *
herd_incarnation(const struct herd *h)
{
	return h->incarnation;
}

uint64_t
herd_last_id(const struct herd *h)
{
	return h->last_id;
}

const struct herd_host *
herd_host(const struct herd *h)
{
	return &h->host;
}

/* --- orders --------------------------------------------------------------- */

static int
order(struct herd *h, const struct keeper_msg *m, const int *fds, unsigned nfds)
{
	int r = keeper_msg_encode(m, h->version, &h->out);

	if (r == 0)
		r = packet_send(&h->conn, h->out.data, h->out.len, fds, nfds);
	if (h->out.cap > OUT_KEPT)
		buf_done(&h->out);
	return r;
}

int
herd_spawn(struct herd *h, const struct spawn_spec *spec, const int *fds)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_SPAWN,
		.spec = *spec,
		.note = { spec->note, spec->note_len },
		.filter = { spec->filter, spec->filter_len } };
	int r = order(h, &m, fds, spec->nfds);

	if (r == 0 && spec->id > h->last_id)
		h->last_id = spec->id;
	return r;
}

int
herd_note(struct herd *h, uint64_t id, const void *note, size_t n)
{
	const struct keeper_msg m = {
		.type = KEEPER_MSG_NOTE, .id = id, .note = { note, n }
	};

	return order(h, &m, NULL, 0);
}

int
herd_signal(struct herd *h, uint64_t id, int signo, bool group)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_SIGNAL,
		.id = id,
		.number = (uint32_t)signo,
		.flag = group };

	return order(h, &m, NULL, 0);
}

int
herd_forget(struct herd *h, uint64_t id)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_FORGET, .id = id };

	return order(h, &m, NULL, 0);
}

int
herd_put_fd(struct herd *h, const char *name, int fd)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_PUT_FD, .text = name };

	return order(h, &m, &fd, 1);
}

int
herd_drop_fd(struct herd *h, const char *name)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_DROP_FD,
		.text = name };

	return order(h, &m, NULL, 0);
}

int
herd_shutdown(struct herd *h)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_SHUTDOWN };

	return order(h, &m, NULL, 0);
}

int
herd_upgrade(struct herd *h, const char *program, bool really)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_UPGRADE,
		.id = ++h->last_upgrade,
		.text = program,
		.flag = really };

	return h->version < 3 ? -EPROTONOSUPPORT : order(h, &m, NULL, 0);
}

int
herd_set_logs(struct herd *h, const char *folder, uint64_t size, unsigned files,
    bool journal)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_SET_LOGS,
		.text = folder,
		.size = size,
		.files = files,
		.flag = journal };

	return order(h, &m, NULL, 0);
}

int
herd_tail(struct herd *h, const char *slot, unsigned lines,
    void (*done)(void *arg, const struct herd_line *lines, size_t n), void *arg)
{
	struct tail *t = calloc(1, sizeof(*t));
	struct keeper_msg m = {
		.type = KEEPER_MSG_TAIL, .text = slot, .number = lines
	};
	int r;

	if (t == NULL)
		return -ENOMEM;
	t->done = done;
	t->arg = arg;
	t->id = m.id = ++h->last_tail;
	r = order(h, &m, NULL, 0);
	if (r < 0)
		free(t);
	else
		list_push(&h->tails, &t->link);
	return r;
}

void
herd_tail_cancel(struct herd *h, void *arg)
{
	LIST_EACH_SAFE (t, &h->tails, struct tail, link)
		if (t->arg == arg)
			tail_free(t);
}

static int
order_follow(struct herd *h, const char *slot, bool on)
{
	const struct keeper_msg m = {
		.type = KEEPER_MSG_FOLLOW, .text = slot, .flag = on
	};

	return order(h, &m, NULL, 0);
}

static int
follow_new(struct herd *h, const char *slot)
{
	struct follow *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	if (f != NULL)
		r = str_copy(f->slot, sizeof(f->slot), span_of(slot));
	if (r == 0)
		r = order_follow(h, slot, true);
	if (r < 0) {
		free(f);
		return r == -ENAMETOOLONG ? -EMSGSIZE : r;
	}
	f->count = 1;
	list_push(&h->follows, &f->link);
	return 0;
}

int
herd_follow(struct herd *h, const char *slot, bool on)
{
	LIST_EACH (f, &h->follows, struct follow, link) {
		if (strcmp(f->slot, slot) != 0)
			continue;
		if (on)
			f->count++;
		else if (--f->count == 0) {
			list_remove(&f->link);
			free(f);
			return order_follow(h, slot, false);
		}
		return 0;
	}
	return on ? follow_new(h, slot) : 0;
}
