/* SPDX-License-Identifier: ISC */

/*
 * fields - what the views of this floor make JSON with
 */

#ifndef CONTROL_FIELDS_H
#define CONTROL_FIELDS_H

#include <jansson.h>
#include <stdint.h>

static inline double
seconds(uint64_t ms)
{
	return (double)ms / 1000.0;
}

/* value is taken. Out of memory the field is missing. */
static inline void
put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

#endif /* CONTROL_FIELDS_H */
