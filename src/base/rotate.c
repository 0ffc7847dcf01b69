/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "base/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

void
rotate_init(struct rotate *f, uint64_t max, unsigned keep)
{
	*f = (struct rotate){ .max = max, .keep = keep, .fd = -1 };
}

void
rotate_close(struct rotate *f)
{
	fd_close(&f->fd);
}

/* Number 0 is the one that is written. */
static int
path_of(const char *path, unsigned number, char *out)
{
	int n = number == 0 ? snprintf(out, PATH_MAX, "%s", path)
			    : snprintf(out, PATH_MAX, "%s.%u", path, number);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int
open_file(struct rotate *f, const char *path)
{
	struct stat st;

	/* Non-blocking: a FIFO in its place must not hold us. */
	f->fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0640);
	if (f->fd < 0)
		return -errno;
	if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(&f->fd);
		return -EINVAL;
	}
	f->size = (uint64_t)st.st_size;
	return 0;
}

static void
shift(struct rotate *f, const char *path)
{
	char from[PATH_MAX], to[PATH_MAX];

	fd_close(&f->fd);
	if (f->keep == 0)
		unlink(path);
	for (unsigned i = f->keep; i > 0; i--)
		if (path_of(path, i - 1, from) == 0 &&
		    path_of(path, i, to) == 0)
			rename(from, to);
}

int
rotate_open(struct rotate *f, const char *path, size_t n)
{
	int r = f->fd < 0 ? open_file(f, path) : 0;

	if (r < 0 || f->max == 0 || f->size == 0 || f->size + n <= f->max)
		return r;
	shift(f, path);
	return open_file(f, path);
}

int
rotate_append(struct rotate *f, const char *path, const void *data, size_t n)
{
	ssize_t put;
	int r = rotate_open(f, path, n);

	if (r < 0)
		return r;
	put = write(f->fd, data, n);
	if (put == (ssize_t)n) {
		f->size += n;
		return 0;
	}
	r = put < 0 ? -errno : -ENOSPC;
	if (put > 0 && ftruncate(f->fd, (off_t)f->size) < 0)
		f->size += (size_t)put;
	return r;
}
