/* SPDX-License-Identifier: ISC */

/* publish_route - a configured route as a worker wants it */

#ifndef CONTROL_PUBLISH_ROUTE_H
#define CONTROL_PUBLISH_ROUTE_H

#include "base/arena.h"
#include "conf/conf.h"
#include "link/snapshot.h"

/* service is its index. Texts are in the arena, or r's. 0, -ENOMEM. */
int publish_route(struct arena *arena, const struct conf_route *r,
    uint32_t service, struct snapshot_route *out) MUST_CHECK;

#endif /* CONTROL_PUBLISH_ROUTE_H */
