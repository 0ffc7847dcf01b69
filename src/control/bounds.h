/* SPDX-License-Identifier: ISC */

/*
 * bounds - what a service's processes may not, from configuration to order
 *
 * The other half is the keeper's (proc/sandbox.h). What nobody could give to
 * a process of an optional sandbox is a set of bits that stays with it:
 * bounds_missing() names them for status and log.
 */

#ifndef CONTROL_BOUNDS_H
#define CONTROL_BOUNDS_H

#include "control/state.h"
#include "model/seccomp.h"

struct bounds { /* what the order points into */
	struct sock_filter filter[SECCOMP_STEPS_MAX];
};

/*
 * Set user, sandbox and resources in spec. -ENOENT: no such user; -ENOTSUP: no
 * filter of system calls here. Where the sandbox is optional, spec->missing
 * says so instead.
 */
int bounds_set(const struct replica *r, struct bounds *b,
    struct spawn_spec *spec, struct err *err) MUST_CHECK;

/* What is missing to a process, when the keeper said `told`. */
unsigned bounds_not_given(const struct replica *r, unsigned told);

/* Call fn with the key of each bit: "sandbox.network". */
void bounds_each(
    unsigned missing, void (*fn)(void *arg, const char *key), void *arg);

/* "sandbox.read_only, sandbox.network". Returns out. */
const char *bounds_text(unsigned missing, char *out, size_t size);

#endif /* CONTROL_BOUNDS_H */
