/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "lib/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *
folder(void)
{
	const char *path = getenv("DROVER_TMP_DIR");

	if (path == NULL || path[0] == '\0')
		path = getenv("TMPDIR");
	return path != NULL && path[0] != '\0' ? path : "/tmp";
}

/* Where the file system makes no file without a name. */
static int
open_and_unlink(const char *path)
{
	char name[PATH_MAX];
	int n = snprintf(name, sizeof(name), "%s/body-XXXXXX", path);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(name))
		return -ENAMETOOLONG;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)unlink(name);
	return fd;
}

int
svc_spool_open(void)
{
	const char *path = folder();
	int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	return open_and_unlink(path);
}

uint64_t
svc_spool_room(int fd)
{
	struct statvfs s;

	if (fstatvfs(fd, &s) < 0)
		return UINT64_MAX;
	return (uint64_t)s.f_bavail * s.f_frsize;
}
