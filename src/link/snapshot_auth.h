/* SPDX-License-Identifier: ISC */

/* snapshot_auth - who may use a route, at the end of the route's record */

#ifndef LINK_SNAPSHOT_AUTH_H
#define LINK_SNAPSHOT_AUTH_H

#include "link/pack.h"
#include "link/snapshot.h"

void snapshot_pack_auth(struct packer *p, const struct snapshot_auth *a);

/*
 * *a is NULL where the route is for anybody. Returns what is out of bounds, or
 * NULL; u->error is set when there is no memory.
 */
const char *snapshot_read_auth(struct unpacker *u, struct arena *arena,
    const struct snapshot_auth **a, uint32_t nservices) MUST_CHECK;

#endif /* LINK_SNAPSHOT_AUTH_H */
