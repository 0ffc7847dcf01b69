/* SPDX-License-Identifier: ISC */

/* A route in a snapshot: what it matches, and the rules that it carries. */

#include <errno.h>

#include "link/snapshot_impl.h"

/* --- encoding ------------------------------------------------------------- */

void
snapshot_pack_route(struct packer *p, const struct snapshot_route *r)
{
	pack_open(p);
	pack_str(p, r->host);
	pack_str(p, r->path);
	pack_str(p, r->rewrite);
	pack_u32(p, r->methods);
	pack_u32(p, r->flags);
	pack_u32(p, r->service);
	pack_str(p, r->upgrade);
	pack_close(p);
}

/* --- decoding ------------------------------------------------------------- */

void
snapshot_read_route(
    struct snapshot_reader *r, struct snapshot_route *t, uint32_t nservices)
{
	unpack_open(&r->u);
	t->host = unpack_str(&r->u, r->arena, SNAPSHOT_HOST_MAX);
	t->path = unpack_str(&r->u, r->arena, SNAPSHOT_PATH_MAX);
	t->rewrite = unpack_str(&r->u, r->arena, SNAPSHOT_PATH_MAX);
	t->methods = unpack_u32(&r->u);
	t->flags = unpack_u32(&r->u);
	t->service = unpack_u32(&r->u);
	t->upgrade = unpack_str(&r->u, r->arena, SNAPSHOT_UPGRADE_MAX);
	unpack_close(&r->u);
	if (r->u.error != 0)
		return;
	snapshot_must(r, t->path[0] == '/', "route path");
	snapshot_must(r,
	    t->rewrite[0] == '/' || !(t->flags & SNAPSHOT_ROUTE_REWRITE),
	    "rewrite");
	snapshot_must(r, t->methods < 2 * SNAPSHOT_OPTIONS, "route methods");
	snapshot_must(r, t->flags < 2 * SNAPSHOT_ROUTE_INTERNAL, "route flags");
	snapshot_must(r, t->service < nservices, "service of a route");
}
