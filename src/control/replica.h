/* SPDX-License-Identifier: ISC */

/*
 * replica - one place of a service, and the process in it
 *
 * Joins the pure state machine (model/instance) with the world: it orders
 * processes from the herd, arms deadlines, starts and ends health checks, and
 * tells publish, registry, rollout and dependents what changed.
 */

#ifndef CONTROL_REPLICA_H
#define CONTROL_REPLICA_H

#include "control/state.h"

/* An IDLE one, on no list; NULL if out of memory. */
struct replica *replica_new(struct service *s, unsigned n);

/* Off its list now, freed at the end of the turn. It must have no process. */
void replica_free_later(struct replica *r);

/* Freed now, its process left to the next control: only from the end. */
void replica_abandon(struct replica *r);

void replica_post(struct replica *r, enum instance_event ev, const char *why);

/*
 * Its process, or its next one, goes by the service's present configuration:
 * deadlines, checks, stop. What a process was started with stays as it is.
 */
void replica_take_spec(struct replica *r);
void replica_take(struct replica *r, const struct conf *conf,
    const struct conf_service *spec); /* another one; conf holds it */

enum instance_state replica_state(const struct replica *r);
bool replica_ready(const struct replica *r);

/* What the herd says of its process. */
void replica_spawned(struct replica *r, pid_t pid, unsigned missing);
void replica_spawn_failed(struct replica *r, int error, const char *stage);
void replica_exited(
    struct replica *r, const struct spawn_exit *exit, struct span tail);

/* The one whose process has this id, current or retiring; or NULL. */
struct replica *replica_by_child(struct control *c, uint64_t child);
struct replica *replica_by_pid(struct control *c, pid_t pid);

/* The current one of that name (image.0); or NULL. */
struct replica *replica_by_id(struct control *c, const char *id);

/* Write what a next control process must know into the herd's note. */
void replica_note(struct replica *r);

/* "exit 139 (SIGSEGV)", "exit 1", "out of memory"; "" without one. */
const char *replica_exit_text(
    const struct spawn_exit *exit, char *buf, size_t size);

#endif /* CONTROL_REPLICA_H */
