/* SPDX-License-Identifier: ISC */

/*
 * managed - the Redis that drover runs for itself (`registry: managed`)
 *
 * Writes what redis-server needs into a folder of its own and says how to
 * start it; the process is an ordinary instance of its owner's. It listens on
 * one Unix socket and on no port, keeps an AOF synced every second, no RDB
 * snapshots, and refuses writes over its memory limit instead of evicting.
 *
 *	STATE/redis/            0700, its working folder: the AOF
 *	STATE/redis/redis.conf  as managed_new() wants it
 *	STATE/redis/users.acl   0600, the same
 *	STATE/redis/secrets     0600, two passwords, drawn once
 *	RUNTIME/redis.sock
 *
 * Equal arguments give byte-equal files, and passwords stay over restarts, so
 * that services which still run with an older DROVER_REDIS_URL can go on.
 *
 * Users: `default` is off. `drover` may do everything. `services` may use any
 * key and channel that does not begin with "{drover:", and no command that is
 * administrative or dangerous to other data (FLUSHALL, CONFIG, KEYS, ...).
 */

#ifndef CLUSTER_MANAGED_H
#define CLUSTER_MANAGED_H

#include <stdint.h>

#include "base/err.h"

struct managed;

struct managed_args {
	const char *state;   /* folder of the daemon's state, absolute */
	const char *runtime; /* folder of the sockets, absolute */
	const char *program; /* redis-server; looked up in PATH without '/' */
	uint64_t max_memory; /* bytes; at least 4 MiB */
};

/*
 * Writes the files that do not say it already; an older one does, with a line
 * in the log, where the disk is full. NULL with the reason. Reads and writes
 * disk, so blocks.
 */
struct managed *managed_new(const struct managed_args *args, struct err *err);
void managed_free(struct managed *m); /* leaves the files */

const char *const *managed_argv(const struct managed *m); /* NULL at the end */
const char *managed_directory(const struct managed *m);	  /* to start it in */
const char *managed_socket(const struct managed *m);

/*
 * unix://user:password@/path?db=0, a form that redis-py, ioredis, go-redis and
 * our own redis/url.h understand: drover's own, for struct registry_args, and
 * the one for services, DROVER_REDIS_URL.
 */
const char *managed_url(const struct managed *m);
const char *managed_services_url(const struct managed *m);

/*
 * Whether redis-server can be found: 0, or -ENOENT with a reason that says
 * what to install. Asked before each start: it may be installed meanwhile.
 */
int managed_check(const struct managed *m, struct err *err) MUST_CHECK;

#endif /* CLUSTER_MANAGED_H */
