/* SPDX-License-Identifier: ISC */

/*
 * param - typed query parameters from a const table
 *
 * A service lists what a route takes once: name, type, range, unit, default
 * and text. The query is checked against that list and stored in a struct of
 * the service's own; /openapi.json and the page for people say the same list.
 * A name that is not listed, a name given twice, a value outside its range are
 * refusals of their own kind: nothing is ignored or clamped.
 *
 * Pure: no allocation, no clock, no connection.
 */

#ifndef SVC_PARAM_H
#define SVC_PARAM_H

#include <stddef.h>

#include "base/str.h"
#include "lib/problem.h"

enum svc_param_type {
	SVC_INT,
	SVC_BOOL,
	SVC_CHOICE,
	SVC_SECONDS, /* "12.5": kept, like min and max, as milliseconds */
};

struct svc_choice {
	const char *name;
	int value;
};

/* All types are stored as an int. */
struct svc_param {
	const char *name;
	const char *alias; /* a second name, or NULL */
	enum svc_param_type type;
	size_t offset;			  /* of the int in the struct */
	int min, max;			  /* SVC_INT, SVC_SECONDS */
	const struct svc_choice *choices; /* SVC_CHOICE; ends with NULL */
	int value;			  /* what stands there when absent */
	const char *unit;		  /* "px", or NULL */
	const char *absent; /* the default for people; NULL: as `value` */
	const char *text;   /* one sentence */
};

struct svc_params {
	const struct svc_param *table;
	size_t len; /* at most 64 */
};

void svc_params_default(const struct svc_params *params, void *out);

/*
 * One decoded parameter of the query; *seen is 0 before the first. 0 or
 * -EINVAL with the refusal.
 */
int svc_params_set(const struct svc_params *params, struct span name,
    struct span value, void *out, uint64_t *seen,
    struct svc_refusal *refusal) MUST_CHECK;

/* The name of a choice's value: the first one listed with it. */
const char *svc_choice_name(const struct svc_choice *choices, int value);

#endif /* SVC_PARAM_H */
