/* SPDX-License-Identifier: ISC */

#include "fake_herd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct herd {
	struct loop *loop;
	const struct herd_ops *ops;
	void *owner;
	struct loop_timer turn;
	struct herd_host host;
};

struct fake_herd fake;
static struct herd *connected;

void
fake_reset(void)
{
	if (fake.kept_fd > 0)
		close(fake.kept_fd);
	if (fake.activated > 0)
		close(fake.activated);
	if (fake.passed_fd > 0)
		close(fake.passed_fd);
	memset(&fake, 0, sizeof(fake));
}

struct fake_child *
fake_running(const char *slot)
{
	for (size_t i = fake.n; i-- > 0;)
		if (!fake.children[i].gone &&
		    strcmp(fake.children[i].slot, slot) == 0)
			return &fake.children[i];
	return NULL;
}

size_t
fake_count(const char *slot)
{
	size_t n = 0;

	for (size_t i = 0; i < fake.n; i++)
		n += strcmp(fake.children[i].slot, slot) == 0;
	return n;
}

static void
tell_exit(
    struct fake_child *child, const struct spawn_exit *exit, const char *tail)
{
	child->gone = true;
	connected->ops->exited(
	    connected->owner, child->id, exit, span_of(tail));
}

void
fake_exit(struct fake_child *child, int code, const char *tail)
{
	const struct spawn_exit exit = { .kind = EXIT_EXITED, .code = code };

	tell_exit(child, &exit, tail);
}

void
fake_kill(struct fake_child *child, int signo)
{
	const struct spawn_exit exit = {
		.kind = EXIT_SIGNALLED,
		.signal = signo,
	};

	tell_exit(child, &exit, "");
}

/* --- herd.h --------------------------------------------------------------- */

static void
manifest(struct herd *h)
{
	for (size_t i = 0; i < fake.n; i++) {
		const struct fake_child *c = &fake.children[i];
		const struct herd_child child = {
			.id = c->id,
			.pid = c->pid,
			.slot = c->slot,
			.note = c->note,
			.note_len = c->note_len,
			.exited = c->unheard,
			.exit = { .kind = EXIT_SIGNALLED, .signal = SIGKILL },
		};

		if (!c->gone)
			h->ops->child(h->owner, &child);
	}
	if (fake.kept_fd > 0)
		h->ops->fd(h->owner, "upgrade", dup(fake.kept_fd));
	if (fake.activated > 0)
		h->ops->fd(h->owner, "activated 0", dup(fake.activated));
	if (fake.passed_fd > 0)
		h->ops->fd(h->owner, fake.passed_name, dup(fake.passed_fd));
	h->ops->ready(h->owner);
}

static void
answer_spawns(struct herd *h)
{
	for (size_t i = 0; i < fake.n && !fake.silent; i++) {
		struct fake_child *c = &fake.children[i];

		if (c->pid != 0 || c->gone)
			continue;
		c->pid = (pid_t)(100000 + c->id);
		if (fake.pid != 0 && strncmp(c->slot, "proxy.", 6) == 0)
			c->pid = fake.pid;
		h->ops->spawned(h->owner, c->id, c->pid, fake.missing);
	}
}

static void
on_turn(void *arg)
{
	struct herd *h = arg;

	if (h->host.namespaces) {
		h->host.namespaces = false; /* first turn: the manifest */
		manifest(h);
	} else
		answer_spawns(h);
	loop_timer_arm(&h->turn, 1);
}

int
herd_connect(struct herd **herd, struct loop *loop, const char *path,
    const struct herd_ops *ops, void *owner, struct err *err)
{
	struct herd *h = calloc(1, sizeof(*h));

	(void)path;
	if (h == NULL)
		return err_errno(err, -ENOMEM, "herd");
	h->loop = loop;
	h->ops = ops;
	h->owner = owner;
	h->host.namespaces = true;
	h->host.filters = !fake.too_old;
	loop_timer_init(&h->turn, loop, on_turn, h);
	loop_timer_arm(&h->turn, 0);
	*herd = connected = h;
	return 0;
}

void
herd_free(struct herd *h)
{
	if (h == NULL)
		return;
	loop_timer_done(&h->turn);
	free(h);
	connected = NULL;
}

pid_t
herd_keeper_pid(const struct herd *h)
{
	(void)h;
	return 4242;
}

const char *
herd_incarnation(const struct herd *h)
{
	(void)h;
	return fake.another ? "fedcba9876543210fedcba9876543210"
			    : "0123456789abcdef0123456789abcdef";
}

uint64_t
herd_last_id(const struct herd *h)
{
	(void)h;
	return fake.last_id;
}

const struct herd_host *
herd_host(const struct herd *h)
{
	return &h->host;
}

static void
join(char *out, size_t size, const char *const *list, const char *sep)
{
	size_t n = 0;

	out[0] = '\0';
	for (; *list != NULL && n < size; list++)
		n += (size_t)snprintf(
		    out + n, size - n, "%s%s", n > 0 ? sep : "", *list);
}

static void
write_note(struct fake_child *c, const void *note, size_t n)
{
	memcpy(c->note, note, n);
	c->note_len = n;
}

int
herd_spawn(struct herd *h, const struct spawn_spec *spec, const int *fds)
{
	struct fake_child *c = &fake.children[fake.n];

	(void)h;
	(void)fds;
	if (fake.refuse || fake.n == FAKE_CHILDREN)
		return -ENOBUFS;
	fake.n++;
	memset(c, 0, sizeof(*c));
	c->id = spec->id;
	c->rank = spec->rank;
	c->filter_len = spec->filter_len;
	c->no_new_privs = spec->no_new_privs;
	c->drop_capabilities = spec->drop_capabilities;
	snprintf(c->slot, sizeof(c->slot), "%s", spec->slot);
	join(c->argv, sizeof(c->argv), spec->argv, " ");
	join(c->env, sizeof(c->env), spec->env, "\n");
	write_note(c, spec->note, spec->note_len);
	fake.last_id = spec->id;
	return 0;
}

static struct fake_child *
by_id(uint64_t id)
{
	for (size_t i = 0; i < fake.n; i++)
		if (fake.children[i].id == id)
			return &fake.children[i];
	return NULL;
}

int
herd_note(struct herd *h, uint64_t id, const void *note, size_t n)
{
	struct fake_child *c = by_id(id);

	(void)h;
	if (c != NULL)
		write_note(c, note, n);
	return 0;
}

int
herd_signal(struct herd *h, uint64_t id, int signo, bool group)
{
	struct fake_child *c = by_id(id);

	(void)h;
	if (c != NULL) {
		c->last_signal = signo;
		c->group = group;
	}
	return 0;
}

int
herd_forget(struct herd *h, uint64_t id)
{
	struct fake_child *c = by_id(id);

	(void)h;
	if (c != NULL)
		c->forgotten = c->gone = true;
	return 0;
}

int
herd_put_fd(struct herd *h, const char *name, int fd)
{
	(void)h;
	if (strcmp(name, "upgrade") == 0)
		fake.kept_fd = dup(fd);
	if (strstr(name, " passed ") != NULL) {
		fake.passed_fd = dup(fd);
		snprintf(
		    fake.passed_name, sizeof(fake.passed_name), "%s", name);
	}
	fake.fds++;
	return 0;
}

int
herd_drop_fd(struct herd *h, const char *name)
{
	(void)h;
	(void)name;
	fake.fds--;
	return 0;
}

int
herd_upgrade(struct herd *h, const char *program, bool really)
{
	(void)h;
	if (fake.too_old)
		return -EPROTONOSUPPORT;
	fake.upgrades++;
	fake.really = really;
	snprintf(fake.program, sizeof(fake.program), "%s", program);
	return 0;
}

void
fake_upgraded(const char *why)
{
	connected->ops->upgraded(connected->owner, why);
}

int
herd_shutdown(struct herd *h)
{
	(void)h;
	fake.shutdown = true;
	return 0;
}

int
herd_set_logs(struct herd *h, const char *folder, uint64_t size, unsigned files,
    bool journal)
{
	(void)h;
	(void)folder;
	(void)size;
	(void)files;
	(void)journal;
	return 0;
}

int
herd_tail(struct herd *h, const char *slot, unsigned lines,
    void (*done)(void *arg, const struct herd_line *lines, size_t n), void *arg)
{
	(void)h;
	(void)slot;
	(void)lines;
	done(arg, NULL, 0);
	return 0;
}

void
herd_tail_cancel(struct herd *h, void *arg)
{
	(void)h;
	(void)arg;
}

int
herd_follow(struct herd *h, const char *slot, bool on)
{
	(void)h;
	(void)slot;
	(void)on;
	return 0;
}
