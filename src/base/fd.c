/* SPDX-License-Identifier: ISC */

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int
fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int
fd_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			poll(&pfd, 1, -1);
			continue;
		}
		if (put < 0)
			return -errno;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

int
fd_read_file(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	for (;;) {
		char chunk[4096];
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		r = got < 0 ? -errno : buf_append(b, chunk, (size_t)got);
		if (r < 0 || got == 0)
			break;
	}
	fd_close(&fd);
	return r;
}

static int
write_synced(const char *path, const void *data, size_t n, unsigned mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	fd_close(&fd);
	return r;
}

static int
sync_parent(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, r = 0;

	if (slash == NULL)
		slash = path;
	if (str_copy(dir, sizeof(dir),
		(struct span){ path, (size_t)(slash - path) }) < 0)
		return -ENAMETOOLONG;
	fd = open(dir[0] ? dir : (*path == '/' ? "/" : "."),
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	fd_close(&fd);
	return r;
}

int
fd_replace_file(const char *path, const void *data, size_t n, unsigned mode,
    struct err *err)
{
	char tmp[PATH_MAX];
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
		return err_errno(err, -ENAMETOOLONG, "%s", path);
	r = write_synced(tmp, data, n, mode);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_parent(path);
	if (r < 0) {
		unlink(tmp);
		return err_errno(err, r, "cannot write %s", path);
	}
	return 0;
}

/* chmod: who runs with a umask must not shut others out of what is for them. */
static int
make_folder(const char *path, unsigned mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

int
fd_mkdirs(const char *path, unsigned mode, struct err *err)
{
	char part[PATH_MAX];
	int r = str_copy(part, sizeof(part), span_of(path));

	if (r < 0)
		return err_errno(err, r, "%s", path);
	for (char *p = part + 1; part[0] != '\0'; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		r = make_folder(part, mode);
		if (r < 0)
			return err_errno(err, r, "cannot make folder %s", part);
		*p = c;
		if (c == '\0')
			break;
	}
	return 0;
}

#define TREE_DEPTH 32

static void remove_below(int parent, const char *name, dev_t dev, int depth);

static void
remove_entry(int dir, const char *name, dev_t dev, int depth)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	if (unlinkat(dir, name, 0) == 0)
		return;
	if (depth < TREE_DEPTH)
		remove_below(dir, name, dev, depth + 1);
	unlinkat(dir, name, AT_REMOVEDIR);
}

static void
remove_below(int parent, const char *name, dev_t dev, int depth)
{
	int fd = openat(
	    parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return;
	dir = fstat(fd, &st) == 0 && (dev == 0 || st.st_dev == dev)
	    ? fdopendir(fd)
	    : NULL;
	if (dir == NULL) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		remove_entry(fd, e->d_name, st.st_dev, depth);
	closedir(dir);
}

void
fd_remove_tree(const char *path)
{
	if (unlink(path) == 0)
		return;
	remove_below(AT_FDCWD, path, 0, 0);
	rmdir(path);
}
