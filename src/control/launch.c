/* SPDX-License-Identifier: ISC */

#include "control/launch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "conf/expand.h"
#include "control/bounds.h"
#include "control/cells.h"
#include "control/folders.h"
#include "control/listeners.h"
#include "control/note.h"
#include "control/service.h"

#define SPEC_ARENA_MAX (256 * 1024)
#define LISTEN_BACKLOG 1024

/* Everything that a spawn order points into while it is written. */
struct order {
	struct replica *r;
	struct arena arena;
	struct spawn_spec spec;
	const char *env[SPAWN_ENV_MAX + 1];
	size_t nenv;
	int listen_fd;
	char note[NOTE_MAX];
	struct bounds bounds;
};

/* --- addresses ------------------------------------------------------------ */

static const char *
socket_path(const struct replica *r)
{
	return strncmp(r->address, "unix:", 5) == 0 ? r->address + 5 : "";
}

static bool
port_is_free(unsigned port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free;

	if (fd < 0)
		return false;
	is_free = bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
	fd_close(&fd);
	return is_free;
}

static int
choose_port(struct replica *r, struct err *err)
{
	struct control *c = r->service->control;
	const struct conf *conf = c->conf;
	unsigned span = conf->port_last - conf->port_first + 1;

	for (unsigned i = 0; i < span; i++) {
		unsigned port = conf->port_first +
		    (c->cells.next_port++ % span);

		if (cells_port_taken(c, port) || !port_is_free(port))
			continue;
		r->port = port;
		snprintf(r->address, sizeof(r->address), "127.0.0.1:%u", port);
		return 0;
	}
	return err_set(err, -EADDRINUSE, "no free port in %u-%u",
	    conf->port_first, conf->port_last);
}

/* For `listen: fd`: a listening Unix socket, handed over as fd 3. */
static int
open_listener(const struct replica *r, int *fd, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (str_copy(sun.sun_path, sizeof(sun.sun_path),
		span_of(socket_path(r))) < 0)
		return err_set(err, -ENAMETOOLONG, "socket path too long");
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_errno(err, -errno, "socket");
	if (bind(*fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(*fd, LISTEN_BACKLOG) < 0) {
		int r_ = -errno;

		fd_close(fd);
		return err_errno(err, r_, "cannot listen on %s", sun.sun_path);
	}
	return 0;
}

static int
choose_address(struct replica *r, struct order *o, struct err *err)
{
	switch (r->process_conf->listen) {
	case CONF_SOCKET_PORT:
		return choose_port(r, err);
	case CONF_SOCKET_FD:
		if (folders_socket(r, err) < 0)
			return -ENAMETOOLONG;
		return open_listener(r, &o->listen_fd, err);
	case CONF_SOCKET_UNIX:
		break;
	}
	return folders_socket(r, err);
}

/* --- environment and arguments -------------------------------------------- */

/* Where NAME= stands already, or where the next one goes. */
static size_t
env_place(const struct order *o, const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < o->nenv; i++)
		if (strncmp(o->env[i], name, len) == 0 && o->env[i][len] == '=')
			break;
	return i;
}

/* The later of two wins: a service may have a PATH of its own. */
static int
add_env(struct order *o, const char *name, const char *value)
{
	size_t n = strlen(name) + strlen(value) + 2;
	char *text = arena_alloc(&o->arena, n);
	size_t at = env_place(o, name);

	if (text == NULL)
		return -ENOMEM;
	if (at == SPAWN_ENV_MAX)
		return -E2BIG;
	snprintf(text, n, "%s=%s", name, value);
	o->env[at] = text;
	if (at == o->nenv)
		o->env[++o->nenv] = NULL;
	return 0;
}

static int
add_drover_env(struct order *o, const struct folders *f)
{
	static const char path[] =
	    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	struct replica *r = o->r;
	struct control *c = r->service->control;
	char port[8], notify[ADDRESS_MAX], url[ADDRESS_MAX];
	const struct {
		const char *name, *value;
		bool on;
	} vars[] = {
		{ "PATH", path, true },
		{ "LANG", "C.UTF-8", true },
		{ "HOME", f->state, true },
		{ "TMPDIR", f->tmp, true },
		{ "DROVER_SERVICE", r->process_conf->name, true },
		{ "DROVER_INSTANCE", r->id, true },
		{ "DROVER_NODE", c->conf->node.name, true },
		{ "DROVER_STATE_DIR", f->state, true },
		{ "DROVER_CACHE_DIR", f->cache, true },
		{ "DROVER_TMP_DIR", f->tmp, true },
		{ "DROVER_SOCKET", socket_path(r), socket_path(r)[0] != '\0' },
		{ "PORT", port, r->port != 0 },
		{ "NOTIFY_SOCKET", notify,
		    r->process_conf->readiness.kind == CONF_CHECK_NOTIFY },
		{ "DROVER_URL", url, !r->service->redis },
		{ "DROVER_REDIS_URL", service_redis_url(c),
		    r->process_conf->needs_redis },
	};

	snprintf(port, sizeof(port), "%u", r->port);
	snprintf(
	    notify, sizeof(notify), "%s/notify.sock", c->conf->dirs.runtime);
	snprintf(url, sizeof(url), "http://%s@%s", r->service->token,
	    listeners_internal(c));
	for (size_t i = 0; i < ARRAY_LEN(vars); i++) {
		int x;

		if (!vars[i].on)
			continue;
		x = add_env(o, vars[i].name, vars[i].value);
		if (x < 0)
			return x;
	}
	return 0;
}

/* ${PORT} and friends in one text of the configuration; NULL: no memory. */
static const char *
expanded(struct order *o, const char *text)
{
	struct replica *r = o->r;
	const char *path = socket_path(r), *copy = NULL;
	char port[8];
	const struct expand values = {
		.port = r->port != 0 ? port : NULL,
		.socket = path[0] != '\0' ? path : NULL,
		.instance = r->id,
		.node = r->service->control->conf->node.name,
	};
	struct buf out;

	snprintf(port, sizeof(port), "%u", r->port);
	buf_init(&out, SPEC_ARENA_MAX);
	if (expand(&values, text, &out, NULL) == 0)
		copy = arena_copy(&o->arena, buf_span(&out));
	buf_done(&out);
	return copy;
}

static int
add_service_env(struct order *o)
{
	const struct conf_service *spec = o->r->process_conf;

	for (size_t i = 0; i < spec->nenv; i++) {
		const char *value = expanded(o, spec->env[i].value);
		int r;

		if (value == NULL)
			return -ENOMEM;
		r = add_env(o, spec->env[i].name, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
set_argv(struct order *o, const char *const *command)
{
	const char **argv;
	size_t n = 0;

	while (command[n] != NULL)
		n++;
	argv = arena_alloc(&o->arena, (n + 1) * sizeof(*argv));
	if (argv == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		argv[i] = expanded(o, command[i]);
		if (argv[i] == NULL)
			return -ENOMEM;
	}
	o->spec.argv = argv;
	return 0;
}

/* --- the order of stops --------------------------------------------------- */

/* Later in the order of dependencies is stopped earlier. */
static unsigned
depth(struct control *c, const struct conf_service *spec, unsigned limit)
{
	unsigned deepest = 0;

	for (const char *const *d = spec->depends_on; *d && limit > 0; d++) {
		struct service *on = service_by_name(c, *d);
		unsigned n;

		if (on == NULL || on->redis)
			continue;
		n = 1 + depth(c, on->spec, limit - 1);
		deepest = n > deepest ? n : deepest;
	}
	return deepest;
}

static void
set_stop(struct order *o)
{
	const struct conf_service *conf = o->r->process_conf;
	unsigned rank = depth(o->r->service->control, conf, 16);

	o->spec.rank = o->r->service->redis ? (uint8_t)SPAWN_REDIS
					    : (uint8_t)(SPAWN_INSTANCE + rank);
	o->spec.stop_signal = (uint8_t)conf->stop.signal;
	o->spec.stop_timeout_ms = (uint32_t)conf->stop.timeout_ms;
}

/* --- the order ------------------------------------------------------------ */

static int
fill(struct order *o, const char *const *command, struct err *err)
{
	struct replica *r = o->r;
	struct spawn_spec *spec = &o->spec;
	struct folders folders;
	int x = folders_name(r, &folders, err);

	if (x == 0)
		x = bounds_set(r, &o->bounds, spec, err);
	if (x < 0)
		return x;
	spec->slot = r->id;
	spec->log = r->process_conf->name;
	spec->directory = r->process_conf->directory;
	if (spec->directory == NULL)
		spec->directory = arena_copy(&o->arena, span_of(folders.state));
	spec->umask = 0007; /* a socket is for the workers' group, too */
	set_stop(o);
	x = folders_order(r, &folders, &o->arena, spec);
	if (x == 0)
		x = add_drover_env(o, &folders);
	if (x == 0)
		x = add_service_env(o);
	if (x == 0)
		x = set_argv(o, command);
	spec->env = o->env;
	return x < 0 ? err_errno(err, x, "environment or arguments") : 0;
}

static int
send_order(struct order *o, int note_len, struct err *err)
{
	struct control *c = o->r->service->control;
	int fds[1] = { o->listen_fd }, x;

	if (note_len < 0)
		return err_errno(err, note_len, "note");
	if (o->listen_fd >= 0)
		o->spec.nfds = o->spec.listen_fds = 1;
	o->spec.note = o->note;
	o->spec.note_len = (size_t)note_len;
	x = herd_spawn(c->herd, &o->spec, fds);
	return x < 0 ? err_errno(err, x, "order to the keeper") : 0;
}

static int
take_place(struct replica *r, struct order *o, struct err *err)
{
	struct control *c = r->service->control;
	int x;

	r->child = ++c->last_child;
	x = choose_address(r, o, err);
	if (x < 0)
		return x;
	if (r->service->redis)
		return 0;
	r->cell = cells_take(c);
	return r->cell < 0 ? err_set(err, -ENOSPC, "all %d endpoints in use",
				 SCOREBOARD_ENDPOINTS)
			   : 0;
}

static struct order *
order_new(struct replica *r)
{
	struct order *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->r = r;
	o->listen_fd = -1;
	arena_init(&o->arena, 8192, SPEC_ARENA_MAX);
	return o;
}

static void
order_free(struct order *o)
{
	fd_close(&o->listen_fd);
	arena_done(&o->arena);
	free(o);
}

int
launch_process(struct replica *r, struct err *err)
{
	struct order *o = order_new(r);
	int x;

	if (o == NULL)
		return err_errno(err, -ENOMEM, "order");
	x = take_place(r, o, err);
	if (x == 0)
		x = fill(o, r->process_conf->command, err);
	o->spec.id = r->child;
	if (x == 0)
		x = send_order(
		    o, note_replica(r, o->note, sizeof(o->note)), err);
	order_free(o);
	if (x < 0) {
		r->child = 0; /* the keeper has never heard of it */
		launch_release(r);
	}
	return x;
}

int
launch_check(struct replica *r, const char *const *command, uint64_t *child,
    struct err *err)
{
	struct control *c = r->service->control;
	struct order *o = order_new(r);
	int x;

	if (o == NULL)
		return err_errno(err, -ENOMEM, "order");
	o->spec.id = ++c->last_child;
	x = fill(o, command, err);
	if (x == 0)
		x = send_order(o, note_check(r, o->note, sizeof(o->note)), err);
	if (x == 0)
		*child = o->spec.id;
	order_free(o);
	return x;
}

void
launch_signal(struct replica *r, int signo, bool group)
{
	if (r->child != 0)
		(void)herd_signal(
		    r->service->control->herd, r->child, signo, group);
}

void
launch_release(struct replica *r)
{
	struct control *c = r->service->control;

	if (r->child != 0)
		folders_remove_tmp(r);

	/* The managed Redis comes back to the same path. */
	cells_bury(
	    c, r->cell, r->port, r->service->redis ? "" : socket_path(r));
	if (r->child != 0)
		(void)herd_forget(c->herd, r->child);
	r->cell = -1;
	r->port = 0;
	r->address[0] = '\0';
	r->child = 0;
	r->pid = 0;
	r->ready_at = 0;
	r->usage.mem_bytes = 0;
	r->usage.cpu_pct = 0;
}
