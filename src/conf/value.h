/* SPDX-License-Identifier: ISC */

/*
 * value - one value: from a node into a struct, and from there into JSON
 *
 * What value_write() makes, value_read() takes back unchanged. Groups and
 * lists of mappings are not values: load and json walk them.
 */

#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "conf/fault.h"
#include "conf/node.h"
#include "conf/schema.h"

#define VALUE_SHOW_MAX 24

/* A value being read: where to put strings, and whom to tell. */
struct value_site {
	struct arena *arena; /* of the configuration */
	struct faults *faults;
	const char *file;
	const char *shown; /* the key, for messages: "route[0].path" */
};

/*
 * Set the field of row in the struct that begins at base. False: a fault was
 * added, or there is no memory, which adds one too.
 */
bool value_read(const struct value_site *site, const struct schema *row,
    const struct node *n, void *base);

/* 0 with *out the caller's, or NULL where nothing is to be said; -ENOMEM. */
int value_write(
    const struct schema *row, const void *base, json_t **out) MUST_CHECK;

/* In the largest unit that leaves no rest: "90s", "2m", "64KiB". Returns out */
const char *value_show_ms(char out[VALUE_SHOW_MAX], uint64_t ms);
const char *value_show_bytes(char out[VALUE_SHOW_MAX], uint64_t bytes);

/* `found X; allowed Y` for this node and row. Returns false. */
bool value_refuse(const struct value_site *site, const struct schema *row,
    const struct node *n);
bool value_nomem(const struct value_site *site);

#endif /* CONF_VALUE_H */
