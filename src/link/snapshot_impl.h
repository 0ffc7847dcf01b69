/* SPDX-License-Identifier: ISC */

/*
 * snapshot_impl - what the files that code a snapshot share
 *
 * snapshot.c is the whole, snapshot_route.c a route and its rules.
 */

#ifndef LINK_SNAPSHOT_IMPL_H
#define LINK_SNAPSHOT_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "link/pack.h"
#include "link/snapshot.h"

struct snapshot_reader {
	struct unpacker u;
	struct arena *arena;
	struct err *err;
	uint32_t endpoints; /* so far, over all services */
};

/* Unless ok, `what` is out of bounds; the first complaint stays. */
void snapshot_must(struct snapshot_reader *r, bool ok, const char *what);

/* Room for n structs; NULL with an error set, also when n is 0. */
void *snapshot_room(struct snapshot_reader *r, uint32_t n, size_t size);

void snapshot_pack_route(struct packer *p, const struct snapshot_route *r);
void snapshot_read_route(
    struct snapshot_reader *r, struct snapshot_route *t, uint32_t nservices);

#endif /* LINK_SNAPSHOT_IMPL_H */
