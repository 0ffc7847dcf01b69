/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tls/jose.h"

static void
base64url_has_one_text_for_one_sequence(void **state)
{
	static const char *const bad[] = { "A", "AA=", "AA==", "A A", "AB",
		"AAB", "AA+A", "AA/A", "AAAAA", "AAA\n" };
	char out[8];

	(void)state;
	assert_int_equal(jose_decode(SPAN(""), out, 0), 0);
	assert_int_equal(jose_decode(SPAN("AQIDBA"), out, 8), 4);
	assert_memory_equal(out, "\1\2\3\4", 4);
	assert_int_equal(jose_decode(SPAN("-_8"), out, 2), 2);
	assert_memory_equal(out, "\xfb\xff", 2);
	assert_int_equal(jose_decode(SPAN("AQIDBA"), out, 3), -ENOBUFS);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(jose_decode(span_of(bad[i]), out, 8), -EINVAL);
}

static struct jose_value values[32];

static int
parse(const char *json)
{
	static char text[512];
	struct jose_doc doc = { values, ARRAY_LEN(values), 0 };

	assert_true(strlen(json) < sizeof(text));
	memcpy(text, json, strlen(json));
	return jose_parse(&doc, text, strlen(json));
}

static void
json_is_read_with_its_strings_decoded(void **state)
{
	uint64_t at;

	(void)state;
	assert_int_equal(parse(" {\"a\\u0062\": \"x\\n\\u00e9\\ud83d\\ude00\","
			       "\"n\":[1,-2.5e3,true,false,null],\"d\":12.9}"),
	    0);
	assert_true(span_eq(
	    jose_text(&values[0], "ab"), SPAN("x\n\xc3\xa9\xf0\x9f\x98\x80")));
	assert_int_equal(jose_get(&values[0], "n")->kind, JOSE_ARRAY);
	assert_true(span_eq(
	    jose_get(&values[0], "n")->first->next->text, SPAN("-2.5e3")));
	assert_int_equal(jose_date(jose_get(&values[0], "d"), &at), 0);
	assert_int_equal(at, 12);
	assert_null(jose_get(&values[0], "e"));
	assert_null(jose_get(jose_get(&values[0], "d"), "e"));
}

static void
json_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "{", "}", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "[1,]", "[1 2]", "{} x", "{}{}", "01",
		"-", "1.", ".5", "1e", "+1", "nul", "truex", "'a'", "\"a",
		"\"\\x\"", "\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"",
		"\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\t\"", "\"\xff\"",
		"\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
		"\"\xe2\x82\"", "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":1}",
		"[{\"a\":1,\"a\":1}]", "{a:1}", "\"\\" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i]) != -EINVAL)
			fail_msg("%s", bad[i]);
}

static void
json_has_a_ceiling_for_depth_and_values(void **state)
{
	char many[160] = "[";

	(void)state;
	assert_int_equal(parse("[[[[[[[[]]]]]]]]"), 0);
	assert_int_equal(parse("[[[[[[[[[]]]]]]]]]"), -E2BIG);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		memcpy(many + 1 + 2 * i, "1,", 2);
	many[2 * (ARRAY_LEN(values) - 1)] = ']';
	many[2 * (ARRAY_LEN(values) - 1) + 1] = '\0';
	assert_int_equal(parse(many), 0); /* 31 and the list itself */
	many[2 * (ARRAY_LEN(values) - 1)] = ',';
	many[2 * ARRAY_LEN(values)] = ']';
	many[2 * (ARRAY_LEN(values) - 1) + 1] = '1';
	assert_int_equal(parse(many), -E2BIG);
}

static void
a_date_is_a_plain_number_of_seconds(void **state)
{
	static const char *const bad[] = { "-1", "1e3", "\"1\"", "true",
		"9007199254740992", "99999999999999999999999" };
	uint64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(parse(bad[i]), 0);
		assert_int_equal(jose_date(&values[0], &at), -EINVAL);
	}
	assert_int_equal(jose_date(NULL, &at), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_has_one_text_for_one_sequence),
		cmocka_unit_test(json_is_read_with_its_strings_decoded),
		cmocka_unit_test(json_that_is_none_is_refused),
		cmocka_unit_test(json_has_a_ceiling_for_depth_and_values),
		cmocka_unit_test(a_date_is_a_plain_number_of_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
