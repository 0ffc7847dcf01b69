/* SPDX-License-Identifier: ISC */

/*
 * fd - file descriptors: closing, flags, whole writes, whole files
 *
 * Every descriptor that drover opens is close-on-exec from birth.
 */

#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Close *fd unless it is -1, and set it to -1. errno is kept. */
void fd_close(int *fd);

int fd_nonblock(int fd) MUST_CHECK; /* 0 or a negative errno */

/* All n bytes, through EINTR; blocks. For pipes to ourselves and files. */
int fd_write_all(int fd, const void *data, size_t n);

/* Append the whole file to b; -ENOBUFS over b's ceiling. */
int fd_read_file(const char *path, struct buf *b) MUST_CHECK;

/*
 * Replace path with these bytes so that after a crash either the old or the
 * new contents are there: temporary file, fsync, rename, fsync of the folder.
 */
int fd_replace_file(const char *path, const void *data, size_t n, unsigned mode,
    struct err *err) MUST_CHECK;

/* mkdir -p, with that mode whatever the umask; existing folders stay as they
 * are. */
int fd_mkdirs(const char *path, unsigned mode, struct err *err) MUST_CHECK;

/*
 * rm -rf: remove path and all below it, never through a symbolic link and
 * never onto another file system. What cannot be removed stays; folders nested
 * deeper than 32 stay too. A path that is not there is fine.
 */
void fd_remove_tree(const char *path);

#endif /* BASE_FD_H */
