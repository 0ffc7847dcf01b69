/* SPDX-License-Identifier: ISC */

/*
 * read - a file's tree of nodes into a struct, by a table of schema.h
 *
 * Every key is held against its row: unknown keys, values of another kind or
 * out of range and missing keys that are required go to the faults, all of
 * them, with file, line and key. Nothing here knows what a key is for.
 */

#ifndef CONF_READ_H
#define CONF_READ_H

#include <stdbool.h>

#include "base/arena.h"
#include "conf/fault.h"
#include "conf/node.h"

struct schema;

/* All of it is borrowed. */
struct reader {
	struct arena *arena; /* for what the struct points to */
	struct faults *faults;
	const char *file;	    /* for the faults */
	const struct schema *table; /* ends with a row without a path */
	unsigned *lines; /* by row, where its key stands; NULL: not wanted */
};

/* The defaults of all keys, but of those in lists. False: a fault. */
bool read_presets(const struct reader *rd, void *base);

/* A whole file over them. False: a fault, and base is not to be used. */
bool read_tree(const struct reader *rd, const struct node *root, void *base);

#endif /* CONF_READ_H */
