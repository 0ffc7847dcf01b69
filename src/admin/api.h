/* SPDX-License-Identifier: ISC */

/*
 * api - the table of the admin API's routes
 *
 * The one place that says what there is: dispatch, the check of roles, of query
 * parameters and of bodies, and openapi.json all read these rows. ROUTE() takes
 * the role by position, so a row without one does not compile.
 */

#ifndef ADMIN_API_H
#define ADMIN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/role.h"

enum api_type { API_STRING, API_INTEGER, API_BOOLEAN, API_SINCE };

/* A query parameter or a member of a JSON body. */
struct api_value {
	const char *name; /* NULL ends a list */
	enum api_type type;
	bool required;
	int64_t min, max; /* API_INTEGER */
	const char *text;
};

struct call;

struct api_route {
	const char *method;
	const char *path;
	enum role role;
	bool change;			/* audited; heeds If-Match */
	const struct api_value *params; /* NULL: none is allowed */
	const struct api_value *body;	/* NULL: none but {} is allowed */
	unsigned status;		/* of the answer when all is well */
	const char *type;		/* its media type */
	const char *text;		/* what it does, in one line */
	const char *answer;		/* what the answer is */
	void (*handler)(struct call *call);
};

/* clang-format off */
#define ROUTE(method_, path_, role_, ...) \
	{ .method = #method_, .path = path_, .role = ROLE_##role_, __VA_ARGS__ }
/* clang-format on */

extern const struct api_route api_routes[];
extern const size_t api_nroutes;

#endif /* ADMIN_API_H */
