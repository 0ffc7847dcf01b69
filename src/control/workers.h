/* SPDX-License-Identifier: ISC */

/*
 * workers - the proxy processes: started, fed, watched
 *
 * A worker's life is that of an instance (model/instance): it is ready when
 * it acknowledged its first snapshot, restarted when it exits, and killed when
 * its heartbeat in the scoreboard is older than 2 s. They connect to
 * $RUNTIME/control.sock; who is not a process that we started is hung up on.
 */

#ifndef CONTROL_WORKERS_H
#define CONTROL_WORKERS_H

#include "control/note.h"
#include "control/state.h"

/* Scoreboard, control.sock and the places, before adoption and start. */
int workers_open(struct control *c, struct err *err) MUST_CHECK;
void workers_close(struct control *c); /* the processes stay */

/* The scoreboard that the keeper had. */
int workers_adopt_board(struct control *c, int fd, struct err *err) MUST_CHECK;
int workers_adopt_records(
    struct control *c, int fd, struct err *err) MUST_CHECK;

/* --- beat.c --------------------------------------------------------------- */

void beat_begin(struct control *c); /* ends with the timer */

/* --- lanes.c -------------------------------------------------------------- */

/*
 * A listener has a socket for each of `workers:`, a lane; a worker serves one.
 * There are more places for workers than lanes, so that a new one can begin
 * while the old one of its lane drains.
 */
extern const struct instance_policy workers_policy; /* a place begins with */

/* A worker that runs already; false if there is no such place. */
bool workers_adopt(
    struct control *c, const struct note *note, uint64_t child, pid_t pid);
void workers_start(struct control *c); /* those that do not run */

/*
 * Another worker for a lane, in a free place; NULL: there is none. One that
 * leaves takes no new connections, and has as long as the services give their
 * WebSockets. Again: a new process in the place of the old one.
 */
struct worker *workers_begin(struct control *c, unsigned lane);
void workers_leave(struct worker *w);
void workers_again(struct worker *w);

void workers_hang_up(struct worker *w); /* it will connect again */

/* fd is its connection from here on. */
struct worker_msg;
void workers_welcome(struct worker *w, int fd, const struct worker_msg *hello);

/* What the herd says. */
struct worker *workers_by_child(struct control *c, uint64_t child);
void workers_spawned(struct worker *w, pid_t pid);
void workers_exited(struct worker *w, const struct spawn_exit *exit);
void workers_spawn_failed(struct worker *w, int error, const char *stage);

#endif /* CONTROL_WORKERS_H */
