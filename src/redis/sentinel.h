/* SPDX-License-Identifier: ISC */

/*
 * sentinel - which server is the master now, as the Sentinels say
 *
 * They are asked one after the other, the one that answered last first; each
 * has half a second to be reached and half a second for its answer. What one
 * says is hearsay: the server itself is to be asked what it is (ROLE), and
 * when it is not what was said, redis_sentinel_doubt() has another one asked
 * first the next time.
 */

#ifndef REDIS_SENTINEL_H
#define REDIS_SENTINEL_H

#include "base/err.h"
#include "loop/loop.h"
#include "redis/url.h"

struct redis_sentinel;

/* list is copied; NULL: no memory. */
struct redis_sentinel *redis_sentinel_new(
    struct loop *loop, const struct redis_sentinels *list);
void redis_sentinel_free(struct redis_sentinel *s);

/*
 * fn(arg, at, NULL): at has the host and port; or fn(arg, NULL, why): none of
 * them knows. Once, in a later turn; a new question replaces one that waits.
 */
typedef void redis_sentinel_fn(
    void *arg, const struct redis_url *at, const struct err *why);
void redis_sentinel_ask(
    struct redis_sentinel *s, redis_sentinel_fn *fn, void *arg);
void redis_sentinel_cancel(struct redis_sentinel *s);

void redis_sentinel_doubt(struct redis_sentinel *s);

#endif /* REDIS_SENTINEL_H */
