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
 * sockets in the file system go on working. filter is a BPF program that the
 * kernel runs at each system call from the exec on.
 *
 * Each setting is given whole, or is an error; or with `optional` is left out
 * and told.
 */

#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

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
	const void *filter; /* struct sock_filter[], aligned as it comes */
	size_t filter_len;  /* bytes; 0: none */
};

enum sandbox_missing { /* bits, as in link/spawn.h */
	SANDBOX_NO_PRIVATE_TMP = 2,
	SANDBOX_NO_READ_ONLY = 4,
	SANDBOX_NO_NETWORK = 8,
	SANDBOX_NO_CAPABILITIES = 16,
	SANDBOX_NO_FILTER = 32
};

/*
 * In the child. 0, or the negative errno of what the host refused; with
 * `optional` 0, and the bits of what it refused are added to *missing.
 */
int sandbox_enter(const struct sandbox *s, unsigned *missing) MUST_CHECK;
int sandbox_seal(const struct sandbox *s, unsigned *missing) MUST_CHECK;

/* In a throw-away child of its own: can we make namespaces and mounts? */
bool sandbox_possible(void);

#endif /* PROC_SANDBOX_H */
