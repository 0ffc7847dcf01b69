/* SPDX-License-Identifier: ISC */

/*
 * dial - a connected socket to a Redis, without ever waiting for it
 *
 * A Unix path or a numeric address is connected at once; a name is looked up
 * by a thread of its own (the C library knows no other way), at most
 * DIAL_LOOKUPS of them at a time, and its addresses are tried in their order.
 */

#ifndef REDIS_DIAL_H
#define REDIS_DIAL_H

#include "base/err.h"
#include "loop/loop.h"
#include "redis/url.h"

#define DIAL_LOOKUPS                                            \
	4 /* threads; a dead name server may hold each for 30 s \
	   */
#define DIAL_ADDRESSES 8

struct redis_dial;

/*
 * done(arg, fd, NULL): the socket is yours, non-blocking and close-on-exec.
 * done(arg, -1, why): refused, not found, or timeout_ms passed. Once, in a
 * later turn; the dial is then over and is still to be freed. NULL: no memory.
 */
struct redis_dial *redis_dial_new(struct loop *loop,
    const struct redis_url *url, uint64_t timeout_ms,
    void (*done)(void *arg, int fd, const struct err *why), void *arg);

/* At any time, from inside done() too. */
void redis_dial_free(struct redis_dial *dial);

#endif /* REDIS_DIAL_H */
