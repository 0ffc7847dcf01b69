/* SPDX-License-Identifier: ISC */

/* To zero and from it, and what nobody saw, on a clock of the test's own. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale_plant.h"

/* --- zero ----------------------------------------------------------------- */

static void
to_zero_only_after_window_and_grace_of_nothing(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 100, 1);
	plant_pass(&t, 89, 0);
	assert_int_equal(t.a.desired, 1);
	plant_pass(&t, 1, 0);
	assert_int_equal(t.a.desired, 0);
	assert_int_equal(t.a.cause, AUTOSCALE_IDLE);
	plant_pass(&t, 100, 0);
	assert_int_equal(t.a.desired, 0);
}

static void
one_request_in_a_minute_keeps_one_copy(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	for (unsigned i = 0; i < 20; i++) {
		plant_pass(&t, 1, 1);
		plant_pass(&t, 59, 0);
		assert_int_equal(t.a.desired, 1);
	}
}

static void
a_request_between_two_looks_counts(void **state)
{
	struct plant t;
	const struct autoscale_sample s = { .ready = 1, .busy = true };

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 80, 0);
	t.now += SECOND;
	(void)autoscale_see(&t.a, &t.p, t.now, &s);
	plant_pass(&t, 89, 0);
	assert_int_equal(t.a.desired, 1);
	plant_pass(&t, 1, 0);
	assert_int_equal(t.a.desired, 0);
}

static void
from_zero_one_copy_first_and_then_by_load(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 0);
	plant_pass(&t, 10, 1000); /* nobody was woken */
	assert_int_equal(t.a.desired, 0);
	plant_wake(&t);
	assert_int_equal(t.a.desired, 1);
	assert_false(autoscale_wake(&t.a, &t.p, t.now));
	for (unsigned i = 0; i < 9; i++) {
		t.now += 100;
		plant_look(&t, 1000, i * 100);
		assert_int_equal(t.a.desired, 1);
	}
	t.now += 100;
	plant_run(&t);
	plant_look(&t, 1000, 1000);
	assert_int_equal(t.a.desired, 5); /* the surge */
	plant_pass(&t, 3, 1000);
	assert_int_equal(t.a.desired, 8);
}

static void
what_piled_up_at_zero_is_not_held_against_it(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 0);
	plant_wake(&t);
	t.now += 900;
	plant_look(&t, 200, 900);
	t.now += 100;
	plant_run(&t);
	plant_pass(&t, 60, 1); /* it was all done within the second */
	assert_int_equal(t.a.desired, 1);
	assert_int_equal(t.changes, 0);
}

static void
one_that_cannot_start_stays_one_and_then_none(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 0);
	t.broken = true;
	plant_wake(&t);
	plant_pass(&t, 120, 500);
	assert_int_equal(t.a.desired, 1);
	plant_pass(&t, 89, 0);
	assert_int_equal(t.a.desired, 1);
	plant_pass(&t, 1, 0);
	assert_int_equal(t.a.desired, 0);
}

static void
copies_that_all_fail_are_neither_more_nor_fewer(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 100, 30);
	assert_int_equal(t.a.desired, 3);
	t.ready = 0;
	t.broken = true;
	plant_follow(&t);
	plant_pass(&t, 300, 100);
	assert_int_equal(t.a.desired, 3);
}

/* --- what nobody saw ------------------------------------------------------ */

static void
a_new_one_takes_nothing_away_before_it_has_seen_enough(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 6);
	plant_pass(&t, 59, 1);
	assert_int_equal(t.a.desired, 6);
	plant_pass(&t, 31, 1);
	assert_int_equal(t.a.desired, 1);
}

static void
a_clock_that_jumps_ahead_takes_nothing_away(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 200, 30);
	assert_int_equal(t.a.desired, 3);
	t.now += 86400 * SECOND;
	plant_look(&t, 0, 0);
	assert_int_equal(t.a.desired, 3);
	plant_pass(&t, 59, 0);
	assert_int_equal(t.a.desired, 3);
	plant_pass(&t, 40, 0);
	assert_int_equal(t.a.desired, 0);
}

static void
a_clock_that_goes_back_stands_still(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 200, 30);
	t.now -= 100 * SECOND;
	plant_pass(&t, 99, 0);
	assert_int_equal(t.a.desired, 3);
	plant_pass(&t, 100, 0);
	assert_int_equal(t.a.desired, 0);
}

static void
the_ends_of_all_ranges_are_safe(void **state)
{
	struct autoscale_policy p = {
		.max = 1,
		.target_milli = 1,
		.surge = 1,
		.window_ms = 1,
	};
	struct plant t;

	(void)state;
	plant_begin(&t, &p, 1);
	plant_pass(&t, 10, UINT32_MAX);
	plant_pass(&t, 10, 0);
	p.window_ms = p.panic_ms = p.grace_ms = UINT32_MAX;
	p.target_milli = UINT64_MAX;
	plant_begin(&t, &p, 1);
	plant_pass(&t, 10, UINT32_MAX);
	assert_int_equal(t.a.desired, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    to_zero_only_after_window_and_grace_of_nothing),
		cmocka_unit_test(one_request_in_a_minute_keeps_one_copy),
		cmocka_unit_test(a_request_between_two_looks_counts),
		cmocka_unit_test(from_zero_one_copy_first_and_then_by_load),
		cmocka_unit_test(what_piled_up_at_zero_is_not_held_against_it),
		cmocka_unit_test(one_that_cannot_start_stays_one_and_then_none),
		cmocka_unit_test(
		    copies_that_all_fail_are_neither_more_nor_fewer),
		cmocka_unit_test(
		    a_new_one_takes_nothing_away_before_it_has_seen_enough),
		cmocka_unit_test(a_clock_that_jumps_ahead_takes_nothing_away),
		cmocka_unit_test(a_clock_that_goes_back_stands_still),
		cmocka_unit_test(the_ends_of_all_ranges_are_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
