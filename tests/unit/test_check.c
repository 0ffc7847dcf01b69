/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "model/check.h"

/*
 * A row of checks ('+' passed, '-' failed) and what each is to turn: 'P'
 * passed, 'F' failed, '.' nothing. rise 2, fall 3.
 */
static void
follow(struct check *k, const char *checks, const char *turns)
{
	static const char letters[] = {
		[CHECK_SAME] = '.',
		[CHECK_PASSED] = 'P',
		[CHECK_FAILED] = 'F',
	};

	for (size_t i = 0; checks[i] != '\0'; i++)
		assert_int_equal(
		    letters[check_post(k, checks[i] == '+', 2, 3)], turns[i]);
}

static void
the_first_pass_is_ready(void **state)
{
	struct check k;

	(void)state;
	check_init(&k);
	follow(&k, "+", "P");
	check_init(&k);
	follow(&k, "----------+", "..........P");
}

static void
before_the_first_pass_nothing_fails(void **state)
{
	struct check k;

	(void)state;
	check_init(&k);
	follow(&k, "------", "......");
	assert_false(k.up);
}

static void
it_takes_fall_failures_in_a_row(void **state)
{
	struct check k;

	(void)state;
	check_init(&k);
	follow(&k, "+--+--+---", "P........F");
	follow(&k, "-----", ".....");
}

static void
it_takes_rise_passes_in_a_row_to_come_back(void **state)
{
	struct check k;

	(void)state;
	check_init(&k);
	follow(&k, "+---+-+-++", "P..F.....P");
	follow(&k, "++++", "....");
}

static void
an_adopted_verdict_has_to_be_overturned(void **state)
{
	struct check k;

	(void)state;
	check_adopt(&k, true);
	follow(&k, "--+---", ".....F");
	check_adopt(&k, false);
	follow(&k, "---+-++", "......P");
}

static void
a_start_is_watched_closely(void **state)
{
	struct check k;

	(void)state;
	check_init(&k);
	assert_int_equal(check_delay(&k, 0, 2000, 700), 100);
	assert_int_equal(check_delay(&k, 9999, 2000, 700), 100);
	assert_int_equal(check_delay(&k, 10000, 2000, 700), 500);
	assert_int_equal(check_delay(&k, 3600000, 2000, 700), 500);
	follow(&k, "+", "P");
	assert_int_equal(check_delay(&k, 50, 2000, 0), 2000);
	follow(&k, "---", "..F");
	assert_int_equal(check_delay(&k, 20000, 2000, 1), 1999);
	assert_int_equal(check_delay(&k, 20000, 2000, 2000), 0);
	assert_int_equal(check_delay(&k, 20000, 2000, UINT64_MAX), 0);
}

static void
five_crashes_in_five_minutes_are_a_loop(void **state)
{
	struct check_window w = { 0 };

	(void)state;
	assert_int_equal(check_window_count(&w, 0), 0);
	for (uint64_t i = 0; i < 4; i++)
		check_window_add(&w, i * 1000);
	assert_int_equal(check_window_count(&w, 4000), 4);
	assert_false(check_window_full(&w, 4000));
	check_window_add(&w, 299999);
	assert_true(check_window_full(&w, 299999));
	assert_false(check_window_full(&w, 300000)); /* the first is too old */
	assert_int_equal(check_window_count(&w, 300000), 4);
}

static void
only_the_last_five_crashes_count(void **state)
{
	struct check_window w = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		check_window_add(&w, i);
	assert_int_equal(check_window_count(&w, 1000), 5);
	assert_true(check_window_full(&w, 995 + 299999));
	assert_false(check_window_full(&w, 995 + 300000));
	assert_int_equal(check_window_count(&w, 10000000), 0);
}

static void
slow_crashes_are_no_loop(void **state)
{
	struct check_window w = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		check_window_add(&w, i * 75000);
		assert_false(check_window_full(&w, i * 75000));
	}
	assert_int_equal(check_window_count(&w, 99 * 75000), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_pass_is_ready),
		cmocka_unit_test(before_the_first_pass_nothing_fails),
		cmocka_unit_test(it_takes_fall_failures_in_a_row),
		cmocka_unit_test(it_takes_rise_passes_in_a_row_to_come_back),
		cmocka_unit_test(an_adopted_verdict_has_to_be_overturned),
		cmocka_unit_test(a_start_is_watched_closely),
		cmocka_unit_test(five_crashes_in_five_minutes_are_a_loop),
		cmocka_unit_test(only_the_last_five_crashes_count),
		cmocka_unit_test(slow_crashes_are_no_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
