/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "proxy/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

static struct pipe *
pipe_new(struct pipe_pool *pool)
{
	struct pipe *p = calloc(1, sizeof(*p));
	int fds[2];

	if (p == NULL)
		return NULL;
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	p->pool = pool;
	p->out = fds[0];
	p->in = fds[1];
	/* Refused, it is as large as it was: more turns, not less bytes. */
	(void)fcntl(p->in, F_SETPIPE_SZ, PIPE_BYTES);
	pool->n++;
	return p;
}

static void
pipe_free(struct pipe *p)
{
	p->pool->n--;
	fd_close(&p->in);
	fd_close(&p->out);
	free(p);
}

void
pipe_pool_done(struct pipe_pool *pool)
{
	struct pipe *p;

	while ((p = pool->spare) != NULL) {
		pool->spare = p->next;
		pipe_free(p);
	}
	pool->nspare = 0;
}

struct pipe *
pipe_take(struct pipe_pool *pool)
{
	struct pipe *p = pool->spare;

	if (p == NULL)
		return pool->n < PIPE_MAX ? pipe_new(pool) : NULL;
	pool->spare = p->next;
	pool->nspare--;
	return p;
}

void
pipe_give(struct pipe *p)
{
	if (p == NULL)
		return;
	if (p->len > 0 || p->pool->nspare == PIPE_SPARES) {
		pipe_free(p);
		return;
	}
	p->next = p->pool->spare;
	p->pool->spare = p;
	p->pool->nspare++;
}

ssize_t
pipe_fill(struct pipe *p, int from, size_t n)
{
	ssize_t r;

	if (n > PIPE_BYTES)
		n = PIPE_BYTES;
	do
		r = splice(from, NULL, p->in, NULL, n,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (r < 0 && errno == EINTR);
	/* A socket or a kernel that cannot: the caller can. */
	if (r < 0 && (errno == EINVAL || errno == ENOSYS || errno == EPERM))
		return -ENOBUFS;
	if (r < 0)
		return -errno;
	p->len += (size_t)r;
	return r;
}

int
pipe_drain(struct pipe *p, int to)
{
	ssize_t r;

	do
		r = splice(p->out, NULL, to, NULL, p->len,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 0 : -errno;
	p->len -= (size_t)r;
	return 0;
}
