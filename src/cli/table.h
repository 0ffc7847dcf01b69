/* SPDX-License-Identifier: ISC */

/*
 * table - columns of text for a person
 *
 * Numbers stand to the right, everything else to the left. A heading may run
 * over into a column without one. Cells are ASCII; a control character becomes
 * '?', so that nothing which a service said can move the cursor.
 */

#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/buf.h"

struct table_column {
	const char *heading; /* "" has none; NULL ends the list */
	unsigned width;	     /* at least */
	unsigned gap;	     /* spaces behind it */
};

struct table_cell;

struct table {
	const struct table_column *columns;
	size_t ncolumns;
	bool colour;
	bool failed; /* out of memory: table_print() will say so */
	struct table_cell *cells;
	size_t ncells;
	struct buf text;
};

enum table_colour { PLAIN, GREEN, YELLOW, RED, DIM };

void table_init(
    struct table *t, const struct table_column *columns, bool colour);
void table_done(struct table *t);

/* The next cell, row by row. */
void table_add(struct table *t, enum table_colour colour, const char *fmt, ...)
    PRINTF(3, 4);

/* 0, -ENOMEM or -ENOBUFS. */
int table_print(const struct table *t, struct buf *out) MUST_CHECK;

#endif /* CLI_TABLE_H */
