/* SPDX-License-Identifier: ISC */

#include "http/route.h"

#include <errno.h>
#include <string.h>

#define SEGMENTS_MAX 30 /* two bits of rank for each */

enum segment { SEGMENT_REST = 1, SEGMENT_PARAM, SEGMENT_LITERAL };

/* What kind this segment of a pattern is, and its name without the braces. */
static enum segment
segment_kind(struct span s, struct span *name)
{
	if (s.n < 2 || *s.p != '{' || s.p[s.n - 1] != '}')
		return SEGMENT_LITERAL;
	*name = (struct span){ s.p + 1, s.n - 2 };
	if (name->n > 3 && memcmp(name->p + name->n - 3, "...", 3) == 0) {
		name->n -= 3;
		return SEGMENT_REST;
	}
	return SEGMENT_PARAM;
}

static bool
take_param(struct route_match *m, struct span name, struct span value)
{
	if (m->nparams == ROUTE_PARAMS)
		return false;
	m->params[m->nparams++] = (struct route_param){ name, value };
	return true;
}

static struct span
after_slash(const char *path)
{
	struct span s = span_of(path);

	return s.n > 0 ? (struct span){ s.p + 1, s.n - 1 } : s;
}

/* One segment of the pattern against the path; takes it off *rest. */
static bool
match_segment(struct route_match *m, struct span want, struct span *rest)
{
	struct span name;
	struct span got;
	enum segment kind = segment_kind(want, &name);

	m->rank = m->rank << 2 | (uint64_t)kind;
	if (kind == SEGMENT_REST) {
		got = rest->p == NULL ? SPAN("") : *rest;
		*rest = (struct span){ NULL, 0 };
		return take_param(m, name, got);
	}
	if (!span_next(rest, '/', &got))
		return false;
	if (kind == SEGMENT_LITERAL)
		return span_eq(want, got);
	return got.n > 0 && take_param(m, name, got);
}

static bool
match_path(
    const struct server_route *route, struct span path, struct route_match *m)
{
	struct span pattern = after_slash(route->path);
	struct span rest = { path.p + 1, path.n - 1 };
	struct span want;
	unsigned n = 0;

	*m = (struct route_match){ .route = route };
	while (span_next(&pattern, '/', &want)) {
		if (!match_segment(m, want, &rest))
			return false;
		n++;
	}
	m->rank <<= 2 * (SEGMENTS_MAX - n);
	return rest.p == NULL;
}

static bool
match_method(const struct server_route *route, struct span method)
{
	if (span_eq(span_of(route->method), method))
		return true;
	return span_eq(method, SPAN("HEAD")) &&
	    span_eq(span_of(route->method), SPAN("GET"));
}

void
route_match_path(const struct server_route *routes, size_t n,
    struct span method, struct span path, struct route_match *match)
{
	struct route_match m;
	bool exists = false;

	*match = (struct route_match){ .route = NULL };
	if (path.n == 0 || *path.p != '/')
		return;
	for (size_t i = 0; i < n; i++) {
		if (!match_path(&routes[i], path, &m))
			continue;
		exists = true;
		if (match_method(&routes[i], method) &&
		    (match->route == NULL || m.rank > match->rank))
			*match = m;
	}
	match->path_exists = exists;
}

static int
allow_method(struct buf *b, const char *method)
{
	struct span rest = buf_span(b);
	struct span part;

	while (b->len > 0 && span_next(&rest, ',', &part))
		if (span_eq(span_trim(part), span_of(method)))
			return 0;
	return buf_printf(b, "%s%s", b->len > 0 ? ", " : "", method);
}

int
route_allow(const struct server_route *routes, size_t n, struct span path,
    struct buf *b)
{
	struct route_match m;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (path.n == 0 || *path.p != '/' ||
		    !match_path(&routes[i], path, &m))
			continue;
		r = allow_method(b, routes[i].method);
		if (r == 0 && strcmp(routes[i].method, "GET") == 0)
			r = allow_method(b, "HEAD");
	}
	return r;
}

static int
check_path(const char *path, struct err *err)
{
	struct span rest = after_slash(path);
	struct span name = { NULL, 0 };
	struct span part;
	unsigned segments = 0;
	unsigned params = 0;

	if (*path != '/')
		return err_set(err, -EINVAL, "route %s: no / in front", path);
	while (span_next(&rest, '/', &part)) {
		enum segment kind = segment_kind(part, &name);

		params += kind != SEGMENT_LITERAL;
		if (++segments > SEGMENTS_MAX || params > ROUTE_PARAMS)
			return err_set(
			    err, -EINVAL, "route %s: too long", path);
		if (kind == SEGMENT_REST && rest.p != NULL)
			return err_set(err, -EINVAL,
			    "route %s: {...} is not at the end", path);
		if (kind == SEGMENT_LITERAL
			? memchr(part.p, '{', part.n) != NULL
			: name.n == 0)
			return err_set(
			    err, -EINVAL, "route %s: a malformed {name}", path);
	}
	return 0;
}

int
route_check(const struct server_route *routes, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct server_route *route = &routes[i];

		if (!http_token(span_of(route->method)) ||
		    route->handler == NULL)
			return err_set(err, -EINVAL,
			    "route %s: no method or no handler", route->path);
		if (check_path(route->path, err) < 0)
			return -EINVAL;
	}
	return 0;
}
