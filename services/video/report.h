/* SPDX-License-Identifier: ISC */

/*
 * report - JSON as ffprobe writes it, from bytes that nobody vouches for
 *
 * Whatever stands in a file's metadata, the output is JSON in UTF-8: bytes that
 * are no UTF-8 become U+FFFD, control characters are escaped. An error, that of
 * the buffer's ceiling for one, is kept and all that follows does nothing.
 * Pure.
 */

#ifndef VIDEO_REPORT_H
#define VIDEO_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define REPORT_DEPTH 8

struct report {
	struct buf *out; /* borrowed */
	int error;	 /* the first: 0, -ENOBUFS, -ENOMEM */
	unsigned depth;
	bool more[REPORT_DEPTH];  /* something stands there already */
	char close[REPORT_DEPTH]; /* how it ends */
};

/* It begins as an object; report_end() closes all that is open. */
void report_begin(struct report *r, struct buf *out);
int report_end(struct report *r) MUST_CHECK;

/* name NULL: in a list. */
void report_object(struct report *r, const char *name);
void report_list(struct report *r, const char *name);
void report_close(struct report *r);
void report_text(struct report *r, const char *name, const char *value);
void report_int(struct report *r, const char *name, int64_t value);
/* "data:<type>;base64,<text>"; both are ASCII without quotes. */
void report_data_url(
    struct report *r, const char *name, const char *type, const char *base64);
void report_printf(struct report *r, const char *name, const char *fmt, ...)
    PRINTF(3, 4); /* a text */

#endif /* VIDEO_REPORT_H */
