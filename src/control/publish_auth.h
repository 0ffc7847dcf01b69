/* SPDX-License-Identifier: ISC */

/* publish_auth - who may use a route, for the snapshot */

#ifndef CONTROL_PUBLISH_AUTH_H
#define CONTROL_PUBLISH_AUTH_H

#include "base/arena.h"
#include "control/state.h"
#include "link/snapshot.h"

/* *out stays NULL where anybody may. 0 or -ENOMEM. */
int publish_auth(struct control *c, struct arena *arena,
    const struct conf_auth *a, const struct snapshot_auth **out) MUST_CHECK;

#endif /* CONTROL_PUBLISH_AUTH_H */
