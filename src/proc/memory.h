/* SPDX-License-Identifier: ISC */

/*
 * memory - how much more there is to take
 *
 * The least of what the host can give without swapping (MemAvailable of
 * proc(5)) and what each cgroup (v2) that a process is in leaves: memory.max
 * less what is in use, files that nobody reads any more not counted. It is true
 * for a moment, and nothing is reserved by it.
 */

#ifndef PROC_MEMORY_H
#define PROC_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

/*
 * In bytes; UINT64_MAX: nothing is known, or nothing limits it. root stands
 * before /proc and /sys: "".
 */
uint64_t memory_available(const char *root, pid_t pid);

#endif /* PROC_MEMORY_H */
