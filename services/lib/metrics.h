/* SPDX-License-Identifier: ISC */

/*
 * metrics - what a tool service counts, in Prometheus' text format
 *
 * Touched by the loop's thread alone; a count is a plain store. Routes are
 * given as an index, so that a caller's bytes never become a label.
 */

#ifndef SVC_METRICS_H
#define SVC_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "lib/pool.h"
#include "lib/problem.h"

#define SVC_METRICS_ROUTES 16  /* more share the last one's row */
#define SVC_METRICS_CODES 24   /* different statuses; more are not told apart */
#define SVC_METRICS_REFUSED 40 /* kinds of refusal; more are not told apart */
#define SVC_METRICS_BUCKETS 11

struct svc_metrics_route {
	const char *path; /* borrowed; NULL: not in use */
	uint64_t count[SVC_METRICS_CODES];
	uint64_t bucket[SVC_METRICS_BUCKETS + 1]; /* not cumulative */
	uint64_t sum_us;
};

struct svc_metrics {
	struct svc_metrics_route route[SVC_METRICS_ROUTES];
	unsigned code[SVC_METRICS_CODES]; /* 0: free */
	struct {
		const struct svc_problem *problem;
		uint64_t count;
	} refused[SVC_METRICS_REFUSED];
	uint64_t cancelled; /* callers that hung up */
	uint64_t bytes_in, bytes_out;
};

/* One request ended. problem may be NULL. */
void svc_metrics_count(struct svc_metrics *m, size_t route, unsigned status,
    const struct svc_problem *problem, uint64_t us);

struct svc_metrics_now {
	struct svc_pool_stat pool;
	size_t inflight;
	size_t held, held_max;	       /* bytes of request bodies */
	uint64_t spooled, spooled_max; /* those on disk; max 0: none are */
};

/* 0, -ENOBUFS or -ENOMEM. */
int svc_metrics_write(struct buf *out, const struct svc_metrics *m,
    const struct svc_metrics_now *now, const char *service) MUST_CHECK;

#endif /* SVC_METRICS_H */
