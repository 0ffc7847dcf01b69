/* SPDX-License-Identifier: ISC */

/*
 * input - bodies, query parameters and If-Match, checked against a route's row
 *
 * Pure: bytes in, a verdict with the name of what is wrong out. The checks
 * return 0, -EINVAL with *fault, or -ENOMEM.
 */

#ifndef ADMIN_INPUT_H
#define ADMIN_INPUT_H

#include <jansson.h>

#include "admin/api.h"
#include "base/err.h"
#include "base/str.h"

const char *input_type_name(enum api_type type); /* JSON Schema's word */

struct fault {
	char field[64]; /* "" when it is not about one */
	struct err err;
};

/*
 * A JSON object of these values and no others. No bytes at all are {}. The
 * value is the caller's.
 */
int input_body(const struct api_value *want, struct span bytes, json_t **body,
    struct fault *fault) MUST_CHECK;

int input_param(const struct api_value *want, struct span name,
    struct span value, struct fault *fault) MUST_CHECK;

/* As parameters spell them: true, false, 1, 0, and nothing for true. */
int input_flag(struct span value, bool *flag) MUST_CHECK;

/* The wall clock's milliseconds that `since` means, when it is now. */
int input_since(struct span value, uint64_t now_ms, uint64_t *ms) MUST_CHECK;

/*
 * Whether If-Match lets a change of this generation through: absent, "*" or a
 * list with "<generation>" in it. -EINVAL: it is not such a list.
 */
int input_if_match(
    struct span value, uint64_t generation, bool *match) MUST_CHECK;

#endif /* ADMIN_INPUT_H */
