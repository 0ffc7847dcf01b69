/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TMP "/tmp"
#define TMP_OPTIONS "mode=1777,size=256m"
#define SHM "/dev/shm"
#define SHM_OPTIONS "mode=1777,size=64m"

static bool
wants_mounts(const struct sandbox *s)
{
	return s->private_tmp || s->read_only;
}

/* --- namespaces ----------------------------------------------------------- */

static int
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t put;
	int r;

	if (fd < 0)
		return -errno;
	put = write(fd, text, strlen(text));
	r = put < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* In a new user namespace we stay who we are. */
static int
map_self(uid_t uid, gid_t gid)
{
	char text[64];
	int r = write_text("/proc/self/setgroups", "deny");

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	r = write_text("/proc/self/uid_map", text);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	return write_text("/proc/self/gid_map", text);
}

static int
make_namespaces(int flags)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(flags) == 0)
		return 0;
	if (errno != EPERM || uid == 0)
		return -errno;
	if (unshare(flags | CLONE_NEWUSER) < 0)
		return -errno;
	return map_self(uid, gid);
}

/* --- mounts --------------------------------------------------------------- */

static int
set_read_only(const char *path, bool on, unsigned flags)
{
	struct mount_attr attr = {
		.attr_set = on ? MOUNT_ATTR_RDONLY : 0,
		.attr_clr = on ? 0 : MOUNT_ATTR_RDONLY,
	};

	return mount_setattr(AT_FDCWD, path, flags, &attr, sizeof(attr)) < 0
	    ? -errno
	    : 0;
}

/* mkdir -p, without an allocation, for whomever we become to pass. */
static int
make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static bool
below_tmp(const char *path)
{
	return strncmp(path, TMP "/", sizeof(TMP)) == 0;
}

/* A folder that the new /tmp hides comes back at its old place. */
static int
bind_from(int fd, const char *path)
{
	char source[40];
	mode_t mask = umask(0022);
	int r = make_folders(path);

	umask(mask);
	if (r < 0)
		return r;
	snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
	return mount(source, path, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno
								     : 0;
}

static int
mount_tmp(const struct sandbox *s)
{
	int fds[SANDBOX_WRITABLE];
	size_t n = 0;
	int r = 0;

	for (; s->writable != NULL && s->writable[n] != NULL; n++) {
		if (n == SANDBOX_WRITABLE)
			return -E2BIG;
		fds[n] = -1;
		if (!below_tmp(s->writable[n]))
			continue;
		fds[n] = open(s->writable[n], O_PATH | O_CLOEXEC);
		if (fds[n] < 0)
			return -errno;
	}
	if (mount("tmpfs", TMP, "tmpfs", MS_NOSUID | MS_NODEV, TMP_OPTIONS) < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < n; i++)
		if (fds[i] >= 0)
			r = bind_from(fds[i], s->writable[i]);
	return r;
}

static int
mount_read_only(const struct sandbox *s)
{
	const char *const *w = s->writable;
	int r = 0;

	/* A folder can differ from its surroundings only as its own mount. */
	for (size_t i = 0; w != NULL && w[i] != NULL; i++)
		if (mount(w[i], w[i], NULL, MS_BIND | MS_REC, NULL) < 0)
			return -errno;
	if (mount("tmpfs", SHM, "tmpfs", MS_NOSUID | MS_NODEV, SHM_OPTIONS) <
		0 &&
	    errno != ENOENT)
		return -errno;
	r = set_read_only("/", true, AT_RECURSIVE);
	for (size_t i = 0; r == 0 && w != NULL && w[i] != NULL; i++)
		r = set_read_only(w[i], false, 0);
	if (r == 0 && s->private_tmp)
		r = set_read_only(TMP, false, 0);
	if (r == 0) {
		r = set_read_only(SHM, false, 0);
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

/* 0; or an error, or with `optional` a missing bit in its place. */
static int
missed(const struct sandbox *s, int r, unsigned bits, unsigned *missing)
{
	if (r == 0 || !s->optional)
		return r;
	*missing |= bits;
	return 0;
}

static int
make_mounts(const struct sandbox *s, unsigned *missing)
{
	int r = 0;

	if (s->private_tmp)
		r = missed(s, mount_tmp(s), SANDBOX_NO_PRIVATE_TMP, missing);
	if (r == 0 && s->read_only)
		r = missed(
		    s, mount_read_only(s), SANDBOX_NO_READ_ONLY, missing);
	return r;
}

static int
isolate(const struct sandbox *s, unsigned *missing)
{
	int flags = (wants_mounts(s) ? CLONE_NEWNS : 0) |
	    (s->no_network ? CLONE_NEWNET : 0);
	unsigned mounts = (s->private_tmp ? SANDBOX_NO_PRIVATE_TMP : 0) |
	    (s->read_only ? SANDBOX_NO_READ_ONLY : 0);
	int r;

	if (flags == 0)
		return 0;
	r = make_namespaces(flags);
	if (r < 0)
		return missed(s, r,
		    mounts | (s->no_network ? SANDBOX_NO_NETWORK : 0), missing);
	if (mounts == 0)
		return 0;
	/* Nothing of ours may show outside. */
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return missed(s, -errno, mounts, missing);
	return make_mounts(s, missing);
}

/* --- privileges ----------------------------------------------------------- */

static int
drop_bounding(void)
{
	for (int cap = 0; cap <= 63; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int
drop_all(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

static int
filter_calls(const struct sandbox *s)
{
	const struct sock_fprog program = {
		.len = (unsigned short)(s->filter_len /
		    sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)s->filter,
	};

	if (s->filter_len == 0)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0
	    ? -errno
	    : 0;
}

int
sandbox_enter(const struct sandbox *s, unsigned *missing)
{
	int r = isolate(s, missing);

	if (r < 0 || !s->drop_capabilities)
		return r;
	r = drop_bounding();
	/* Without CAP_SETPCAP there is nothing to drop that exec could give
	 * back under no_new_privs. */
	if (r == -EPERM && geteuid() != 0)
		return 0;
	return missed(s, r, SANDBOX_NO_CAPABILITIES, missing);
}

int
sandbox_seal(const struct sandbox *s, unsigned *missing)
{
	int r = 0;

	if (s->drop_capabilities)
		r = missed(s, drop_all(), SANDBOX_NO_CAPABILITIES, missing);
	if (r < 0)
		return r;
	if (s->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* The last: what it refuses is no longer ours either. */
	return missed(s, filter_calls(s), SANDBOX_NO_FILTER, missing);
}

bool
sandbox_possible(void)
{
	const struct sandbox all = {
		.private_tmp = true, .read_only = true, .no_network = true
	};
	unsigned missing = 0;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(isolate(&all, &missing) == 0 ? 0 : 1);
	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
