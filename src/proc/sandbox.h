/* SPDX-License-Identifier: ISC */

/*
 * sandbox - what a child may not, applied between fork and exec
 *
 * Two halves: sandbox_enter() before the user changes, since namespaces,
 * mounts and the bounding set need privileges, and sandbox_seal() after it.
 * An unprivileged caller gets its namespaces through a user namespace of its
 * own. Nothing here allocates.
 *
 * read_only makes every mount of the child's namespace read-only but the
 * folders in `writable` (and /tmp with private_tmp, and a private /dev/shm).
 * private_tmp is an empty tmpfs on /tmp; writable folders below /tmp are
 * bound to their place in it. no_network is an empty network namespace: Unix
 * sockets in the file system go on working.
 */

#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include <stdbool.h>

#include "base/array.h"

#define SANDBOX_WRITABLE 32u

struct sandbox {
	bool private_tmp;
	bool read_only;
	bool no_network;
	bool no_new_privs;
	bool drop_capabilities;
	bool optional; /* go on without what the host cannot give */
	const char *const *writable; /* absolute folders; NULL at the end */
};

/* In the child. 0, or the negative errno of what the host refused. */
int sandbox_enter(const struct sandbox *s) MUST_CHECK;
int sandbox_seal(const struct sandbox *s) MUST_CHECK;

/* In a throw-away child of its own: can we make namespaces and mounts? */
bool sandbox_possible(void);

#endif /* PROC_SANDBOX_H */
