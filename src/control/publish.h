/* SPDX-License-Identifier: ISC */

/*
 * publish - what the workers route by
 *
 * Builds the routing snapshot from services and replicas and sends it to the
 * workers, at most once a turn of the loop. Keeps the books of what a worker
 * may still use: an endpoint's cell, port and socket path are given out again
 * only after every worker acknowledged a snapshot without them and nothing is
 * in flight there. A dead worker counts as having acknowledged.
 */

#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include "control/state.h"

void publish_init(struct control *c);
void publish_done(struct control *c);

void publish_soon(struct control *c); /* at the end of this turn */

/* The generation of the snapshot that will show what is so now. */
uint64_t publish_next(struct control *c);

/* To this worker, which just said hello or missed one. */
void publish_send(struct control *c, struct worker *w);

/* A worker reported this generation: ours continue above it. */
void publish_seen(struct control *c, uint64_t generation);

/* All workers are past it. */
bool publish_left(struct control *c, uint64_t generation);

/* Requests in flight on the cell (-1: none), and WebSockets. */
unsigned publish_busy(struct control *c, int cell, unsigned *tunnels);

/* All workers are past it, and nothing is in flight on the cell (-1: none). */
bool publish_drained(struct control *c, uint64_t generation, int cell);

/* Endpoint cells; -1 when all are taken. Zeroed when given out. */
int publish_take_cell(struct control *c);
void publish_mark_cell(
    struct control *c, int cell); /* adopted with a process */

/* Cell, port and path of a process that is gone; each may be -1, 0, "". */
void publish_bury(struct control *c, int cell, unsigned port, const char *path);
void publish_sweep(struct control *c); /* what nobody uses any more */
bool publish_port_taken(struct control *c, unsigned port);

/* This one if it is free, or any with wish -1; -1: all taken. */
int publish_take_service_cell(struct control *c, int wish);
void publish_free_service_cell(struct control *c, unsigned cell);

#endif /* CONTROL_PUBLISH_H */
