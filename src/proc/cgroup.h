/* SPDX-License-Identifier: ISC */

/*
 * cgroup - limits and kills by cgroup v2, where a subtree was delegated
 *
 * The caller's own group becomes an inner node: the caller itself moves to the
 * leaf "keeper" below it, and each child gets a leaf of its own. Nothing is
 * offered unless the subtree was handed to us (systemd's delegate mark), we may
 * write to it, and it has the controllers memory, cpu and pids to give: in
 * hybrid hierarchies those are v1's.
 */

#ifndef PROC_CGROUP_H
#define PROC_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct cgroup {
	int fd; /* of our own group's folder; -1: nothing is offered */
	bool memory;
	bool cpu;
	bool pids;
};

struct cgroup_limits {	 /* 0: none */
	uint64_t memory; /* bytes */
	unsigned cpu_percent;
	unsigned processes;
};

/*
 * Find out, and move. path: the folder to use instead of our own, taken as
 * delegated; NULL: find it. Failure is no error: fd is -1 and err says why.
 */
void cgroup_init(struct cgroup *c, const char *path, struct err *err);
void cgroup_done(struct cgroup *c);

/* A leaf with these limits, new or not. On failure it is removed. */
int cgroup_make(struct cgroup *c, const char *leaf,
    const struct cgroup_limits *limits) MUST_CHECK;
int cgroup_enter(struct cgroup *c, const char *leaf, pid_t pid) MUST_CHECK;
int cgroup_kill(struct cgroup *c, const char *leaf); /* SIGKILL to all in it */
bool cgroup_was_oom(struct cgroup *c, const char *leaf);
int cgroup_remove(struct cgroup *c, const char *leaf); /* -EBUSY: not empty */
int cgroup_each(
    struct cgroup *c, void (*fn)(void *arg, const char *leaf), void *arg);

#endif /* PROC_CGROUP_H */
