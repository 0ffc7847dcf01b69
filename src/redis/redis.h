/* SPDX-License-Identifier: ISC */

/*
 * redis - one connection to a Redis that keeps itself up
 *
 * It connects, says who it is (AUTH, SELECT, PING), and tells its owner that
 * it is up; when it breaks, or the server does not answer within command_ms,
 * every command that waits gets its error, the owner is told why, and it tries
 * again after 100 ms doubling to backoff_ms, each +-25 %. An idle connection is
 * PINGed, so that a stalled server is noticed. It logs nothing: the owner does.
 *
 * Commands are accepted only while it is up; nothing is kept for later, because
 * after a break nobody knows which were done. They are sent at the end of the
 * turn and answered in order. The number of those that wait, the bytes not
 * yet sent, and the bytes of one reply have ceilings.
 *
 * With redis_follow() the server is the one that Sentinels name, asked anew at
 * each try; it must itself say that it is the master, and every two seconds
 * they are asked whether it still is.
 *
 * Not for subscriptions, nor for commands that block. One loop, one thread.
 */

#ifndef REDIS_REDIS_H
#define REDIS_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "loop/loop.h"
#include "redis/reply.h"
#include "redis/url.h"

struct redis;

struct redis_limits {	     /* 0 takes the default */
	uint64_t connect_ms; /* 2000 */
	uint64_t command_ms; /* 2000: send to answer */
	uint64_t ping_ms;    /* 5000 of silence, then PING */
	uint64_t backoff_ms; /* 2000: the longest, before the jitter */
	size_t waiting;	     /* 1024 commands */
	size_t out;	     /* 1 MiB not yet sent */
	size_t reply;	     /* 16 MiB on the wire */
};

/* May free the connection. */
struct redis_ops {
	void (*up)(void *owner);

	/* After a break, and after each try that failed. */
	void (*down)(void *owner, const char *reason);
};

/* url is copied; ops and owner are borrowed. Idle until redis_start(). */
struct redis *redis_new(struct loop *loop, const struct redis_url *url,
    const struct redis_limits *limits, const struct redis_ops *ops,
    void *owner);
int redis_follow(struct redis *r,
    const struct redis_sentinels *list) MUST_CHECK; /* before it; -ENOMEM */
void redis_start(struct redis *r);

/* Commands that wait are answered with -ECANCELED first; no op is called. */
void redis_free(struct redis *r);

void redis_kick(struct redis *r); /* try now instead of after the backoff */

/* Hang up and connect anew: what a break is, down() included, at once. */
void redis_break(struct redis *r, const char *reason);
bool redis_is_up(const struct redis *r);
size_t redis_waiting(const struct redis *r);

/*
 * error 0 and the reply, which lives until fn returns (it may be a
 * REDIS_ERROR); or no reply and -ECANCELED, -ETIMEDOUT, -ECONNRESET, -EPROTO,
 * -ENOBUFS (a reply over its ceiling), -ENOMEM.
 */
typedef void redis_fn(void *arg, const struct redis_reply *reply, int error);

/*
 * Send argv[0..n-1], binary safe. 0: fn is called exactly once, never from
 * inside this call; NULL drops the answer. Otherwise it is never called:
 * -ENOTCONN, -ENOBUFS over a ceiling, -ENOMEM.
 */
int redis_command(struct redis *r, const struct span *argv, size_t n,
    redis_fn *fn, void *arg) MUST_CHECK;

#endif /* REDIS_REDIS_H */
