/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "video/report.h"

static struct buf out;
static struct report r;

static int
setup(void **state)
{
	(void)state;
	buf_init(&out, 4096);
	report_begin(&r, &out);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_done(&out);
	return 0;
}

static void
objects_lists_and_values_are_json(void **state)
{
	(void)state;
	report_int(&r, "a", INT64_MIN);
	report_list(&r, "list");
	report_object(&r, NULL);
	report_text(&r, "b", "c");
	report_printf(&r, "d", "%d/%d", 1, 2);
	report_close(&r);
	report_object(&r, NULL);
	report_close(&r);
	report_close(&r);
	report_list(&r, "none");
	assert_int_equal(report_end(&r), 0);
	assert_string_equal(buf_str(&out),
	    "{\"a\":-9223372036854775808,"
	    "\"list\":[{\"b\":\"c\",\"d\":\"1/2\"},{}],\"none\":[]}\n");
}

static void
says(const char *value, const char *json)
{
	char whole[256];

	buf_clear(&out);
	report_begin(&r, &out);
	report_text(&r, "t", value);
	assert_int_equal(report_end(&r), 0);
	(void)snprintf(whole, sizeof(whole), "{\"t\":\"%s\"}\n", json);
	assert_string_equal(buf_str(&out), whole);
}

static void
text_is_escaped(void **state)
{
	(void)state;
	says("", "");
	says("a\"b\\c/", "a\\\"b\\\\c/");
	says("\b\f\n\r\t\x01\x1f\x7f", "\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f");
	says("gr\xc3\xb6\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\xac",
	    "gr\xc3\xb6\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\xac");
}

#define BAD "\xef\xbf\xbd"

static void
what_is_no_utf_8_is_replaced_byte_by_byte(void **state)
{
	(void)state;
	says("\xff", BAD);
	says("a\x80z", "a" BAD "z");
	says("\xc3", BAD);
	says("\xc3(", BAD "(");
	says("\xc0\xaf", BAD BAD);
	says("\xc1\xbf", BAD BAD);
	says("\xe0\x9f\xbf", BAD BAD BAD);
	says("\xed\xa0\x80", BAD BAD BAD);
	says("\xe2\x82", BAD BAD);
	says("\xf0\x8f\xbf\xbf", BAD BAD BAD BAD);
	says("\xf4\x90\x80\x80", BAD BAD BAD BAD);
	says("\xf5\x80\x80\x80", BAD BAD BAD BAD);
	says("\xf0\x9f\x8e", BAD BAD BAD);
	says("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
	says("\xe0\xa0\x80", "\xe0\xa0\x80");
	says("\xed\x9f\xbf", "\xed\x9f\xbf");
}

static void
names_are_text_too(void **state)
{
	json_t *o;

	(void)state;
	report_int(&r, "a\"\xff\n", 1);
	assert_int_equal(report_end(&r), 0);
	o = json_loads(buf_str(&out), 0, NULL);
	assert_non_null(o);
	assert_int_equal(
	    json_integer_value(json_object_get(o, "a\"" BAD "\n")), 1);
	json_decref(o);
}

static void
the_ceiling_is_an_error_that_stays(void **state)
{
	(void)state;
	out.max = 40;
	for (int i = 0; i < 100; i++)
		report_text(&r, "name", "value");
	assert_true(out.len <= 40);
	assert_int_equal(report_end(&r), -ENOBUFS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(objects_lists_and_values_are_json),
		TEST(text_is_escaped),
		TEST(what_is_no_utf_8_is_replaced_byte_by_byte),
		TEST(names_are_text_too),
		TEST(the_ceiling_is_an_error_that_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
