/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "proc/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* Through the descriptor: nobody can put another thing in its place. */
static int
give(int fd, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != uid || st.st_gid != gid) &&
	    fchown(fd, uid, gid) < 0 && (errno != EPERM || st.st_uid != uid))
		return -errno;
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}

int
folder_give(
    const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *err)
{
	int r = fd_mkdirs(path, 0755, err), fd;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "folder %s", path);
	r = give(fd, mode, uid, gid);
	fd_close(&fd);
	return r < 0 ? err_errno(err, r, "cannot give folder %s to uid %u",
			   path, (unsigned)uid)
		     : 0;
}
