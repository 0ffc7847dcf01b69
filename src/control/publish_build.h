/* SPDX-License-Identifier: ISC */

/* publish_build - the routing snapshot of what is so now */

#ifndef CONTROL_PUBLISH_BUILD_H
#define CONTROL_PUBLISH_BUILD_H

#include "control/state.h"

/* A memory file, the caller's, of generation c->publish.generation. */
int publish_build(struct control *c, int *fd, struct err *err) MUST_CHECK;

#endif /* CONTROL_PUBLISH_BUILD_H */
