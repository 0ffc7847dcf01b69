/* SPDX-License-Identifier: ISC */

/*
 * nursery - work on hostile bytes, each piece in a process of its own
 *
 * The nursery is a process of one thread, started from our own program with an
 * argument of its choosing. It is put into a sandbox once: no network, no new
 * privileges, no capabilities, nothing to write to (as far as the host gives
 * that). For each errand it forks a child, which has the libraries loaded
 * already, and with limits on memory, CPU time and the size of its answer. The
 * child gets the order's bytes and one descriptor, and gives back bytes; then
 * it is gone. Whatever it does meanwhile, crash, hang or grow, costs that one
 * errand. A nursery that dies is started anew, and what it had under way is
 * done again once.
 *
 * svc_nursery_run() blocks, on any thread. Nothing that comes out of a child is
 * believed: its length has a ceiling, and its meaning is the caller's to check.
 */

#ifndef SVC_NURSERY_H
#define SVC_NURSERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SVC_ORDER_MAX 1024u /* bytes */

struct svc_nursery;

struct svc_nursery_options {
	const char *argument; /* argv[1] of the process */
	const char *const *env;
	uint64_t memory; /* bytes of address space of a child */
	uint64_t cpu_s;	 /* seconds of CPU of a child */
	uint64_t out;	 /* bytes of an answer */
};

/* Starts the process. What is in options is borrowed. NULL with the reason. */
struct svc_nursery *svc_nursery_new(
    const struct svc_nursery_options *options, struct err *err) MUST_CHECK;
void svc_nursery_free(struct svc_nursery *n); /* no errand is under way */

struct svc_errand {
	struct span order; /* borrowed; at most SVC_ORDER_MAX */
	int fd;		   /* what the child reads; borrowed */
	int stop_fd;	   /* readable: stop it; -1: none */

	char *data; /* the answer; free() */
	size_t len;
	int signal; /* of -ECHILD, or 0 */
};

/*
 * 0 with an answer; -ECANCELED it was stopped; -ECHILD the child died without
 * one; -ETIME it had used up its CPU time; -EFBIG its answer was over the
 * ceiling; -EAGAIN, ...: it could not be started.
 */
int svc_nursery_run(
    struct svc_nursery *n, struct svc_errand *errand) MUST_CHECK;

/* --- the process ---------------------------------------------------------- */

struct svc_nursery_work {
	/* Once, before the first errand: what every child should have. */
	void (*warm)(void);

	/* In a child: fill out, whose ceiling is the answer's. */
	void (*run)(struct span order, int fd, struct buf *out);
};

/* What main() returns when argv[1] is the options' argument. */
int svc_nursery_main(const struct svc_nursery_work *work);

#endif /* SVC_NURSERY_H */
