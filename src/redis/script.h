/* SPDX-License-Identifier: ISC */

/*
 * script - Lua scripts, sent by their digest
 *
 * A script is a constant text; its digest comes from Redis itself (SCRIPT LOAD,
 * once a connection is up). An evaluation goes out as EVALSHA and, where the
 * digest is not known here or there (SCRIPT FLUSH, a restart, a server that
 * forbids SCRIPT), again as EVAL with the whole text, unseen by the caller.
 */

#ifndef REDIS_SCRIPT_H
#define REDIS_SCRIPT_H

#include "redis/redis.h"

#define SCRIPT_SHA_MAX 40

struct redis_script {
	const char *text;
	char sha[SCRIPT_SHA_MAX + 1]; /* "" until it was loaded */
};

/*
 * Have Redis keep it and learn its digest. Errors do no harm: it is then sent
 * as text. The script outlives the connection (it is a static).
 */
void redis_script_load(struct redis *r, struct redis_script *script);

/*
 * args are the keys (the first nkeys of them) and the arguments; they are
 * copied. As redis_command(), fn included.
 */
int redis_script_eval(struct redis *r, const struct redis_script *script,
    const struct span *args, size_t nargs, size_t nkeys, redis_fn *fn,
    void *arg) MUST_CHECK;

#endif /* REDIS_SCRIPT_H */
