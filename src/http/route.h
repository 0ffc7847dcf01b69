/* SPDX-License-Identifier: ISC */

/* route - which row of a server's table a request means; pure */

#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "base/buf.h"
#include "base/err.h"
#include "http/server.h"

#define ROUTE_PARAMS 8

struct route_param {
	struct span name;  /* without the braces */
	struct span value; /* as it stands in the path, not decoded */
};

struct route_match {
	const struct server_route *route;
	struct route_param params[ROUTE_PARAMS];
	size_t nparams;
	uint64_t rank;	  /* the greater, the more of it is literal */
	bool path_exists; /* for another method, if route is NULL */
};

/* 0, or -EINVAL with what is wrong in the table. */
int route_check(
    const struct server_route *routes, size_t n, struct err *err) MUST_CHECK;

void route_match_path(const struct server_route *routes, size_t n,
    struct span method, struct span path, struct route_match *match);

/* "GET, HEAD, POST": what is there for this path. 0, -ENOBUFS, -ENOMEM. */
int route_allow(const struct server_route *routes, size_t n, struct span path,
    struct buf *b) MUST_CHECK;

#endif /* HTTP_ROUTE_H */
