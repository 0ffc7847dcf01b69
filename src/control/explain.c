/* SPDX-License-Identifier: ISC */

/* explain - what became of a request, looked for in the workers' rings */

#include <string.h>

#include "control/control.h"
#include "control/state.h"
#include "control/story.h"

#define FOUND_MAX 16
#define TRACE_DIGITS 32

/* By the request's id, or by the trace. */
static bool
is_asked_for(const struct record *rec, struct span name)
{
	char id[RECORD_ID_MAX], trace[TRACE_DIGITS];

	if (span_eq(record_id(rec, id), name))
		return true;
	if (name.n != TRACE_DIGITS)
		return false;
	str_hex(trace, rec->trace, sizeof(rec->trace));
	return memcmp(trace, name.p, TRACE_DIGITS) == 0;
}

struct search {
	const struct records *records;
	struct span name;
	json_t *found;
	uint64_t seen;
	int64_t offset;
};

static void
take(struct search *s, unsigned worker, uint64_t at)
{
	static struct story story;

	if (story_read(&story, s->records, worker, at, s->offset))
		(void)json_array_append_new(s->found, story_json(&story));
}

/* The newest first. */
static void
search_worker(struct search *s, unsigned worker)
{
	uint64_t tail = record_tail(s->records, worker);
	struct record rec;

	for (uint64_t at = record_head(s->records, worker); at > tail; at--) {
		if (json_array_size(s->found) >= FOUND_MAX)
			return;
		if (!record_read(s->records, worker, at - 1, &rec))
			continue;
		s->seen++;
		if (is_asked_for(&rec, s->name))
			take(s, worker, at - 1);
	}
}

json_t *
control_request(struct control *c, const char *name)
{
	struct search s = {
		.records = c->workers.records,
		.name = span_of(name),
		.found = json_array(),
		.offset = story_offset_us(),
	};

	for (unsigned w = 0; w < c->workers.n && s.records != NULL; w++)
		search_worker(&s, w);
	return json_pack(
	    "{s:o, s:I}", "requests", s.found, "searched", (json_int_t)s.seen);
}
