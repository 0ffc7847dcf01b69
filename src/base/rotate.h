/* SPDX-License-Identifier: ISC */

/*
 * rotate - a file that is appended to, and renamed before it gets too large
 *
 * PATH is renamed to PATH.1 (and that to PATH.2, ...) before it would exceed
 * `max` bytes; `keep` old ones stay. It opens at the first append, never
 * follows a symbolic link and never waits: a FIFO in its place is -EINVAL. What
 * does not go in whole is taken out again, so that no half line spoils the
 * next. Whoever appends owns the file: one process at a time.
 */

#ifndef BASE_ROTATE_H
#define BASE_ROTATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct rotate {
	uint64_t max;  /* 0: never rotated */
	unsigned keep; /* beside the current one */
	int fd;	       /* -1: opens at the next append */
	uint64_t size; /* of the file that is open */
};

void rotate_init(struct rotate *f, uint64_t max, unsigned keep);
void rotate_close(struct rotate *f); /* opens again at the next append */

/* Make it ready for n more bytes: rotated if need be, and open. -errno. */
int rotate_open(struct rotate *f, const char *path, size_t n) MUST_CHECK;

/* All of it or nothing: 0 or a negative errno, -ENOSPC for half a write. */
int rotate_append(
    struct rotate *f, const char *path, const void *data, size_t n) MUST_CHECK;

#endif /* BASE_ROTATE_H */
