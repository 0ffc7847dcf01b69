/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/param.h"

struct wish {
	int width;
	int turn;
	int shape;
	int when;
};

static const struct svc_choice shapes[] = { { "round", 1 }, { "circle", 1 },
	{ "square", 2 }, { NULL, 0 } };

static const struct svc_param rows[] = {
	{ .name = "width",
	    .type = SVC_INT,
	    .min = -5,
	    .max = 100,
	    .offset = offsetof(struct wish, width),
	    .value = 7 },
	{ .name = "turn",
	    .alias = "rotate",
	    .type = SVC_BOOL,
	    .offset = offsetof(struct wish, turn) },
	{ .name = "shape",
	    .type = SVC_CHOICE,
	    .choices = shapes,
	    .offset = offsetof(struct wish, shape),
	    .value = 2 },
	{ .name = "when",
	    .type = SVC_SECONDS,
	    .min = 500,
	    .max = 90000,
	    .offset = offsetof(struct wish, when),
	    .value = 1500 },
};
static const struct svc_params params = { rows, ARRAY_LEN(rows) };

static struct wish wish;
static struct svc_refusal refusal;
static uint64_t seen;

static int
set(const char *name, const char *value)
{
	refusal = (struct svc_refusal){ .problem = NULL };
	return svc_params_set(
	    &params, span_of(name), span_of(value), &wish, &seen, &refusal);
}

static int
reset(void **state)
{
	(void)state;
	seen = 0;
	memset(&wish, 0x55, sizeof(wish));
	svc_params_default(&params, &wish);
	return 0;
}

static void
refused(const struct svc_problem *problem, const char *parameter)
{
	assert_ptr_equal(refusal.problem, problem);
	assert_string_equal(refusal.parameter, parameter);
	assert_true(refusal.detail.text[0] != '\0');
}

static void
what_is_absent_has_its_default(void **state)
{
	(void)state;
	assert_int_equal(wish.width, 7);
	assert_int_equal(wish.turn, 0);
	assert_int_equal(wish.shape, 2);
}

static void
values_land_in_their_fields(void **state)
{
	(void)state;
	assert_int_equal(set("width", "100"), 0);
	assert_int_equal(set("rotate", "true"), 0);
	assert_int_equal(set("shape", "circle"), 0);
	assert_int_equal(wish.width, 100);
	assert_int_equal(wish.turn, 1);
	assert_int_equal(wish.shape, 1);
}

static void
an_unknown_name_is_refused(void **state)
{
	(void)state;
	assert_int_equal(set("widht", "1"), -EINVAL);
	refused(&svc_unknown_parameter, "");
	assert_non_null(strstr(refusal.detail.text, "widht"));
	assert_int_equal(set("", ""), -EINVAL);
	refused(&svc_unknown_parameter, "");
}

static void
a_name_given_twice_is_refused_under_its_alias_too(void **state)
{
	(void)state;
	assert_int_equal(set("turn", "1"), 0);
	assert_int_equal(set("rotate", "1"), -EINVAL);
	refused(&svc_repeated_parameter, "turn");
}

static void
only_whole_numbers_are_numbers(void **state)
{
	static const char *const bad[] = { "", "-", "1.5", "0x10", " 1", "1 ",
		"1e3", "+1", "--1", "\xc3\xa9" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		seen = 0;
		assert_int_equal(set("width", bad[i]), -EINVAL);
		refused(&svc_invalid_number, "width");
	}
}

static void
a_range_includes_its_ends_and_nothing_more(void **state)
{
	static const char *const bad[] = { "-6", "101", "2147483648",
		"4294967296", "99999999999999999999999" };

	(void)state;
	assert_int_equal(set("width", "-5"), 0);
	assert_int_equal(wish.width, -5);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		seen = 0;
		assert_int_equal(set("width", bad[i]), -EINVAL);
		refused(&svc_out_of_range, "width");
	}
}

static void
seconds_have_at_most_three_digits_behind_the_point(void **state)
{
	static const struct {
		const char *text;
		int ms;
	} good[] = { { "1", 1000 }, { "0.5", 500 }, { "12.25", 12250 },
		{ "0.500", 500 }, { "7.031", 7031 }, { "90.0", 90000 } };
	static const char *const bad[] = { "", ".", "1.", ".5", "1.2345", "-1",
		"1e3", "1,5", "1.5.5", " 1", "1.-5" };
	static const char *const out[] = { "0.499", "90.001", "2147483.648",
		"99999999999999999999" };

	(void)state;
	assert_int_equal(wish.when, 1500);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		seen = 0;
		assert_int_equal(set("when", good[i].text), 0);
		assert_int_equal(wish.when, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		seen = 0;
		assert_int_equal(set("when", bad[i]), -EINVAL);
		refused(&svc_invalid_number, "when");
	}
	for (size_t i = 0; i < ARRAY_LEN(out); i++) {
		seen = 0;
		assert_int_equal(set("when", out[i]), -EINVAL);
		refused(&svc_out_of_range, "when");
		assert_non_null(
		    strstr(refusal.detail.text, "0.5 to 90 seconds"));
	}
}

static void
an_unknown_choice_is_refused_with_what_is_known(void **state)
{
	(void)state;
	assert_int_equal(set("shape", "oval"), -EINVAL);
	refused(&svc_unknown_value, "shape");
	assert_non_null(strstr(refusal.detail.text, "round, circle, square"));
	assert_int_equal(set("turn", "yes"), -EINVAL);
	refused(&svc_unknown_value, "turn");
}

static void
hostile_bytes_do_not_reach_the_text(void **state)
{
	(void)state;
	assert_int_equal(set("width", "\x1b[31m\n\xff"), -EINVAL);
	for (const char *c = refusal.detail.text; *c != '\0'; c++)
		assert_true(*c >= ' ' && *c <= '~');
}

static void
a_choice_is_called_by_its_first_name(void **state)
{
	(void)state;
	assert_string_equal(svc_choice_name(shapes, 1), "round");
	assert_string_equal(svc_choice_name(shapes, 9), "");
}

#define T(name) cmocka_unit_test_setup(name, reset)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_absent_has_its_default),
		T(values_land_in_their_fields),
		T(an_unknown_name_is_refused),
		T(a_name_given_twice_is_refused_under_its_alias_too),
		T(only_whole_numbers_are_numbers),
		T(a_range_includes_its_ends_and_nothing_more),
		T(seconds_have_at_most_three_digits_behind_the_point),
		T(an_unknown_choice_is_refused_with_what_is_known),
		T(hostile_bytes_do_not_reach_the_text),
		T(a_choice_is_called_by_its_first_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
