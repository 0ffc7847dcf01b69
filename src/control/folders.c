/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "control/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"

#define SOCKET_NAME "/sock"

int
folders_name(const struct replica *r, struct folders *f, struct err *err)
{
	const struct conf_dirs *dirs = &r->service->control->conf->dirs;
	const char *name = r->process_conf->name;
	int a, b, t;

	a = snprintf(
	    f->state, sizeof(f->state), "%s/services/%s", dirs->state, name);
	b = snprintf(f->cache, sizeof(f->cache), "%s/%s", dirs->cache, name);
	t = snprintf(f->tmp, sizeof(f->tmp), "%s/tmp/%s.%llu", dirs->state,
	    r->id, (unsigned long long)r->child);
	if (a >= PATH_MAX || b >= PATH_MAX || t >= PATH_MAX)
		return err_errno(err, -ENAMETOOLONG, "folders of %s", name);
	return 0;
}

int
folders_socket(struct replica *r, struct err *err)
{
	const char *runtime = r->service->control->conf->dirs.runtime;
	bool ours = r->process_conf->listen == CONF_SOCKET_FD;
	struct sockaddr_un sun;
	int n;

	if (r->service->redis)
		n = snprintf(r->address, sizeof(r->address),
		    "unix:%s/redis.sock", runtime);
	else
		n = snprintf(r->address, sizeof(r->address),
		    "unix:%s/i/%s.%llu%s", runtime, r->id,
		    (unsigned long long)r->child, ours ? ".sock" : SOCKET_NAME);
	if (n < 0 || (size_t)n - 5 >= sizeof(sun.sun_path))
		return err_set(err, -ENAMETOOLONG,
		    "socket path %s is over %zu bytes", r->address + 5,
		    sizeof(sun.sun_path) - 1);
	return 0;
}

/* The folder of a socket that the service binds; empty: not such a path. */
static struct span
socket_folder(const char *path)
{
	struct span s = span_of(path);
	size_t tail = sizeof(SOCKET_NAME) - 1;

	if (s.n <= tail || memcmp(s.p + s.n - tail, SOCKET_NAME, tail) != 0)
		return (struct span){ "", 0 };
	s.n -= tail;
	return s;
}

int
folders_order(const struct replica *r, const struct folders *f,
    struct arena *arena, struct spawn_spec *spec)
{
	const char **owned = arena_alloc(arena, 3 * sizeof(*owned));
	const char **shared = arena_alloc(arena, 3 * sizeof(*shared));
	const char **writable = arena_alloc(arena, 5 * sizeof(*writable));
	struct span at = { "", 0 };
	uid_t uid;

	if (owned == NULL || shared == NULL || writable == NULL)
		return -ENOMEM;
	if (strncmp(r->address, "unix:", 5) == 0)
		at = socket_folder(r->address + 5);
	writable[0] = owned[0] = arena_copy(arena, span_of(f->state));
	writable[1] = owned[1] = arena_copy(arena, span_of(f->cache));
	writable[2] = shared[0] = arena_copy(arena, span_of(f->tmp));
	if (at.n > 0)
		writable[3] = shared[1] = arena_copy(arena, at);
	if (owned[0] == NULL || owned[1] == NULL || shared[0] == NULL ||
	    (at.n > 0 && shared[1] == NULL))
		return -ENOMEM;
	spec->owned = owned;
	spec->shared = shared;
	spec->writable = writable;
	folders_worker_identity(
	    r->service->control->conf, &uid, &spec->shared_gid);
	return 0;
}

static const char *
user_name(uid_t uid, char *out, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		snprintf(out, size, "%s", pw->pw_name);
	else
		snprintf(out, size, "uid %u", (unsigned)uid);
	return out;
}

int
folders_check(const char *key, const char *path, bool writes, struct err *err)
{
	char owner[64], us[64];
	struct stat st;

	if (stat(path, &st) < 0)
		return 0; /* whoever makes it says why it cannot be made */
	user_name(st.st_uid, owner, sizeof(owner));
	user_name(geteuid(), us, sizeof(us));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "directories.%s: %s is no folder",
		    key, path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, -EPERM,
		    "directories.%s: %s belongs to %s, and drover runs as %s: "
		    "run it as %s, or give the folder away",
		    key, path, owner, us, owner);
	if (writes && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
		return err_set(err, -EACCES,
		    "directories.%s: %s belongs to %s, and drover runs as %s, "
		    "which may not write there",
		    key, path, owner, us);
	return 0;
}

int
folders_make_roots(const struct conf *conf, struct err *err)
{
	const struct conf_dirs *d = &conf->dirs;
	const char *const roots[][2] = { { d->runtime, "i" },
		{ d->state, "services" }, { d->state, "tmp" },
		{ d->cache, "" } };
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(roots); i++) {
		snprintf(path, sizeof(path), "%s/%s", roots[i][0], roots[i][1]);
		r = fd_mkdirs(path, 0755, err);
	}
	if (r == 0 && !conf->log_journal)
		r = fd_mkdirs(d->logs, 0755, err);
	return r;
}

void
folders_remove_tmp(const struct replica *r)
{
	struct folders f;

	if (folders_name(r, &f, NULL) == 0)
		fd_remove_tree(f.tmp);
}

void
folders_remove_socket(const char *path)
{
	struct span at = socket_folder(path);
	char folder[PATH_MAX];

	unlink(path);
	if (at.n > 0 && str_copy(folder, sizeof(folder), at) == 0)
		rmdir(folder);
}

void
folders_worker_identity(const struct conf *conf, uid_t *uid, gid_t *gid)
{
	struct passwd *pw = NULL;

	*uid = geteuid();
	*gid = getegid();
	if (geteuid() == 0 && conf->user != NULL)
		pw = getpwnam(conf->user);
	if (pw == NULL)
		return;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
}
