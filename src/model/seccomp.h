/* SPDX-License-Identifier: ISC */

/*
 * seccomp - which system calls a service may make, as a filter for the kernel
 *
 * The calls that no service needs, in groups, each of which can be given
 * back; everything else is allowed, up to the newest call that the table
 * knows. seccomp_build() writes the classic BPF program that the kernel runs
 * at each call (it remembers those that are always allowed, so read() and its
 * like cost what they do without).
 *
 * - A refused call is answered, not punished: EPERM, EAFNOSUPPORT from
 *   socket(), ENOSYS where the C library has another way (clone3) or the call
 *   is newer than the table. A program that tries one and can do without goes
 *   on.
 * - A call of another architecture (32-bit on 64-bit, x32) ends the process
 *   with SIGSYS: none of its numbers mean what the table says.
 *
 * Pure: it builds bytes, and asks the kernel nothing. x86-64, aarch64 and
 * riscv64.
 */

#ifndef MODEL_SECCOMP_H
#define MODEL_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>

#include "base/str.h"

/* seccomp_groups[] is in this order. */
enum seccomp_group {
	SECCOMP_FILESYSTEM,
	SECCOMP_NAMESPACES,
	SECCOMP_KERNEL,
	SECCOMP_CLOCK,
	SECCOMP_DEBUG,
	SECCOMP_KEYRING,
	SECCOMP_IO_URING,
	SECCOMP_SOCKETS,
	SECCOMP_OBSOLETE,
	SECCOMP_NEWER,
	SECCOMP_NGROUPS
};

#define SECCOMP_STEPS_MAX 160u

/* name is what the configuration says; text tells a person what and why. */
struct seccomp_group_info {
	const char *name, *text;
};
extern const struct seccomp_group_info seccomp_groups[SECCOMP_NGROUPS];

/* The group of that name, or -1. */
int seccomp_group_parse(const char *name);

/*
 * The filter without the groups of which the bit (1 << group) is set in
 * `allowed`: how many steps of out it took, or -ENOTSUP on an architecture
 * that the table does not know.
 */
int seccomp_build(
    unsigned allowed, struct sock_filter out[SECCOMP_STEPS_MAX]) MUST_CHECK;

#endif /* MODEL_SECCOMP_H */
