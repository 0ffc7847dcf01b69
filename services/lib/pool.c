/* SPDX-License-Identifier: ISC */

#include "lib/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

struct svc_pool {
	pthread_mutex_t lock; /* of everything down to the blank line */
	pthread_cond_t more;
	struct list waiting;
	struct list running;
	struct list finished;
	size_t waiting_len, running_len;
	bool stop;

	int wake; /* eventfd: finished is not empty */
	struct loop_io io;
	size_t queue;
	size_t len; /* of threads[], all of them started */
	pthread_t threads[];
};

static struct svc_work *
take(struct svc_pool *pool)
{
	struct svc_work *work;

	while (list_empty(&pool->waiting) && !pool->stop)
		pthread_cond_wait(&pool->more, &pool->lock);
	if (pool->stop)
		return NULL;
	work = LIST_FIRST(&pool->waiting, struct svc_work, link);
	list_remove(&work->link);
	pool->waiting_len--;
	list_push(&pool->running, &work->link);
	pool->running_len++;
	work->state = SVC_WORK_RUNNING;
	work->started_ms = clock_ms();
	return work;
}

static void
put_back(struct svc_pool *pool, struct svc_work *work)
{
	uint64_t one = 1;

	list_remove(&work->link);
	pool->running_len--;
	work->state = SVC_WORK_FINISHED;
	list_push(&pool->finished, &work->link);
	/* Only a counter at 2^64 - 1 could refuse. */
	if (write(pool->wake, &one, sizeof(one)) < 0)
		abort();
}

static void *
worker(void *arg)
{
	struct svc_pool *pool = arg;
	struct svc_work *work;

	pthread_mutex_lock(&pool->lock);
	while ((work = take(pool)) != NULL) {
		pthread_mutex_unlock(&pool->lock);
		work->run(work);
		pthread_mutex_lock(&pool->lock);
		put_back(pool, work);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static struct svc_work *
take_finished(struct svc_pool *pool)
{
	struct svc_work *work;

	pthread_mutex_lock(&pool->lock);
	work = LIST_FIRST(&pool->finished, struct svc_work, link);
	if (work != NULL) {
		list_remove(&work->link);
		work->state = SVC_WORK_IDLE;
	}
	pthread_mutex_unlock(&pool->lock);
	return work;
}

static void
on_wake(void *arg, unsigned what)
{
	struct svc_pool *pool = arg;
	struct svc_work *work;
	uint64_t n;

	(void)what;
	if (read(pool->wake, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	while ((work = take_finished(pool)) != NULL)
		work->done(work);
}

static int
start_threads(struct svc_pool *pool, size_t threads)
{
	sigset_t all, before;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r == 0 && pool->len < threads) {
		r = -pthread_create(
		    &pool->threads[pool->len], NULL, worker, pool);
		if (r == 0)
			pool->len++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

struct svc_pool *
svc_pool_new(struct loop *loop, size_t threads, size_t queue, struct err *err)
{
	struct svc_pool *pool = calloc(
	    1, sizeof(*pool) + threads * sizeof(pthread_t));
	int r;

	if (pool == NULL) {
		err_set(err, -ENOMEM, "no memory for the worker threads");
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	list_init(&pool->waiting);
	list_init(&pool->running);
	list_init(&pool->finished);
	pool->queue = queue;
	pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = pool->wake < 0 ? -errno : 0;
	loop_io_init(&pool->io, loop, pool->wake, on_wake, pool);
	if (r == 0)
		r = loop_io_want(&pool->io, LOOP_READ);
	if (r == 0)
		r = start_threads(pool, threads);
	if (r == 0)
		return pool;
	err_errno(err, r, "cannot start %zu worker threads", threads);
	svc_pool_free(pool);
	return NULL;
}

void
svc_pool_free(struct svc_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->len; i++)
		pthread_join(pool->threads[i], NULL);
	loop_io_done(&pool->io);
	fd_close(&pool->wake);
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

int
svc_pool_submit(struct svc_pool *pool, struct svc_work *work)
{
	int r = -EAGAIN;

	pthread_mutex_lock(&pool->lock);
	if (pool->waiting_len + pool->running_len < pool->len + pool->queue) {
		list_push(&pool->waiting, &work->link);
		pool->waiting_len++;
		work->state = SVC_WORK_WAITING;
		pthread_cond_signal(&pool->more);
		r = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return r;
}

bool
svc_pool_cancel(struct svc_pool *pool, struct svc_work *work)
{
	bool waited;

	pthread_mutex_lock(&pool->lock);
	waited = work->state == SVC_WORK_WAITING;
	if (waited) {
		list_remove(&work->link);
		pool->waiting_len--;
		work->state = SVC_WORK_IDLE;
	}
	pthread_mutex_unlock(&pool->lock);
	return waited;
}

bool
svc_pool_running(struct svc_pool *pool, const struct svc_work *work)
{
	bool running;

	pthread_mutex_lock(&pool->lock);
	running = work->state == SVC_WORK_RUNNING;
	pthread_mutex_unlock(&pool->lock);
	return running;
}

struct svc_pool_stat
svc_pool_stat(struct svc_pool *pool, uint64_t stuck_ms)
{
	struct svc_pool_stat s = { pool->len, pool->queue, 0, 0, 0 };
	uint64_t now = clock_ms();

	pthread_mutex_lock(&pool->lock);
	s.waiting = pool->waiting_len;
	s.running = pool->running_len;
	LIST_EACH (work, &pool->running, struct svc_work, link)
		s.stuck += now - work->started_ms > stuck_ms;
	pthread_mutex_unlock(&pool->lock);
	return s;
}
