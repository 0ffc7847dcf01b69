/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#define LOG_SUBSYSTEM "keeper"

#include "keeper/manifest.h"

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "keeper/state.h"

_Static_assert(RECORD_MAX == KEEPER_PLACES_MAX, "link does not know proc");

/* --- writing -------------------------------------------------------------- */

static int
put(struct keeper *k, int fd, const struct keeper_msg *m)
{
	uint32_t n;
	int r = keeper_msg_encode(m, KEEPER_MSG_VERSION, &k->out);

	if (r < 0)
		return r;
	n = (uint32_t)k->out.len;
	r = fd_write_all(fd, &n, sizeof(n));
	return r < 0 ? r : fd_write_all(fd, k->out.data, k->out.len);
}

static int
put_self(struct keeper *k, int fd)
{
	struct keeper_msg m = {
		.type = KEEPER_MSG_SELF,
		.text = PACKAGE_VERSION,
		.self = {
			.listener = k->listener,
			.record = record_fd(k->record),
			.cgroup = k->cgroup.fd,
			.control_uid = k->control_uid,
			.upgrade = k->upgrade.id,
		},
	};

	m.self.client = client_fd(
	    k, &m.self.client_version, &m.self.client_pid);
	return put(k, fd, &m);
}

static int
put_logs(struct keeper *k, int fd)
{
	const struct logs *l = &k->output.logs;
	const struct keeper_msg m = {
		.type = KEEPER_MSG_SET_LOGS,
		.text = l->folder,
		.size = l->size,
		.files = l->keep,
		.flag = l->to_journal,
	};

	return put(k, fd, &m);
}

static struct span
rest_of(const struct stream *s)
{
	return s->fd < 0 ? (struct span){ NULL, 0 } : buf_span(&s->partial);
}

static int
put_child(struct keeper *k, int fd, const struct child *c)
{
	const struct keeper_msg child = client_child(c);
	const struct keeper_msg kept = {
		.type = KEEPER_MSG_KEPT,
		.text = logfile_name(c->log),
		.spec = {
			.rank = c->rank,
			.stop_signal = c->stop_signal,
			.stop_timeout_ms = c->stop_timeout_ms,
		},
		.kept = {
			.pidfd = c->process.pidfd,
			.report = c->process.report,
			.out = c->streams[0].fd,
			.err = c->streams[1].fd,
			.started = c->process.started,
			.recorded = (uint32_t)c->recorded,
			.runs = c->runs,
			.out_cut = c->streams[0].cutting,
			.err_cut = c->streams[1].cutting,
			.out_rest = rest_of(&c->streams[0]),
			.err_rest = rest_of(&c->streams[1]),
		},
	};
	int r = put(k, fd, &child);

	return r < 0 ? r : put(k, fd, &kept);
}

static int
put_rings(struct keeper *k, int fd)
{
	const char *name;
	const struct slot *s;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (s = map_next(&k->output.slots, &at, &name)) != NULL) {
		const struct keeper_msg m = {
			.type = KEEPER_MSG_RING,
			.text = s->name,
			.bytes = { s->ring, s->len },
			.flag = s->followed,
		};

		r = put(k, fd, &m);
	}
	return r;
}

int
manifest_write(struct keeper *k, int fd)
{
	const struct keeper_msg ready = client_ready(k);
	int r = put_self(k, fd);

	if (r == 0)
		r = put_logs(k, fd);
	LIST_EACH (c, &k->children, struct child, link)
		if (r == 0)
			r = put_child(k, fd, c);
	if (r == 0)
		r = put_rings(k, fd);
	LIST_EACH (f, &k->fds, struct kept_fd, link) {
		const struct keeper_msg m = { .type = KEEPER_MSG_KEPT_FD,
			.text = f->name,
			.number = (uint32_t)f->fd };

		if (r == 0)
			r = put(k, fd, &m);
	}
	return r < 0 ? r : put(k, fd, &ready);
}

void
manifest_each_fd(struct keeper *k, void (*fn)(int fd))
{
	uint32_t version;
	int32_t pid;

	fn(k->listener);
	fn(record_fd(k->record));
	fn(k->cgroup.fd);
	fn(client_fd(k, &version, &pid));
	LIST_EACH (c, &k->children, struct child, link) {
		fn(c->process.pidfd);
		fn(c->process.report);
		fn(c->streams[0].fd);
		fn(c->streams[1].fd);
	}
	LIST_EACH (f, &k->fds, struct kept_fd, link)
		fn(f->fd);
}

/* --- reading -------------------------------------------------------------- */

struct text {
	const char *p; /* mapped; NULL if there is nothing */
	size_t n;
};

static int
map_text(struct text *t, int fd, struct err *err)
{
	struct stat st;

	*t = (struct text){ NULL, 0 };
	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "manifest");
	if (st.st_size <= 0 || st.st_size > (off_t)MANIFEST_MAX)
		return err_set(err, -EPROTO, "a manifest of %lld bytes",
		    (long long)st.st_size);
	t->n = (size_t)st.st_size;
	t->p = mmap(NULL, t->n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (t->p != MAP_FAILED)
		return 0;
	t->p = NULL;
	return err_errno(err, -errno, "manifest");
}

/* What may come after what: a row is where we are, SELF comes once. */
static bool
in_order(enum keeper_msg_type before, enum keeper_msg_type now)
{
	switch (now) {
	case KEEPER_MSG_SELF:
		return before == KEEPER_MSG_NONE;
	case KEEPER_MSG_SET_LOGS:
		return before == KEEPER_MSG_SELF;
	case KEEPER_MSG_CHILD:
		return before == KEEPER_MSG_SET_LOGS ||
		    before == KEEPER_MSG_KEPT;
	case KEEPER_MSG_KEPT:
		return before == KEEPER_MSG_CHILD;
	case KEEPER_MSG_RING:
		return before == KEEPER_MSG_SET_LOGS ||
		    before == KEEPER_MSG_KEPT || before == KEEPER_MSG_RING;
	case KEEPER_MSG_KEPT_FD:
	case KEEPER_MSG_READY:
		return before == KEEPER_MSG_SET_LOGS ||
		    before == KEEPER_MSG_KEPT || before == KEEPER_MSG_RING ||
		    before == KEEPER_MSG_KEPT_FD;
	default:
		return false;
	}
}

static int
walk(const struct text *t,
    int (*fn)(void *arg, const struct keeper_msg *m, struct err *err),
    void *arg, struct err *err)
{
	static struct keeper_msg m; /* large, and never two at once */
	enum keeper_msg_type before = KEEPER_MSG_NONE;
	size_t at = 0;
	int r = 0;

	while (r == 0 && before != KEEPER_MSG_READY) {
		uint32_t n = 0;

		if (t->n - at < sizeof(n))
			return err_set(err, -EPROTO, "it ends too early");
		memcpy(&n, t->p + at, sizeof(n));
		at += sizeof(n);
		if (n > KEEPER_MSG_MAX || n > t->n - at)
			return err_set(err, -EPROTO, "it ends too early");
		r = keeper_msg_decode(&m, t->p + at, n, err);
		if (r < 0)
			return r;
		if (!in_order(before, m.type))
			return err_set(err, -EPROTO,
			    "message %d stands after message %d", (int)m.type,
			    (int)before);
		at += n;
		before = m.type;
		r = fn(arg, &m, err);
	}
	if (r == 0 && at != t->n)
		return err_set(err, -EPROTO, "it goes on behind its end");
	return r;
}

/* What no message can say of itself. */
static int
check_one(void *arg, const struct keeper_msg *m, struct err *err)
{
	const struct keeper_self *self = &m->self;
	int r;

	(void)arg;
	if (m->type != KEEPER_MSG_SELF || self->client < 0)
		return 0;
	r = keeper_msg_agree(KEEPER_MSG_VERSION, KEEPER_MSG_OLDEST,
	    self->client_version, self->client_version, err);
	return r < 0 ? r : 0;
}

int
manifest_check(int fd, uint64_t *sum, struct err *err)
{
	static const struct hash_key key = { 0x6d616e6966657374, 1 };
	struct text t;
	int r = map_text(&t, fd, err);

	if (r < 0)
		return r;
	r = walk(&t, check_one, NULL, err);
	*sum = hash_keyed(&key, t.p, t.n);
	munmap((void *)(uintptr_t)t.p, t.n);
	return r;
}

/* --- restoring ------------------------------------------------------------ */

struct restore {
	struct keeper *k;
	struct child *child; /* its KEPT comes next */
	int record;
};

/* Each fd of them, or -EBADF. */
static int
take_all(const int32_t *fds, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (fds[i] >= 0 && fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0)
			r = -EBADF;
	return r;
}

static int
restore_self(struct restore *r, const struct keeper_msg *m, struct err *err)
{
	struct keeper *k = r->k;
	const struct keeper_self *self = &m->self;
	const int32_t all[] = { self->listener, self->record, self->cgroup,
		self->client };
	int res = take_all(all, ARRAY_LEN(all));

	if (res < 0 || self->listener < 0 || self->record < 0)
		return err_errno(err, -EBADF, "the keeper's descriptors");
	k->listener = self->listener;
	r->record = self->record;
	k->cgroup.fd = self->cgroup;
	k->control_uid = self->control_uid;
	k->upgrade.id = self->upgrade;
	res = str_copy(
	    k->upgrade.from, sizeof(k->upgrade.from), span_of(m->text));
	if (res == 0)
		res = client_resume(
		    k, self->client, self->client_version, self->client_pid);
	return res < 0 ? err_errno(err, res, "the client") : 0;
}

static int
copy_tail(struct child *c, struct span tail)
{
	if (tail.n == 0)
		return 0;
	c->tail = malloc(tail.n);
	if (c->tail == NULL)
		return -ENOMEM;
	memcpy(c->tail, tail.p, tail.n);
	c->tail_len = tail.n;
	return 0;
}

static int
restore_child(struct restore *r, const struct keeper_msg *m, struct err *err)
{
	struct keeper *k = r->k;
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_errno(err, -ENOMEM, "child %s", m->text);
	c->keeper = k;
	c->id = m->id;
	c->started_ms = m->started_ms;
	c->process = (struct process){
		.pid = m->pid, .pidfd = -1, .go = -1, .report = -1
	};
	c->streams[0].fd = c->streams[1].fd = -1;
	c->alive = !m->exited;
	c->exit = m->exit;
	c->missing = m->number;
	c->slot = slot_ref(&k->output, m->text);
	list_push(&k->children, &c->link);
	k->nchildren++;
	k->nalive += c->alive;
	r->child = c;
	return c->slot == NULL || copy_tail(c, m->bytes) < 0 ||
		child_note(c, m->note) < 0
	    ? err_errno(err, -ENOMEM, "child %s", m->text)
	    : 0;
}

static int
restore_stream(
    struct child *c, unsigned i, int fd, struct span rest, bool cutting)
{
	int r;

	if (fd < 0)
		return 0;
	r = stream_init(&c->streams[i], fd, c->slot, c->log, i == 1);
	return r < 0 ? r : stream_resume(&c->streams[i], rest, cutting);
}

static int
restore_kept(struct restore *r, const struct keeper_msg *m, struct err *err)
{
	const struct keeper_kept *kept = &m->kept;
	const int32_t all[] = { kept->pidfd, kept->report, kept->out,
		kept->err };
	struct child *c = r->child;
	int res = take_all(all, ARRAY_LEN(all));

	c->process.pidfd = kept->pidfd;
	c->process.report = kept->report;
	c->process.started = kept->started;
	c->recorded = kept->recorded;
	c->runs = kept->runs;
	c->rank = m->spec.rank;
	c->stop_signal = m->spec.stop_signal;
	c->stop_timeout_ms = m->spec.stop_timeout_ms;
	c->log = logfile_ref(&r->k->output.logs, m->text);
	if (res == 0 && c->log == NULL)
		res = -ENOMEM;
	if (res == 0)
		res = restore_stream(
		    c, 0, kept->out, kept->out_rest, kept->out_cut);
	if (res == 0)
		res = restore_stream(
		    c, 1, kept->err, kept->err_rest, kept->err_cut);
	if (res == 0 && kept->report >= 0)
		child_watch(c);
	return res < 0 ? err_errno(err, res, "a child of %s", m->text) : 0;
}

static int
restore_ring(struct restore *r, const struct keeper_msg *m, struct err *err)
{
	struct slot *s = slot_ref(&r->k->output, m->text);
	int res = s == NULL ? -ENOMEM : slot_fill(s, m->bytes);

	if (s != NULL)
		s->followed = m->flag;
	slot_unref(s);
	return res < 0 ? err_errno(err, res, "lines of %s", m->text) : 0;
}

static int
restore_fd(struct restore *r, const struct keeper_msg *m, struct err *err)
{
	int32_t fd = (int32_t)m->number;
	int res = take_all(&fd, 1);

	if (res == 0)
		res = fds_put(r->k, m->text, &fd);
	return res < 0 ? err_errno(err, res, "descriptor %s", m->text) : 0;
}

static int
restore_ready(struct restore *r, const struct keeper_msg *m, struct err *err)
{
	struct keeper *k = r->k;
	char path[PATH_MAX];
	int res;

	k->last_id = m->id;
	k->host = m->host;
	k->cgroup.memory = (m->host & KEEPER_HOST_MEMORY) != 0;
	k->cgroup.cpu = (m->host & KEEPER_HOST_CPU) != 0;
	k->cgroup.pids = (m->host & KEEPER_HOST_PIDS) != 0;
	if (str_copy(k->incarnation, sizeof(k->incarnation), span_of(m->text)) <
		0 ||
	    strlen(k->incarnation) != 32)
		return err_set(err, -EPROTO, "incarnation %s", m->text);
	res = keeper_path(k, path, "herd", err);
	if (res < 0)
		return res;
	return record_resume(&k->record, path, r->record, k->incarnation, err);
}

/* A folder that cannot be had costs lines, not the herd. */
static void
restore_logs(struct restore *r, const struct keeper_msg *m)
{
	int res = logs_set(
	    &r->k->output.logs, m->text, m->size, m->files, m->flag);

	if (res < 0)
		log_warn("logs", "folder=%s: %s",
		    m->text != NULL ? m->text : "-", strerror(-res));
}

static int
restore_one(void *arg, const struct keeper_msg *m, struct err *err)
{
	struct restore *r = arg;

	switch (m->type) {
	case KEEPER_MSG_SELF:
		return restore_self(r, m, err);
	case KEEPER_MSG_SET_LOGS:
		restore_logs(r, m);
		return 0;
	case KEEPER_MSG_CHILD:
		return restore_child(r, m, err);
	case KEEPER_MSG_KEPT:
		return restore_kept(r, m, err);
	case KEEPER_MSG_RING:
		return restore_ring(r, m, err);
	case KEEPER_MSG_KEPT_FD:
		return restore_fd(r, m, err);
	default:
		return restore_ready(r, m, err);
	}
}

int
manifest_restore(struct keeper *k, int fd, struct err *err)
{
	struct restore r = { .k = k };
	struct text t;
	int res = map_text(&t, fd, err);

	if (res < 0)
		return res;
	res = walk(&t, restore_one, &r, err);
	munmap((void *)(uintptr_t)t.p, t.n);
	return res;
}
