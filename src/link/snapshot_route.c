/* SPDX-License-Identifier: ISC */

/* A route in a snapshot: what it matches, and the rules that it carries. */

#include <string.h>

#include "link/snapshot_auth.h"
#include "link/snapshot_impl.h"

/* --- encoding ------------------------------------------------------------- */

static void
pack_rules(struct packer *p, const struct snapshot_route *r)
{
	pack_str(p, r->request_set);
	pack_str(p, r->request_remove);
	pack_str(p, r->response_set);
	pack_str(p, r->response_remove);
	pack_str(p, r->redirect);
	pack_u32(p, r->redirect_status);
	pack_u32(p, r->rate_count);
	pack_u32(p, r->rate_period_s);
	pack_u32(p, r->rate_burst);
	pack_str(p, r->rate_header);
	pack_str(p, r->cors_origins);
	pack_u32(p, r->cors_methods);
	pack_str(p, r->cors_headers);
	pack_str(p, r->cors_expose);
	pack_u32(p, r->cors_max_age_s);
}

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
	pack_rules(p, r);
	snapshot_pack_auth(p, r->auth);
	pack_close(p);
}

/* --- decoding ------------------------------------------------------------- */

static void
read_rules(struct snapshot_reader *r, struct snapshot_route *t)
{
	struct unpacker *u = &r->u;

	t->request_set = unpack_str(u, r->arena, SNAPSHOT_LINES_MAX);
	t->request_remove = unpack_str(u, r->arena, SNAPSHOT_NAMES_MAX);
	t->response_set = unpack_str(u, r->arena, SNAPSHOT_LINES_MAX);
	t->response_remove = unpack_str(u, r->arena, SNAPSHOT_NAMES_MAX);
	t->redirect = unpack_str(u, r->arena, SNAPSHOT_PATH_MAX);
	t->redirect_status = unpack_u32(u);
	t->rate_count = unpack_u32(u);
	t->rate_period_s = unpack_u32(u);
	t->rate_burst = unpack_u32(u);
	t->rate_header = unpack_str(u, r->arena, SNAPSHOT_NAME_MAX);
	t->cors_origins = unpack_str(u, r->arena, SNAPSHOT_ORIGINS_MAX);
	t->cors_methods = unpack_u32(u);
	t->cors_headers = unpack_str(u, r->arena, SNAPSHOT_NAMES_MAX);
	t->cors_expose = unpack_str(u, r->arena, SNAPSHOT_NAMES_MAX);
	t->cors_max_age_s = unpack_u32(u);
}

/* What goes into a head as it is: no control character, nor an end of line. */
static bool
is_text(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* Each line has a name, ": ", text, and an end. */
static bool
is_lines(const char *s)
{
	struct span rest = span_of(s), line;

	if (rest.n > 0 && rest.p[rest.n - 1] != '\n')
		return false;
	while (rest.n > 0 && span_next(&rest, '\n', &line)) {
		const char *colon = memchr(line.p, ':', line.n);

		if (colon == NULL || colon == line.p ||
		    colon + 1 == line.p + line.n || colon[1] != ' ')
			return false;
		for (size_t i = 0; i < line.n; i++)
			if ((unsigned char)line.p[i] < 0x20 ||
			    line.p[i] == 0x7f)
				return false;
	}
	return true;
}

static bool
is_redirect(const struct snapshot_route *t)
{
	uint32_t s = t->redirect_status;

	return t->redirect[0] == '\0' ||
	    (is_text(t->redirect) &&
		((s >= 301 && s <= 303) || s == 307 || s == 308));
}

static void
check_rules(struct snapshot_reader *r, const struct snapshot_route *t)
{
	snapshot_must(r, is_lines(t->request_set) && is_lines(t->response_set),
	    "header lines");
	snapshot_must(r,
	    is_text(t->request_remove) && is_text(t->response_remove),
	    "header names");
	snapshot_must(r, is_redirect(t), "redirect");
	snapshot_must(r,
	    t->rate_count == 0 ||
		(t->rate_count <= SNAPSHOT_BURST_MAX && t->rate_burst > 0 &&
		    t->rate_burst <= SNAPSHOT_BURST_MAX &&
		    t->rate_period_s > 0 && t->rate_period_s <= 3600),
	    "rate limit");
	snapshot_must(r,
	    is_text(t->cors_origins) && is_text(t->cors_headers) &&
		is_text(t->cors_expose) &&
		t->cors_methods < 2 * SNAPSHOT_OPTIONS,
	    "cors");
}

void
snapshot_read_route(
    struct snapshot_reader *r, struct snapshot_route *t, uint32_t nservices)
{
	const char *wrong;

	unpack_open(&r->u);
	t->host = unpack_str(&r->u, r->arena, SNAPSHOT_HOST_MAX);
	t->path = unpack_str(&r->u, r->arena, SNAPSHOT_PATH_MAX);
	t->rewrite = unpack_str(&r->u, r->arena, SNAPSHOT_PATH_MAX);
	t->methods = unpack_u32(&r->u);
	t->flags = unpack_u32(&r->u);
	t->service = unpack_u32(&r->u);
	t->upgrade = unpack_str(&r->u, r->arena, SNAPSHOT_UPGRADE_MAX);
	read_rules(r, t);
	wrong = snapshot_read_auth(&r->u, r->arena, &t->auth, nservices);
	unpack_close(&r->u);
	if (r->u.error != 0)
		return;
	snapshot_must(r, wrong == NULL, wrong);
	snapshot_must(r, t->path[0] == '/', "route path");
	snapshot_must(r,
	    t->rewrite[0] == '/' || !(t->flags & SNAPSHOT_ROUTE_REWRITE),
	    "rewrite");
	snapshot_must(r, t->methods < 2 * SNAPSHOT_OPTIONS, "route methods");
	snapshot_must(
	    r, t->flags < 2 * SNAPSHOT_ROUTE_CREDENTIALS, "route flags");
	snapshot_must(r, t->service < nservices, "service of a route");
	check_rules(r, t);
}
