/* SPDX-License-Identifier: ISC */

/*
 * Whatever stands in the shared memory: a line of JSON is one object and one
 * line, and a combined one is printable.
 */

#include <string.h>

#include "control/story.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
check_json(const struct story *s, struct buf *out)
{
	json_t *value;

	buf_clear(out);
	MUST(story_json_line(out, s) == 0);
	MUST(memchr(out->data, '\n', out->len) == out->data + out->len - 1);
	value = json_loadb(out->data, out->len, JSON_ALLOW_NUL, NULL);
	MUST(json_is_object(value));
	json_decref(value);
	value = story_json(s);
	MUST(json_is_object(value));
	json_decref(value);
}

static void
check_combined(const struct story *s, struct buf *out)
{
	buf_clear(out);
	MUST(story_combined_line(out, s) == 0);
	MUST(out->len < STORY_LINE_MAX);
	for (size_t i = 0; i + 1 < out->len; i++)
		MUST(out->data[i] >= 0x20 && out->data[i] < 0x7f);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct story s;
	struct buf out;

	if (size < sizeof(s.rec) || size > sizeof(s.rec) + RECORD_TEXT_MAX)
		return 0;
	buf_init(&out, 64 * 1024);
	memcpy(&s.rec, data, sizeof(s.rec));
	s.at_us = s.rec.started_us % UINT64_C(4102444800000000);
	s.id = record_id(&s.rec, s.id_text);
	s.path = record_path(&s.rec);
	memcpy(s.texts, data + sizeof(s.rec), size - sizeof(s.rec));
	record_unpack_text(s.texts, size - sizeof(s.rec), &s.text);
	s.nhops = s.rec.nhops % (RECORD_HOPS + 1);
	check_json(&s, &out);
	check_combined(&s, &out);
	buf_done(&out);
	return 0;
}
