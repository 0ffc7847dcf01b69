/* SPDX-License-Identifier: ISC */

/*
 * cells - the books of what a worker may still use
 *
 * Endpoints and services have cells in the scoreboard. An endpoint's cell, port
 * and socket path are given out again only after every worker acknowledged a
 * snapshot without them and nothing is in flight there. A dead worker counts as
 * having acknowledged.
 */

#ifndef CONTROL_CELLS_H
#define CONTROL_CELLS_H

#include "control/state.h"

void cells_init(struct control *c);
void cells_done(struct control *c);

/* Endpoint cells; -1 when all are taken. Zeroed when given out. */
int cells_take(struct control *c);
void cells_mark(struct control *c, int cell); /* adopted with a process */

/* All workers are past this generation. */
bool cells_left(struct control *c, uint64_t generation);

/* Requests in flight on the cell (-1: none), and WebSockets. */
unsigned cells_busy(struct control *c, int cell, unsigned *tunnels);

/* All workers are past it, and nothing is in flight on the cell (-1: none). */
bool cells_drained(struct control *c, uint64_t generation, int cell);

/* Cell, port and path of a process that is gone; each may be -1, 0, "". */
void cells_bury(struct control *c, int cell, unsigned port, const char *path);
void cells_sweep(struct control *c); /* what nobody uses any more */
bool cells_port_taken(struct control *c, unsigned port);

/* This one if it is free, or any with wish -1; -1: all taken. */
int cells_take_service(struct control *c, int wish);
void cells_free_service(struct control *c, unsigned cell);

#endif /* CONTROL_CELLS_H */
