/* SPDX-License-Identifier: ISC */

/*
 * folders - a replica's folders, and the path of its socket
 *
 *	STATE/services/NAME	its state, shared by the copies	  0750
 *	CACHE/NAME		its cache, likewise		  0750
 *	STATE/tmp/ID.N		of this incarnation alone	  02770
 *	RUNTIME/i/ID.N/sock	where it binds (`listen: unix`)	  02770
 *	RUNTIME/i/ID.N.sock	where we bind for it (`listen: fd`)
 *
 * The keeper makes them, since only it can give them to another user. The
 * last two belong to the service's user and to the workers' group, which their
 * content inherits: so workers reach a socket, and control, which may be
 * unprivileged, removes what a dead incarnation has left.
 */

#ifndef CONTROL_FOLDERS_H
#define CONTROL_FOLDERS_H

#include <limits.h>

#include "base/arena.h"
#include "control/state.h"
#include "link/spawn.h"

struct folders {
	char state[PATH_MAX];
	char cache[PATH_MAX];
	char tmp[PATH_MAX];
};

/* -ENAMETOOLONG. */
int folders_name(
    const struct replica *r, struct folders *f, struct err *err) MUST_CHECK;

/* The socket's path into r->address; -ENAMETOOLONG. */
int folders_socket(struct replica *r, struct err *err) MUST_CHECK;

/* What the keeper makes, and what the sandbox leaves writable. -ENOMEM. */
int folders_order(const struct replica *r, const struct folders *f,
    struct arena *arena, struct spawn_spec *spec) MUST_CHECK;

/* The folders that others' folders stand in; made at the start. */
/*
 * Whether the folder that a key of `directories` names is one that we may use:
 * not there yet, or of our own user, or root's and, with `writes`, writable.
 * -EPERM or -EACCES with the key, the path and its owner.
 */
int folders_check(
    const char *key, const char *path, bool writes, struct err *err) MUST_CHECK;

int folders_make_roots(const struct conf *conf, struct err *err) MUST_CHECK;

/* This incarnation's own, when it is gone. */
void folders_remove_tmp(const struct replica *r);
void folders_remove_socket(const char *path); /* and its folder */

/* What workers run as: the configured user when started as root. */
void folders_worker_identity(const struct conf *conf, uid_t *uid, gid_t *gid);

#endif /* CONTROL_FOLDERS_H */
