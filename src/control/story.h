/* SPDX-License-Identifier: ISC */

/*
 * story - a record with everything that it points to
 *
 * Copied out of the shared memory, so it stays what it is. The names are those
 * of the time of the request. Pure but for the reading; the two lines of an
 * access log are made of it, and what explain tells.
 *
 * Whatever a client sent is escaped: a line stays one line, and its fields
 * stay apart. In JSON each byte that is not printable ASCII is \u00XX; in the
 * combined format it is \xXX.
 */

#ifndef CONTROL_STORY_H
#define CONTROL_STORY_H

#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "link/record.h"

#define STORY_NAME (RECORD_NAME_MAX + 1)
#define STORY_LINE_MAX (32U * 1024) /* no line is longer */

struct story {
	struct record rec;
	char id_text[RECORD_ID_MAX];
	struct span id;
	struct span path;	 /* maybe only its beginning */
	struct record_text text; /* empty without an access log */
	char service[STORY_NAME], route[STORY_NAME];
	char hops[RECORD_HOPS][STORY_NAME];
	unsigned nhops;
	uint64_t at_us; /* since 1970, when it began */
	char texts[RECORD_TEXT_MAX];
};

/* Between the wall clock and the monotonic one, now. */
int64_t story_offset_us(void);

/* False: it is not there any more. */
bool story_read(struct story *s, const struct records *r, unsigned worker,
    uint64_t at, int64_t offset_us) MUST_CHECK;

/* "1.2.3.4", "::1", "unix:"; buf has STORY_CLIENT bytes. */
#define STORY_CLIENT 46
const char *story_client(const struct record *rec, char *buf);

/* One line each, with its newline. -ENOBUFS, -ENOMEM. */
int story_json_line(struct buf *out, const struct story *s) MUST_CHECK;
int story_combined_line(struct buf *out, const struct story *s) MUST_CHECK;

/* For explain; NULL: out of memory. */
json_t *story_json(const struct story *s);

#endif /* CONTROL_STORY_H */
