/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "proc/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"

#define ROOT "/sys/fs/cgroup"
#define PERIOD 100000u /* us, the kernel's default */

/* --- files of a folder ---------------------------------------------------- */

static int
write_in(int dir, const char *leaf, const char *name, const char *text)
{
	char path[NAME_MAX + 64];
	ssize_t put;
	int fd, r;

	if (snprintf(path, sizeof(path), "%s/%s", leaf, name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	put = write(fd, text, strlen(text));
	r = put < 0 ? -errno : 0;
	fd_close(&fd);
	return r;
}

static int
read_in(int dir, const char *leaf, const char *name, char *out, size_t size)
{
	char path[NAME_MAX + 64];
	ssize_t got;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", leaf, name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = read(fd, out, size - 1);
	fd_close(&fd);
	if (got < 0)
		return -EIO;
	out[got] = '\0';
	return 0;
}

static bool
has_word(const char *text, const char *word)
{
	struct span rest = span_of(text), line, part;

	while (span_next(&rest, '\n', &line))
		while (span_next(&line, ' ', &part))
			if (span_eq(part, span_of(word)))
				return true;
	return false;
}

/* --- finding our own ------------------------------------------------------ */

static int
own_path(char *out, size_t size)
{
	struct span rest, line;
	struct buf b;
	int r;

	buf_init(&b, 64 << 10);
	r = fd_read_file("/proc/self/cgroup", &b);
	rest = buf_span(&b);
	if (r == 0)
		r = -ENOENT;
	while (r == -ENOENT && span_next(&rest, '\n', &line))
		if (span_starts(line, SPAN("0::/")))
			r = snprintf(out, size, ROOT "%.*s", (int)line.n - 3,
				line.p + 3) < (int)size
			    ? 0
			    : -ENAMETOOLONG;
	buf_done(&b);
	return r;
}

/* systemd's mark. Being able to write is none: root can write anywhere. */
static bool
was_delegated(int fd)
{
	char value[4];

	if (fgetxattr(fd, "user.delegate", value, sizeof(value)) > 0 ||
	    fgetxattr(fd, "trusted.delegate", value, sizeof(value)) > 0)
		return value[0] == '1';
	return false;
}

static int
open_own(const char *path, struct err *err)
{
	char own[PATH_MAX];
	int fd, r;

	r = path == NULL ? own_path(own, sizeof(own)) : 0;
	if (r < 0)
		return err_errno(err, r, "no cgroup v2 of ours");
	fd = open(
	    path != NULL ? path : own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "%s", path != NULL ? path : own);
	if (path == NULL && !was_delegated(fd)) {
		fd_close(&fd);
		return err_set(err, -EPERM, "%s was not delegated", own);
	}
	return fd;
}

/* A group with controllers for its leaves may hold no process itself. */
static int
take_over(struct cgroup *c, struct err *err)
{
	char text[512], pid[16];
	int r = read_in(c->fd, ".", "cgroup.controllers", text, sizeof(text));

	if (r < 0)
		return err_errno(err, r, "cgroup.controllers");
	if (!has_word(text, "memory") || !has_word(text, "cpu") ||
	    !has_word(text, "pids"))
		return err_set(err, -ENOTSUP,
		    "the cgroup lacks the controllers memory, cpu and pids");
	if (mkdirat(c->fd, "keeper", 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cgroup");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	r = write_in(c->fd, "keeper", "cgroup.procs", pid);
	if (r < 0)
		return err_errno(err, r, "cgroup.procs");
	r = write_in(
	    c->fd, ".", "cgroup.subtree_control", "+memory +cpu +pids");
	if (r < 0)
		return err_errno(err, r, "cgroup.subtree_control");
	return 0;
}

void
cgroup_init(struct cgroup *c, const char *path, struct err *err)
{
	*c = (struct cgroup){ .fd = open_own(path, err) };
	if (c->fd < 0) {
		c->fd = -1;
		return;
	}
	if (take_over(c, err) < 0) {
		fd_close(&c->fd);
		return;
	}
	c->memory = c->cpu = c->pids = true;
}

void
cgroup_done(struct cgroup *c)
{
	fd_close(&c->fd);
}

/* --- leaves --------------------------------------------------------------- */

/* All of them, each time: the leaf may have been somebody else's. */
static int
set_limits(
    struct cgroup *c, const char *leaf, const struct cgroup_limits *limits)
{
	char memory[32] = "max", cpu[48] = "max", pids[16] = "max";
	int r;

	if (limits->memory > 0)
		snprintf(memory, sizeof(memory), "%llu",
		    (unsigned long long)limits->memory);
	if (limits->cpu_percent > 0)
		snprintf(cpu, sizeof(cpu), "%llu %u",
		    (unsigned long long)limits->cpu_percent * (PERIOD / 100),
		    PERIOD);
	if (limits->processes > 0)
		snprintf(pids, sizeof(pids), "%u", limits->processes);
	r = write_in(c->fd, leaf, "memory.max", memory);
	/* An instance dies whole: half of one serves nobody. */
	if (r == 0)
		r = write_in(c->fd, leaf, "memory.oom.group", "1");
	if (r == 0)
		r = write_in(c->fd, leaf, "cpu.max", cpu);
	return r < 0 ? r : write_in(c->fd, leaf, "pids.max", pids);
}

int
cgroup_make(
    struct cgroup *c, const char *leaf, const struct cgroup_limits *limits)
{
	int r;

	if (mkdirat(c->fd, leaf, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = set_limits(c, leaf, limits);
	if (r < 0)
		cgroup_remove(c, leaf);
	return r;
}

int
cgroup_enter(struct cgroup *c, const char *leaf, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return write_in(c->fd, leaf, "cgroup.procs", text);
}

int
cgroup_kill(struct cgroup *c, const char *leaf)
{
	return write_in(c->fd, leaf, "cgroup.kill", "1");
}

bool
cgroup_was_oom(struct cgroup *c, const char *leaf)
{
	struct span rest, line;
	char text[512];
	uint64_t n;

	if (read_in(c->fd, leaf, "memory.events", text, sizeof(text)) < 0)
		return false;
	rest = span_of(text);
	while (span_next(&rest, '\n', &line))
		if (span_starts(line, SPAN("oom_kill ")) &&
		    str_u64((struct span){ line.p + 9, line.n - 9 }, &n) == 0)
			return n > 0;
	return false;
}

int
cgroup_remove(struct cgroup *c, const char *leaf)
{
	return unlinkat(c->fd, leaf, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int
cgroup_each(
    struct cgroup *c, void (*fn)(void *arg, const char *leaf), void *arg)
{
	int fd = openat(c->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		int r = -errno;

		fd_close(&fd);
		return r;
	}
	while ((e = readdir(dir)) != NULL)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			fn(arg, e->d_name);
	closedir(dir);
	return 0;
}
