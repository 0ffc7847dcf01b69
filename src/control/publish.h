/* SPDX-License-Identifier: ISC */

/*
 * publish - what the workers route by
 *
 * Builds the routing snapshot from services and replicas and sends it to the
 * workers, at most once a turn of the loop.
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

#endif /* CONTROL_PUBLISH_H */
