/* SPDX-License-Identifier: ISC */

/*
 * admin - the HTTP API on the admin Unix socket
 *
 * One const table of routes (api.c) says method, path, role, parameters, body,
 * answers and handler of each; openapi.json is made from it. Who is asking
 * comes from the kernel (SO_PEERCRED): uid 0 and drover's own user are admin,
 * so are members of group_admin; members of group_read may read; everybody
 * else is refused with 403. Group names are looked up for each connection, so
 * that a change of membership needs no restart.
 *
 * Answers are JSON, errors RFC 9457. Every change, refused ones included, is
 * one log line of the subsystem "audit": who by uid and pid, what, how it
 * ended. Streams (logs, events) are bounded: ADMIN_STREAMS of them at a time,
 * each with at most ADMIN_STREAM_QUEUE bytes unsent beside what was kept; a
 * reader slower than that is cut and counted.
 *
 * It never blocks (but for the lookup of groups), and keeps no state but
 * connections and counters: all that it says it asks of control.
 */

#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <sys/types.h>

#include "base/err.h"
#include "control/control.h"
#include "loop/loop.h"

#define ADMIN_BODY_MAX 65536	  /* bytes of a request's body */
#define ADMIN_STREAMS 32	  /* open at a time; then 503 */
#define ADMIN_STREAM_QUEUE 262144 /* bytes unsent of new lines, each */
#define ADMIN_REPLY_QUEUE 4194304 /* of any answer; what was kept, too */

struct admin;

struct admin_args {
	int fd; /* listening; admin's, once admin_new() gave one */
	const char *group_admin; /* copied; NULL: no such group */
	const char *group_read;	 /* copied; NULL: no such group */
	uid_t uid;		 /* drover's own user */
};

/* NULL with the reason; args->fd is then still the caller's. */
struct admin *admin_new(struct loop *loop, struct control *control,
    const struct admin_args *args, struct err *err);

/*
 * Take no new connections, end the streams; requests at hand are answered, and
 * then drained (NULL: nobody) is told. Again: that is replaced.
 */
void admin_drain(struct admin *admin, void (*drained)(void *arg), void *arg);

/* Closes everything. Not from inside one of control's callbacks. */
void admin_free(struct admin *admin);

#endif /* ADMIN_ADMIN_H */
