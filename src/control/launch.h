/* SPDX-License-Identifier: ISC */

/*
 * launch - from a replica's configuration to an order for the herd
 *
 * Chooses the address of this incarnation (a new socket path or port, never
 * one that a worker may still use), makes the folders, the environment and
 * the socket that a service wants, and gives all of it back afterwards.
 */

#ifndef CONTROL_LAUNCH_H
#define CONTROL_LAUNCH_H

#include "control/state.h"

/*
 * Order a process for r: sets child, address, port and cell. The answer comes
 * as replica_spawned() or replica_spawn_failed(). On error nothing is left.
 */
int launch_process(struct replica *r, struct err *err) MUST_CHECK;

/* Order one that runs an exec check beside r's process; *child is its id. */
int launch_check(struct replica *r, const char *const *command, uint64_t *child,
    struct err *err) MUST_CHECK;

void launch_signal(struct replica *r, int signo, bool group);

/* The process is gone: address and cell go to the ghosts, the record goes. */
void launch_release(struct replica *r);

#endif /* CONTROL_LAUNCH_H */
