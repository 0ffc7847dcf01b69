/* SPDX-License-Identifier: ISC */

#include "link/snapshot_auth.h"

#include <errno.h>

#define ALL_ALGORITHMS 7

void
snapshot_pack_auth(struct packer *p, const struct snapshot_auth *a)
{
	pack_u32(p, a != NULL ? a->flags : 0);
	if (a == NULL || a->flags == 0)
		return;
	pack_u32(p, a->algorithms);
	pack_u32(p, a->leeway_s);
	pack_u32(p, a->service);
	pack_u32(p, a->timeout_ms);
	pack_str(p, a->realm);
	pack_str(p, a->users);
	pack_str(p, a->user_header);
	pack_str(p, a->secret);
	pack_str(p, a->jwks);
	pack_str(p, a->issuer);
	pack_str(p, a->audience);
	pack_str(p, a->cookie);
	pack_str(p, a->require);
	pack_str(p, a->claims);
	pack_str(p, a->path);
	pack_str(p, a->request_headers);
	pack_str(p, a->response_headers);
}

static const char *
check(const struct snapshot_auth *a, uint32_t nservices)
{
	if (a->flags >= 2 * SNAPSHOT_AUTH_PASS)
		return "auth flags";
	if (a->algorithms > ALL_ALGORITHMS)
		return "auth algorithms";
	if ((a->flags & SNAPSHOT_AUTH_FORWARD) == 0)
		return NULL;
	if (a->service >= nservices)
		return "service that is asked";
	return a->path[0] == '/' ? NULL : "path that is asked for";
}

const char *
snapshot_read_auth(struct unpacker *u, struct arena *arena,
    const struct snapshot_auth **out, uint32_t nservices)
{
	uint32_t flags = unpack_u32(u);
	struct snapshot_auth *a;

	*out = NULL;
	if (flags == 0 || u->error != 0)
		return NULL;
	a = arena_alloc(arena, sizeof(*a));
	if (a == NULL) {
		u->error = -ENOMEM;
		return NULL;
	}
	a->flags = flags;
	a->algorithms = unpack_u32(u);
	a->leeway_s = unpack_u32(u);
	a->service = unpack_u32(u);
	a->timeout_ms = unpack_u32(u);
	a->realm = unpack_str(u, arena, SNAPSHOT_HOST_MAX);
	a->users = unpack_str(u, arena, SNAPSHOT_SECRETS_MAX);
	a->user_header = unpack_str(u, arena, SNAPSHOT_NAME_MAX);
	a->secret = unpack_str(u, arena, SNAPSHOT_SECRETS_MAX);
	a->jwks = unpack_str(u, arena, SNAPSHOT_SECRETS_MAX);
	a->issuer = unpack_str(u, arena, SNAPSHOT_HOST_MAX);
	a->audience = unpack_str(u, arena, SNAPSHOT_HOST_MAX);
	a->cookie = unpack_str(u, arena, SNAPSHOT_HOST_MAX);
	a->require = unpack_str(u, arena, SNAPSHOT_AUTH_LIST_MAX);
	a->claims = unpack_str(u, arena, SNAPSHOT_AUTH_LIST_MAX);
	a->path = unpack_str(u, arena, SNAPSHOT_PATH_MAX);
	a->request_headers = unpack_str(u, arena, SNAPSHOT_AUTH_LIST_MAX);
	a->response_headers = unpack_str(u, arena, SNAPSHOT_AUTH_LIST_MAX);
	if (u->error != 0)
		return NULL;
	*out = a;
	return check(a, nservices);
}
