/* SPDX-License-Identifier: ISC */

/*
 * route - from host, path and method to a service
 *
 * A table is compiled from rules once and then only asked. What wins: a rule
 * for exactly this host, then the longest "*.suffix" of it, then a rule
 * without a host; within these, an exact path, then the longest prefix that
 * ends on a '/' border ("/a" matches "/a" and "/a/b", not "/ab"; "/a/" matches
 * "/a/" and "/a/b", not "/a"); within one path, a rule that names the method,
 * then one for any. When no rule of the more special host fits, the less
 * special ones are asked.
 *
 * Rules with `internal` are invisible unless asked for from inside. A lookup
 * costs one hash for each '/' of the path, up to the depth of the rules, and
 * allocates nothing.
 */

#ifndef MODEL_ROUTE_H
#define MODEL_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define ROUTE_HOST_MAX 255

enum { /* bits of route_rule.methods, as in conf.h */
	ROUTE_GET = 1,
	ROUTE_HEAD = 2,
	ROUTE_POST = 4,
	ROUTE_PUT = 8,
	ROUTE_DELETE = 16,
	ROUTE_PATCH = 32,
	ROUTE_OPTIONS = 64,
	ROUTE_OTHER = 128 /* of a request: any method without a bit */
};

struct route_rule {
	struct span host; /* empty: any; "*.a.org"; lower case */
	struct span path; /* begins with '/' */
	unsigned methods; /* 0: any */
	bool exact;
	bool internal;
	void *to; /* the caller's */
};

struct route_table;

/*
 * The strings of the rules are borrowed. A rule that says the same as an
 * earlier one never wins. NULL when out of memory.
 */
struct route_table *route_table_new(const struct route_rule *rules, size_t n);
void route_table_free(struct route_table *t);

struct route_query {
	struct span host; /* without a port; any case */
	struct span path; /* without the query */
	unsigned method;  /* one ROUTE_ bit */
	bool internal;	  /* asked from inside */
};

struct route_answer {
	const struct route_rule *rule; /* NULL: none; of the table's copy */
	unsigned allowed; /* then: methods that the best path would take */
};

void route_find(const struct route_table *t, const struct route_query *q,
    struct route_answer *a);

#endif /* MODEL_ROUTE_H */
