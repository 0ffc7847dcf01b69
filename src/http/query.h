/* SPDX-License-Identifier: ISC */

/* query - percent-decoding of paths and query parameters; pure */

#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "base/arena.h"
#include "base/str.h"

#define QUERY_MAX 64 /* parameters */

struct query_param {
	struct span name;
	struct span value;
};

/*
 * Decode into the arena (or give `in` itself back if there is nothing to
 * decode). -EINVAL: a broken escape or a NUL; -ENOMEM.
 */
int query_decode(
    struct arena *a, struct span in, bool plus, struct span *out) MUST_CHECK;

/*
 * "a=b&c" into at most QUERY_MAX parameters; empty ones are skipped. -EINVAL,
 * -E2BIG or -ENOMEM.
 */
int query_parse(struct arena *a, struct span in,
    struct query_param params[QUERY_MAX], size_t *n) MUST_CHECK;

#endif /* HTTP_QUERY_H */
