/* SPDX-License-Identifier: ISC */

/*
 * fault - the errors of a configuration, one line each
 *
 *	file:line: key: found X; allowed Y
 *
 * Up to FAULTS_MAX are kept, the rest only counted. Control characters become
 * '?', so that a line stays a line whatever stands in a file. Line 0 is the
 * file as a whole.
 */

#ifndef CONF_FAULT_H
#define CONF_FAULT_H

#include <stdbool.h>

#include "base/buf.h"

#define FAULTS_MAX 20

struct faults {
	struct buf *out; /* borrowed */
	unsigned n;	 /* all of them */
	bool nomem;	 /* one of them is that memory ran out */
};

void fault_add(struct faults *f, const char *file, unsigned line,
    const char *key, const char *fmt, ...) PRINTF(5, 6);

/* Out of memory, while working on this file. */
void fault_nomem(struct faults *f, const char *file);

#endif /* CONF_FAULT_H */
