/* SPDX-License-Identifier: ISC */

/*
 * lines - a stream of bytes, cut at its newlines
 *
 * A line is at most LINES_MAX bytes; a longer one is -EMSGSIZE and the end of
 * it. What has no newline behind it yet is kept.
 */

#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/command.h"

#define LINES_MAX (128 * 1024)

struct lines {
	struct buf rest;
	int (*line)(void *arg, char *line); /* not 0 ends it */
	void *arg;
};

void lines_init(struct lines *l, int (*line)(void *arg, char *line), void *arg);
void lines_done(struct lines *l);

/* 0, -EMSGSIZE, -ENOMEM, or what line() returned. */
int lines_feed(struct lines *l, struct span data) MUST_CHECK;

/* The value of an event stream's data line, or NULL for any other line. */
const char *lines_sse_data(const char *line);

/* An array of the NDJSON lines of an answer; NULL if there is none. */
json_t *lines_get(const struct invocation *in, const char *target);

#endif /* CLI_LINES_H */
