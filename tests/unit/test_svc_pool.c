/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/pool.h"

#define THREADS 2
#define QUEUE 3

/* Work that waits for its gate, so that a test says when it ends. */
struct piece {
	struct svc_work work;
	pthread_mutex_t *gate; /* or NULL */
	atomic_int runs;
	int dones;
	pthread_t thread;
};

static struct loop *loop;
static struct svc_pool *pool;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_t loop_thread;
static int done_on_other_thread;
static sigset_t worker_mask;

static void
on_run(struct svc_work *work)
{
	struct piece *p = CONTAINER_OF(work, struct piece, work);

	p->thread = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &worker_mask);
	atomic_fetch_add(&p->runs, 1);
	if (p->gate != NULL) {
		pthread_mutex_lock(p->gate);
		pthread_mutex_unlock(p->gate);
	}
}

static void
on_done(struct svc_work *work)
{
	struct piece *p = CONTAINER_OF(work, struct piece, work);

	p->dones++;
	done_on_other_thread |= !pthread_equal(pthread_self(), loop_thread);
	loop_stop(loop);
}

static struct piece
piece(pthread_mutex_t *at)
{
	return (struct piece){ .work = { .run = on_run, .done = on_done },
		.gate = at };
}

static int
setup(void **state)
{
	(void)state;
	loop_thread = pthread_self();
	loop = loop_new(NULL);
	pool = svc_pool_new(loop, THREADS, QUEUE, NULL);
	return loop == NULL || pool == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	svc_pool_free(pool);
	loop_free(loop);
	return done_on_other_thread;
}

static void
until_running(size_t n)
{
	struct timespec ms = { 0, 1000000 };

	while (svc_pool_stat(pool, 0).running != n)
		nanosleep(&ms, NULL);
}

static void
run_until(struct piece *p)
{
	while (p->dones == 0)
		assert_int_equal(loop_run(loop), 0);
}

static void
work_runs_elsewhere_and_is_done_here(void **state)
{
	struct piece p = piece(NULL);

	(void)state;
	assert_int_equal(svc_pool_submit(pool, &p.work), 0);
	run_until(&p);
	assert_int_equal(p.runs, 1);
	assert_int_equal(p.dones, 1);
	assert_false(pthread_equal(p.thread, loop_thread));
	assert_int_equal(p.work.state, SVC_WORK_IDLE);
}

static void
a_full_queue_refuses_and_takes_again(void **state)
{
	struct piece p[THREADS + QUEUE], more = piece(NULL);

	(void)state;
	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		p[i] = piece(&gate);
		assert_int_equal(svc_pool_submit(pool, &p[i].work), 0);
	}
	assert_int_equal(svc_pool_submit(pool, &more.work), -EAGAIN);
	until_running(THREADS);
	assert_int_equal(svc_pool_submit(pool, &more.work), -EAGAIN);
	assert_int_equal(svc_pool_stat(pool, 0).waiting, QUEUE);
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		run_until(&p[i]);
	assert_int_equal(svc_pool_submit(pool, &more.work), 0);
	run_until(&more);
}

static void
what_waits_can_be_taken_back(void **state)
{
	struct piece p[THREADS], late = piece(NULL);

	(void)state;
	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < THREADS; i++) {
		p[i] = piece(&gate);
		assert_int_equal(svc_pool_submit(pool, &p[i].work), 0);
	}
	until_running(THREADS);
	assert_int_equal(svc_pool_submit(pool, &late.work), 0);
	assert_true(svc_pool_cancel(pool, &late.work));
	assert_false(svc_pool_cancel(pool, &late.work));
	assert_false(svc_pool_cancel(pool, &p[0].work));
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < THREADS; i++)
		run_until(&p[i]);
	assert_int_equal(late.runs, 0);
	assert_int_equal(late.dones, 0);
}

static void
work_past_its_time_is_counted_as_stuck(void **state)
{
	struct timespec pause = { 0, 30000000 };
	struct piece p = piece(&gate);

	(void)state;
	pthread_mutex_lock(&gate);
	assert_int_equal(svc_pool_submit(pool, &p.work), 0);
	until_running(1);
	nanosleep(&pause, NULL);
	assert_int_equal(svc_pool_stat(pool, 10).stuck, 1);
	assert_int_equal(svc_pool_stat(pool, 60000).stuck, 0);
	pthread_mutex_unlock(&gate);
	run_until(&p);
}

static void
freeing_drops_what_waits(void **state)
{
	struct piece p = piece(NULL), late[QUEUE];

	(void)state;
	assert_int_equal(svc_pool_submit(pool, &p.work), 0);
	run_until(&p);
	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < QUEUE; i++) {
		late[i] = piece(&gate);
		assert_int_equal(svc_pool_submit(pool, &late[i].work), 0);
	}
	until_running(THREADS);
	pthread_mutex_unlock(&gate);
	svc_pool_free(pool);
	pool = NULL;
	for (size_t i = 0; i < QUEUE; i++)
		assert_int_equal(late[i].dones, 0);
}

static void
signals_are_not_for_workers(void **state)
{
	struct piece p = piece(NULL);
	sigset_t mine;

	(void)state;
	assert_int_equal(svc_pool_submit(pool, &p.work), 0);
	run_until(&p);
	assert_int_equal(sigismember(&worker_mask, SIGTERM), 1);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
	assert_int_equal(sigismember(&mine, SIGTERM), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(work_runs_elsewhere_and_is_done_here),
		T(a_full_queue_refuses_and_takes_again),
		T(what_waits_can_be_taken_back),
		T(work_past_its_time_is_counted_as_stuck),
		T(freeing_drops_what_waits),
		T(signals_are_not_for_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
