/* SPDX-License-Identifier: ISC */

/*
 * record - the children of a process, in a file that survives it
 *
 * A small mapped file of pids and start times. It is written before a child
 * may go, so whoever opens the record after a kill -9 finds every process that
 * was left, and kills them: their groups, and whatever carries the mark
 * <variable>=<incarnation>.<anything> in its environment. Entries of another
 * boot are ignored. A lock says whether the owner lives.
 */

#ifndef PROC_RECORD_H
#define PROC_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define RECORD_MAX 4096u	   /* children */
#define RECORD_MARK "DROVER_CHILD" /* the variable */

struct record;

/*
 * Open or make the file, kill what a dead owner left (waiting until it is
 * gone, 2 s at most), and begin anew under incarnation (32 characters).
 * -EBUSY: its owner lives. killed: how many; may be NULL.
 */
int record_open(struct record **record, const char *path,
    const char *incarnation, unsigned *killed, struct err *err) MUST_CHECK;
void record_close(struct record *r); /* and removes the file */

/*
 * The descriptor that has the lock: kept through an exec, record_resume() of
 * the new program goes on with it. -EBADF: not the record of incarnation.
 */
int record_fd(const struct record *r);
int record_resume(struct record **record, const char *path, int fd,
    const char *incarnation, struct err *err) MUST_CHECK;

/* Its place, or -ENOSPC. */
int record_put(struct record *r, pid_t pid, uint64_t started) MUST_CHECK;
void record_drop(struct record *r, size_t place);

#endif /* PROC_RECORD_H */
