/* SPDX-License-Identifier: ISC */

/*
 * trace - a request's place in a trace (W3C Trace Context, traceparent)
 *
 * 00-<32 digits: trace>-<16 digits: the caller's span>-<2 digits: flags>, lower
 * case. A later version may have more behind another dash, of which nothing is
 * taken; version ff, and a trace or span of zeros, are invalid (section 3.2).
 */

#ifndef HTTP_TRACE_H
#define HTTP_TRACE_H

#include <stdbool.h>

#include "base/str.h"

#define TRACE_TEXT 55	/* what trace_put() writes */
#define TRACE_SAMPLED 1 /* the flag */

struct trace {
	unsigned char id[16];
	unsigned char span[8];
	unsigned char flags; /* of a later version, only those that we know */
};

bool trace_parse(struct trace *t, struct span s); /* false: not valid */

/* As version 00; TRACE_TEXT bytes, no NUL. */
void trace_put(const struct trace *t, char *out);

#endif /* HTTP_TRACE_H */
