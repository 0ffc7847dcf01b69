/* SPDX-License-Identifier: ISC */

/*
 * health - ask each process whether it is ready, and whether it lives
 *
 * Readiness runs from the spawn until the process drains; its turns are posted
 * as PASSED and FAILED. Liveness, where asked for, runs from the first READY
 * on; its fall is SICK. A check is an HTTP request (2xx or 3xx passes), a
 * connect, a command in the replica's environment (exit 0 passes), or, for
 * readiness, READY=1 on $NOTIFY_SOCKET. One check at a time of each kind.
 */

#ifndef CONTROL_HEALTH_H
#define CONTROL_HEALTH_H

#include "control/state.h"

void health_init(struct replica *r);
void health_begin(struct replica *r); /* its process runs */
void health_ready(struct replica *r); /* it is READY: liveness begins */
void health_end(struct replica *r);   /* no more checks; may be called twice */

/* The checks are those of r's present configuration, from the next one on. */
void health_take_spec(struct replica *r);

/* Taken over: readiness goes on from this verdict. */
void health_adopt(struct replica *r, bool up);

/*
 * Unready, and its last `fall` checks were not answered at all: it hangs. One
 * that answers that it is not ready still works on what it has.
 */
bool health_silent(const struct replica *r);

/* The command of an EXEC check ended; false if child is not of one. */
bool health_exited(
    struct control *c, uint64_t child, const struct spawn_exit *exit);

#define HEALTH_NOTIFY "notify" /* its name with the keeper */

/* $RUNTIME/notify.sock; fd -1 makes a new one and gives it to the keeper. */
int health_open_notify(struct control *c, int fd, struct err *err) MUST_CHECK;
void health_close_notify(struct control *c);

#endif /* CONTROL_HEALTH_H */
