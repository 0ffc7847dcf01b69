/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "proxy/hasher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "tls/users.h"

#define STACK (512U * 1024)

struct hasher_job {
	struct link link; /* waiting or done; on no list while at work */
	void (*fn)(void *arg, int result); /* the loop's: NULL: forgotten */
	void *arg;
	bool taken; /* under the lock: the thread had it */
	int result;
	char hash[USERS_HASH_MAX + 1];
	char password[USERS_PASSWORD_MAX + 1];
};

struct hasher {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list waiting, done; /* under the lock */
	bool stop;		   /* under the lock */
	unsigned njobs, max;	   /* the loop's: all that are out */
	struct buf_meter *meter;   /* likewise */
	int wake;
	struct loop_io io;
};

/* The loop's. */
static void
free_job(struct hasher *h, struct hasher_job *job)
{
	explicit_bzero(job->password, sizeof(job->password));
	buf_meter_free(h->meter, job, sizeof(*job));
}

/* --- the thread ----------------------------------------------------------- */

/* The next one; NULL: it is over. */
static struct hasher_job *
next_job(struct hasher *h)
{
	struct hasher_job *job = NULL;

	pthread_mutex_lock(&h->lock);
	while (!h->stop && list_empty(&h->waiting))
		pthread_cond_wait(&h->more, &h->lock);
	if (!h->stop) {
		job = LIST_FIRST(&h->waiting, struct hasher_job, link);
		list_remove(&job->link);
		job->taken = true;
	}
	pthread_mutex_unlock(&h->lock);
	return job;
}

static void *
hash_thread(void *arg)
{
	struct hasher *h = arg;
	struct hasher_job *job;
	uint64_t one = 1;

	while ((job = next_job(h)) != NULL) {
		job->result = users_check(job->password, job->hash);
		pthread_mutex_lock(&h->lock);
		list_push(&h->done, &job->link);
		pthread_mutex_unlock(&h->lock);
		fd_write_all(h->wake, &one, sizeof(one));
	}
	return NULL;
}

/* --- the loop ------------------------------------------------------------- */

static struct hasher_job *
take_done(struct hasher *h)
{
	struct hasher_job *job;

	pthread_mutex_lock(&h->lock);
	job = LIST_FIRST(&h->done, struct hasher_job, link);
	if (job != NULL)
		list_remove(&job->link);
	pthread_mutex_unlock(&h->lock);
	return job;
}

/* One a turn: fn may do much, and may even free the hasher. */
static void
on_wake(void *arg, unsigned what)
{
	struct hasher *h = arg;
	struct hasher_job *job;
	void (*fn)(void *, int);
	void *fn_arg;
	uint64_t n;
	int result;

	(void)what;
	if (read(h->wake, &n, sizeof(n)) < 0)
		return;
	job = take_done(h);
	if (job == NULL)
		return;
	h->njobs--;
	fn = job->fn;
	fn_arg = job->arg;
	result = job->result;
	free_job(h, job);
	if (fn != NULL)
		fn(fn_arg, result);
}

/* With every signal blocked: they are the loop's. */
static int
start_thread(struct hasher *h)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	if (pthread_attr_init(&attr) != 0)
		return -ENOMEM;
	pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&h->thread, &attr, hash_thread, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static void
free_rest(struct hasher *h)
{
	LIST_EACH_SAFE (job, &h->waiting, struct hasher_job, link)
		free_job(h, job);
	LIST_EACH_SAFE (job, &h->done, struct hasher_job, link)
		free_job(h, job);
	loop_io_done(&h->io);
	fd_close(&h->wake);
	pthread_cond_destroy(&h->more);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

struct hasher *
hasher_new(struct loop *loop, struct buf_meter *meter, struct err *err)
{
	struct hasher *h = calloc(1, sizeof(*h));
	int r;

	if (h == NULL) {
		err_errno(err, -ENOMEM, "hasher");
		return NULL;
	}
	h->meter = meter;
	list_init(&h->waiting);
	list_init(&h->done);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->more, NULL);
	/* It counts: one job is taken for each read. */
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	loop_io_init(&h->io, loop, h->wake, on_wake, h);
	r = h->wake < 0 ? -errno : loop_io_want(&h->io, LOOP_READ);
	if (r == 0)
		r = start_thread(h);
	if (r < 0) {
		err_errno(err, r, "hasher");
		free_rest(h);
		return NULL;
	}
	return h;
}

void
hasher_free(struct hasher *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	free_rest(h);
}

bool
hasher_idle(const struct hasher *h)
{
	return h->njobs == 0;
}

void
hasher_limit(struct hasher *h, unsigned max)
{
	h->max = max;
}

/* Both texts in it, and nothing else yet. */
static int
new_job(struct hasher *h, const char *password, const char *hash,
    struct hasher_job **out)
{
	struct hasher_job *job = buf_meter_alloc(h->meter, sizeof(*job));

	if (job == NULL)
		return -ENOMEM;
	if (str_copy(job->password, sizeof(job->password), span_of(password)) <
		0 ||
	    str_copy(job->hash, sizeof(job->hash), span_of(hash)) < 0) {
		free_job(h, job);
		return -EINVAL;
	}
	*out = job;
	return 0;
}

int
hasher_add(struct hasher *h, const char *password, const char *hash,
    void (*fn)(void *arg, int result), void *arg, struct hasher_job **out)
{
	struct hasher_job *job;
	int r = h->njobs >= h->max ? -EAGAIN : new_job(h, password, hash, &job);

	if (r < 0)
		return r;
	job->fn = fn;
	job->arg = arg;
	h->njobs++;
	pthread_mutex_lock(&h->lock);
	list_push(&h->waiting, &job->link);
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
	*out = job;
	return 0;
}

void
hasher_forget(struct hasher *h, struct hasher_job *job)
{
	bool waits;

	pthread_mutex_lock(&h->lock);
	waits = !job->taken;
	if (waits)
		list_remove(&job->link);
	pthread_mutex_unlock(&h->lock);
	job->fn = NULL;
	if (!waits)
		return;
	h->njobs--;
	free_job(h, job);
}
