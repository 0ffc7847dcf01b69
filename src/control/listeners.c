/* SPDX-License-Identifier: ISC */

#include "control/listeners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "control/passed.h"
#include "control/workers.h"
#include "link/address.h"
#include "link/worker_msg.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define BACKLOG 4096
#define NAME_MAX_ (ADDRESS_MAX + 48)

void
listeners_init(struct control *c)
{
	list_init(&c->workers.listeners);
	passed_init(c);
}

static void
listener_free(struct listener *l)
{
	list_remove(&l->link);
	for (unsigned i = 0; i < SCOREBOARD_WORKERS; i++)
		fd_close(&l->fds[i]);
	free(l);
}

void
listeners_done(struct control *c)
{
	LIST_EACH_SAFE (l, &c->workers.listeners, struct listener, link)
		listener_free(l);
	passed_done(c);
}

static struct listener *
listener_new(unsigned id, const char *address, bool internal)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->id = id;
	l->internal = internal;
	for (unsigned i = 0; i < SCOREBOARD_WORKERS; i++)
		l->fds[i] = -1;
	if (str_copy(l->address, sizeof(l->address), span_of(address)) < 0) {
		free(l);
		return NULL;
	}
	return l;
}

static struct listener *
by_address(struct control *c, const char *address, bool internal)
{
	LIST_EACH (l, &c->workers.listeners, struct listener, link)
		if (l->internal == internal && strcmp(l->address, address) == 0)
			return l;
	return NULL;
}

static struct listener *
by_id(struct control *c, unsigned id)
{
	LIST_EACH (l, &c->workers.listeners, struct listener, link)
		if (l->id == id)
			return l;
	return NULL;
}

static bool
is_unix(const struct listener *l)
{
	return strncmp(l->address, "unix:", 5) == 0;
}

static bool
is_shared(const struct listener *l)
{
	return l->passed || is_unix(l);
}

/* How many sockets it has: one for each worker, or one for all. */
static unsigned
sockets(const struct control *c, const struct listener *l)
{
	return is_shared(l) ? 1 : c->workers.lanes;
}

/* --- binding -------------------------------------------------------------- */

static int
open_socket(const struct address *a, bool reuseport, int *fd)
{
	int one = 1, r;

	*fd = socket(
	    a->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (reuseport)
		setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (a->u.sa.sa_family == AF_INET6)
		setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(*fd, &a->u.sa, a->len) == 0)
		return 0;
	r = -errno;
	fd_close(fd);
	return r;
}

/* A socket file that nobody listens on any more is in the way. */
static void
remove_stale(const struct address *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, &a->u.sa, a->len) < 0 && errno == ECONNREFUSED)
		unlink(a->u.un.sun_path);
	fd_close(&fd);
}

static int
bind_all(struct control *c, struct listener *l, const struct address *a)
{
	int probe, r;

	if (is_unix(l))
		remove_stale(a);
	else {
		r = open_socket(a, false, &probe);
		if (r < 0)
			return r;
		fd_close(&probe);
	}
	for (unsigned i = 0; i < sockets(c, l); i++) {
		r = open_socket(a, !is_unix(l), &l->fds[i]);
		if (r < 0)
			return r;
		if (listen(l->fds[i], BACKLOG) < 0)
			return -errno;
	}
	if (is_unix(l) && chmod(a->u.un.sun_path, 0666) < 0)
		return -errno;
	return 0;
}

/* What systemd opened is there already. */
static int
open_all(struct control *c, struct listener *l, const struct address *a)
{
	int fd = l->internal ? -ENOENT : passed_dup(c, a);

	if (fd == -ENOENT)
		return bind_all(c, l, a);
	l->passed = true;
	l->fds[0] = fd;
	return fd < 0 ? fd : 0;
}

static const char *
kind_of(const struct listener *l)
{
	if (l->passed)
		return "passed";
	return l->internal ? "internal" : "public";
}

static void
name_of(const struct listener *l, unsigned i, char *name)
{
	snprintf(name, NAME_MAX_, "listen %u %u %s %s", l->id, i, kind_of(l),
	    l->address);
}

static int
keep_with_keeper(struct control *c, const struct listener *l)
{
	char name[NAME_MAX_];

	for (unsigned i = 0; i < sockets(c, l); i++) {
		int r;

		name_of(l, i, name);
		r = herd_put_fd(c->herd, name, l->fds[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static unsigned
free_id(struct control *c)
{
	unsigned id = 1;

	while (by_id(c, id) != NULL)
		id++;
	return id;
}

static int
add(struct control *c, const char *address, bool internal, struct err *err)
{
	struct listener *l = listener_new(free_id(c), address, internal);
	struct address a;
	int r;

	if (l == NULL)
		return err_errno(err, -ENOMEM, "%s", address);
	r = address_parse(&a, address);
	if (r == 0)
		r = open_all(c, l, &a);
	if (r < 0) {
		listener_free(l);
		return err_errno(err, r, "cannot listen on %s", address);
	}
	l->kept = true;
	list_push(&c->workers.listeners, &l->link);
	return 0;
}

static int
add_internal(struct control *c, const struct conf *conf, struct err *err)
{
	char address[ADDRESS_MAX];

	LIST_EACH (l, &c->workers.listeners, struct listener, link) {
		if (!l->internal)
			continue;
		l->kept = true;
		return 0;
	}
	for (unsigned port = conf->port_last; port >= conf->port_first;
	     port--) {
		snprintf(address, sizeof(address), "127.0.0.1:%u", port);
		if (add(c, address, true, err) == 0)
			return 0;
	}
	return -EADDRINUSE;
}

/* --- from the keeper ------------------------------------------------------ */

bool
listeners_adopt(struct control *c, const char *name, int fd)
{
	char kind[16], address[ADDRESS_MAX];
	unsigned id, i;
	struct listener *l;

	if (sscanf(name, "listen %u %u %15s %127[^\n]", &id, &i, kind,
		address) != 4 ||
	    i >= SCOREBOARD_WORKERS)
		return false;
	l = by_id(c, id);
	if (l == NULL) {
		l = listener_new(id, address, strcmp(kind, "internal") == 0);
		if (l == NULL)
			return false;
		l->passed = strcmp(kind, "passed") == 0;
		list_push(&c->workers.listeners, &l->link);
	}
	fd_close(&l->fds[i]);
	l->fds[i] = fd;
	return true;
}

/* --- the set -------------------------------------------------------------- */

static void
drop(struct control *c, struct listener *l)
{
	char name[NAME_MAX_];
	struct address a;

	for (unsigned i = 0; i < sockets(c, l); i++) {
		name_of(l, i, name);
		(void)herd_drop_fd(c->herd, name);
	}
	if (is_unix(l) && !l->passed && address_parse(&a, l->address) == 0)
		unlink(a.u.un.sun_path);
	listener_free(l);
}

static void
undo(struct control *c)
{
	LIST_EACH_SAFE (l, &c->workers.listeners, struct listener, link)
		if (!l->old)
			listener_free(l);
}

static int
add_missing(struct control *c, const struct conf *conf, struct err *err)
{
	for (size_t i = 0; i < conf->nlisten; i++) {
		struct listener *l = by_address(
		    c, conf->listen[i].address, false);
		int r;

		if (l != NULL) {
			l->kept = true;
			continue;
		}
		r = add(c, conf->listen[i].address, false, err);
		if (r < 0)
			return r;
	}
	return add_internal(c, conf, err);
}

static int
settle(struct control *c)
{
	int r = 0;

	LIST_EACH_SAFE (l, &c->workers.listeners, struct listener, link) {
		if (!l->kept) {
			drop(c, l);
			continue;
		}
		if (!l->old && r == 0)
			r = keep_with_keeper(c, l);
	}
	return r;
}

static int
bind_new(struct control *c, const struct conf *conf, struct err *err)
{
	int r;

	LIST_EACH (l, &c->workers.listeners, struct listener, link) {
		l->kept = false;
		l->old = true;
	}
	r = add_missing(c, conf, err);
	if (r < 0)
		undo(c);
	return r;
}

int
listeners_apply(struct control *c, const struct conf *conf, struct err *err)
{
	int r = bind_new(c, conf, err);

	if (r < 0)
		return r;
	r = settle(c);
	if (r < 0)
		return err_errno(err, r, "listeners to the keeper");
	passed_tell_unused(c, conf);
	for (unsigned i = 0; i < c->workers.n; i++) {
		struct worker *w = &c->workers.all[i];

		if (w->io.fd >= 0 && listeners_send(c, w) < 0)
			workers_hang_up(w);
	}
	return 0;
}

int
listeners_check(struct control *c, const struct conf *conf, struct err *err)
{
	int r = bind_new(c, conf, err);

	if (r == 0)
		undo(c);
	return r;
}

int
listeners_send(struct control *c, struct worker *w)
{
	struct worker_msg m = { .type = WORKER_LISTENERS };
	int fds[WORKER_MSG_FDS];

	LIST_EACH (l, &c->workers.listeners, struct listener, link) {
		int fd = l->fds[is_shared(l) ? 0 : w->lane];

		if (fd < 0 || m.nids == WORKER_MSG_FDS)
			continue;
		m.ids[m.nids] = l->id;
		fds[m.nids++] = fd;
	}
	return worker_msg_send(w->io.fd, &m, fds, m.nids);
}

const char *
listeners_internal(struct control *c)
{
	LIST_EACH (l, &c->workers.listeners, struct listener, link)
		if (l->internal)
			return l->address;
	return "";
}
