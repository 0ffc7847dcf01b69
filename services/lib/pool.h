/* SPDX-License-Identifier: ISC */

/*
 * pool - threads for work that blocks, with a bounded queue before them
 *
 * Work is embedded in what it is done for and belongs to the caller until it
 * is submitted; from then on to the pool, until done() or a cancellation that
 * came in time. run() is on a worker thread, everything else on the loop's.
 * The pool never stops running work: who wants that shares a flag with run().
 */

#ifndef SVC_POOL_H
#define SVC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "loop/loop.h"

struct svc_pool;

enum svc_work_state {
	SVC_WORK_IDLE,
	SVC_WORK_WAITING,
	SVC_WORK_RUNNING,
	SVC_WORK_FINISHED,
};

struct svc_work {
	struct link link;	   /* the pool's */
	enum svc_work_state state; /* the pool's */
	uint64_t started_ms;	   /* the pool's */
	void (*run)(struct svc_work *work);
	void (*done)(struct svc_work *work); /* may free the work */
};

/*
 * `threads` workers, at most `queue` pieces of work waiting for one. Signals
 * stay with the calling thread. NULL with the reason.
 */
struct svc_pool *svc_pool_new(
    struct loop *loop, size_t threads, size_t queue, struct err *err);

/* Waits for what runs; what waits is neither run nor told. */
void svc_pool_free(struct svc_pool *pool);

/* 0, or -EAGAIN when the queue is full. */
int svc_pool_submit(struct svc_pool *pool, struct svc_work *work) MUST_CHECK;

/*
 * True: the work had not begun, never will, and is the caller's again without
 * done(). False: it runs or ran; done() comes.
 */
bool svc_pool_cancel(struct svc_pool *pool, struct svc_work *work);

bool svc_pool_running(struct svc_pool *pool, const struct svc_work *work);

struct svc_pool_stat {
	size_t threads;
	size_t queue;	/* the ceiling */
	size_t waiting; /* now */
	size_t running;
	size_t stuck; /* running for longer than asked about */
};

struct svc_pool_stat svc_pool_stat(struct svc_pool *pool, uint64_t stuck_ms);

#endif /* SVC_POOL_H */
