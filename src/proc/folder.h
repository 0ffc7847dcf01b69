/* SPDX-License-Identifier: ISC */

/*
 * folder - a folder that is made for somebody else
 */

#ifndef PROC_FOLDER_H
#define PROC_FOLDER_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Make path where it is missing, and give it to uid and gid with that mode.
 * Its parents are made as the caller's own, 0755. What the caller may not give
 * away is left as it is when it is the uid's already. A symbolic link or a
 * file in its place is -ENOTDIR or -ELOOP.
 */
int folder_give(const char *path, mode_t mode, uid_t uid, gid_t gid,
    struct err *err) MUST_CHECK;

#endif /* PROC_FOLDER_H */
