/* SPDX-License-Identifier: ISC */

/*
 * access - the access log, written from the workers' rings
 *
 * Ten times a second what is new in the rings is put into lines, many to a
 * write. Where it is stands in the shared memory, with what the write at hand
 * is to make of the file; so after a kill of control the next one knows
 * whether it was done, and goes on: no line is lost, as long as the rings hold
 * what came meanwhile, and none is written twice. What a ring did not hold is
 * counted. When the file cannot be written, the lines wait in the rings.
 */

#ifndef CONTROL_ACCESS_H
#define CONTROL_ACCESS_H

#include "base/buf.h"
#include "control/state.h"

void access_init(struct control *c);

/* The configuration changed, or is in force for the first time. Reopens. */
void access_apply(struct control *c);

void access_close(struct control *c); /* after the last lines */

/* Its counters for Prometheus. */
int access_metrics(struct control *c, struct buf *out) MUST_CHECK;

#endif /* CONTROL_ACCESS_H */
