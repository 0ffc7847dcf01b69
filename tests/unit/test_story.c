/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "control/story.h"

static struct buf out;

static int
setup(void **state)
{
	static struct story s;

	memset(&s, 0, sizeof(s));
	buf_init(&out, 256 * 1024);
	s.at_us = UINT64_C(1700000000123456);
	s.rec.method = 1;
	s.rec.status = 200;
	s.rec.version = 11;
	s.rec.bytes_out = 7;
	s.rec.address[10] = s.rec.address[11] = 0xff;
	s.rec.address[12] = 10;
	s.rec.address[15] = 9;
	s.path = SPAN("/a");
	s.id = SPAN("id");
	*state = &s;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_done(&out);
	return 0;
}

static json_t *
line_json(const struct story *s)
{
	json_t *value;

	buf_clear(&out);
	assert_int_equal(story_json_line(&out, s), 0);
	assert_int_equal(out.data[out.len - 1], '\n');
	assert_ptr_equal(
	    memchr(out.data, '\n', out.len), out.data + out.len - 1);
	value = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
	assert_non_null(value);
	return value;
}

static void
assert_text(const json_t *line, const char *key, const char *want)
{
	assert_string_equal(
	    json_string_value(json_object_get(line, key)), want);
}

static void
a_line_of_json_has_its_fields(void **state)
{
	struct story *s = *state;
	json_t *line;

	s->rec.fault = FAULT_TIMEOUT;
	s->rec.total_us = UINT64_MAX;
	memcpy(s->hops[0], "a.0", 4);
	s->nhops = 1;
	line = line_json(s);
	assert_text(line, "time", "2023-11-14T22:13:20.123Z");
	assert_text(line, "client", "10.0.0.9");
	assert_text(line, "target", "/a");
	assert_text(line, "fault", "timeout");
	assert_text(line, "end", "refused");
	assert_text(line, "endpoint", "a.0");
	assert_true(json_is_false(json_object_get(line, "tls")));
	json_decref(line);
	s->rec.flags = RECORD_CUT | RECORD_LOCAL | RECORD_TLS;
	line = line_json(s);
	assert_text(line, "end", "cut");
	assert_text(line, "client", "unix:");
	assert_true(json_is_true(json_object_get(line, "tls")));
	json_decref(line);
}

static void
no_byte_of_a_client_breaks_a_line(void **state)
{
	struct story *s = *state;
	char all[256];

	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	s->text.agent = (struct span){ all, sizeof(all) };
	json_decref(line_json(s));
	buf_clear(&out);
	assert_int_equal(story_combined_line(&out, s), 0);
	for (size_t i = 0; i + 1 < out.len; i++)
		assert_true(out.data[i] >= 0x20 && out.data[i] < 0x7f);
	assert_non_null(strstr(out.data, "\\x00\\x01"));
	assert_non_null(strstr(out.data, "!\\\"#"));
	assert_non_null(strstr(out.data, "[\\\\]"));
	assert_non_null(strstr(out.data, "\\xff\"\n"));
}

static void
a_combined_line_is_apaches(void **state)
{
	struct story *s = *state;

	s->text.target = SPAN("/a?b");
	s->text.referer = SPAN("http://r/");
	s->rec.flags = RECORD_TLS; /* which it has no place for */
	assert_int_equal(story_combined_line(&out, s), 0);
	assert_string_equal(buf_str(&out),
	    "10.0.0.9 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b HTTP/1.1\" "
	    "200 7 \"http://r/\" \"-\"\n");
	buf_clear(&out);
	s->text.target = s->path = (struct span){ NULL, 0 };
	s->rec.status = 0;
	s->rec.bytes_out = 0;
	assert_int_equal(story_combined_line(&out, s), 0);
	assert_non_null(strstr(out.data, "] \"-\" 499 - \"http"));
}

static void
the_longest_line_fits(void **state)
{
	static char worst[RECORD_TEXT_MAX];
	struct story *s = *state;
	struct span all = { worst, 0 };

	memset(worst, 0xff, sizeof(worst));
	all.n = 255;
	s->text.host = all;
	all.n = 2304;
	s->text.target = all;
	all.n = 1017;
	s->text.referer = all;
	all.n = 512;
	s->text.agent = all;
	memset(s->service, 0xff, STORY_NAME - 1);
	memset(s->route, 0xff, STORY_NAME - 1);
	memset(s->hops[0], 0xff, STORY_NAME - 1);
	s->nhops = 1;
	json_decref(line_json(s));
	assert_true(out.len < STORY_LINE_MAX);
}

static void
a_full_buffer_takes_no_half_line(void **state)
{
	struct story *s = *state;

	buf_done(&out);
	buf_init(&out, STORY_LINE_MAX + 10);
	assert_int_equal(story_json_line(&out, s), 0);
	assert_true(story_json_line(&out, s) < 0);
	assert_ptr_equal(
	    memchr(out.data, '\n', out.len), out.data + out.len - 1);
}

static void
what_a_hostile_record_says_is_still_a_story(void **state)
{
	struct story *s = *state;
	json_t *value;

	memset(&s->rec, 0xff, sizeof(s->rec));
	json_decref(line_json(s));
	value = story_json(s);
	assert_non_null(value);
	json_decref(value);
}

int
main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		STORY(a_line_of_json_has_its_fields),
		STORY(no_byte_of_a_client_breaks_a_line),
		STORY(a_combined_line_is_apaches),
		STORY(the_longest_line_fits),
		STORY(a_full_buffer_takes_no_half_line),
		STORY(what_a_hostile_record_says_is_still_a_story),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
