/* SPDX-License-Identifier: ISC */

/*
 * records - the shared memory in which workers write down their requests
 *
 * Made once and kept by the keeper, so that the next control finds what there
 * was. A worker of an older version is not told of it, and records nothing.
 */

#ifndef CONTROL_RECORDS_H
#define CONTROL_RECORDS_H

#include "control/state.h"
#include "link/worker_msg.h"

#define RECORDS_NAME "records" /* with the keeper */

/* What the keeper had; fd is ours then. */
int records_adopt(struct control *c, int fd, struct err *err) MUST_CHECK;

/* New ones, if none were adopted. */
int records_open(struct control *c, struct err *err) MUST_CHECK;
void records_close(struct control *c);

/* To a worker that said hello: 0 or a negative errno. */
int records_send(struct control *c, struct worker *w,
    const struct worker_msg *hello) MUST_CHECK;

#endif /* CONTROL_RECORDS_H */
