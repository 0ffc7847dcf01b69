/* SPDX-License-Identifier: ISC */

/*
 * manifest - all that a keeper knows, for the program that it becomes
 *
 * An upgrade is an exec in place: the process, its children, descriptors and
 * locks stay, its memory does not. What was in memory goes into a memfd, as
 * messages of link/keeper_msg, each behind its length (32 bits):
 *
 *	SELF SET_LOGS (CHILD KEPT)... RING... KEPT_FD... READY
 *
 * A program reads what the one before it wrote, and refuses what comes from a
 * newer one than itself, or makes no sense, with the reason and before it
 * touched anything. So a candidate can be asked first: manifest_check() reads
 * a copy, and its sum shows that it understood all of it.
 */

#ifndef KEEPER_MANIFEST_H
#define KEEPER_MANIFEST_H

#include <stdint.h>

#include "base/err.h"

#define MANIFEST_MAX (256u << 20) /* bytes */

struct keeper;

/* Into an empty memfd. 0 or a negative errno. */
int manifest_write(struct keeper *k, int fd) MUST_CHECK;

/* Read all of it, and its sum (of the bytes, the same in each program). */
int manifest_check(int fd, uint64_t *sum, struct err *err) MUST_CHECK;

/*
 * Fill an open, empty keeper. Descriptors that the manifest names are the
 * keeper's from here on, and close-on-exec again.
 */
int manifest_restore(struct keeper *k, int fd, struct err *err) MUST_CHECK;

/* fn for each descriptor that the manifest names. */
void manifest_each_fd(struct keeper *k, void (*fn)(int fd));

#endif /* KEEPER_MANIFEST_H */
