/* SPDX-License-Identifier: ISC */

/*
 * pipe - bytes on their way between two sockets that stay in the kernel
 *
 * A large body goes through a pipe by splice(2): nothing of it is copied. A
 * worker has at most PIPE_MAX pipes; who gets none copies. Each holds at most
 * PIPE_BYTES of kernel memory, and one that is not empty is not used again.
 */

#ifndef PROXY_PIPE_H
#define PROXY_PIPE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/array.h"

#define PIPE_MAX 64
#define PIPE_SPARES 8
#define PIPE_BYTES (256 * 1024)

struct pipe {
	struct pipe_pool *pool;
	struct pipe *next; /* spare */
	int in, out;
	size_t len; /* bytes inside */
};

struct pipe_pool {
	struct pipe *spare;
	unsigned n, nspare;
};

/* Zeroed is ready. All pipes must have been given back. */
void pipe_pool_done(struct pipe_pool *pool);

struct pipe *pipe_take(struct pipe_pool *pool); /* NULL: none to be had */
void pipe_give(struct pipe *p);			/* NULL is fine */

/*
 * From a socket into an empty pipe: 0 at its end, -EAGAIN, why it broke, or
 * -ENOBUFS: this socket, or this kernel, cannot.
 */
ssize_t pipe_fill(struct pipe *p, int from, size_t n) MUST_CHECK;

/* Into a socket. 0: what is left shows in len; a negative errno. */
int pipe_drain(struct pipe *p, int to) MUST_CHECK;

#endif /* PROXY_PIPE_H */
