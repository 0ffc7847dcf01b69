/* SPDX-License-Identifier: ISC */

/*
 * hasher - the one thread of a worker besides its loop: hashes of passwords
 *
 * One of them takes milliseconds by design, and the loop has no milliseconds to
 * give. The thread is there while a route wants passwords, takes one after the
 * other from a bounded queue, and touches nothing but the job. All functions
 * are the loop's. See doc/decisions/passwords.md.
 */

#ifndef PROXY_HASHER_H
#define PROXY_HASHER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

struct hasher;
struct hasher_job;

/* What its jobs hold is counted by the meter. */
struct hasher *hasher_new(
    struct loop *loop, struct buf_meter *meter, struct err *err);

/* Waits for the job that is being done; no fn is called any more. */
void hasher_free(struct hasher *h);
bool hasher_idle(const struct hasher *h); /* freeing it waits for nothing */

/* So many jobs there may be, the one at work among them; 0 at first. */
void hasher_limit(struct hasher *h, unsigned max);

/*
 * fn(arg, result) in a later turn of the loop; the result is that of
 * users_check(). Both texts are copied. -EAGAIN: the queue is full; -ENOMEM.
 */
int hasher_add(struct hasher *h, const char *password, const char *hash,
    void (*fn)(void *arg, int result), void *arg,
    struct hasher_job **job) MUST_CHECK;

/* Nobody waits for it any more. */
void hasher_forget(struct hasher *h, struct hasher_job *job);

#endif /* PROXY_HASHER_H */
