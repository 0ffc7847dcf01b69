/* SPDX-License-Identifier: ISC */

/* How many copies a load asks for, on a clock of the test's own. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale_plant.h"

/* --- up ------------------------------------------------------------------- */

static void
a_steady_load_gets_what_it_needs(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 120, 35);
	assert_int_equal(t.a.desired, 4);
	assert_int_equal(t.turns, 0);
	plant_pass(&t, 600, 35);
	assert_int_equal(t.a.desired, 4);
	assert_int_equal(t.changes, 1); /* at once, and that was that */
	assert_int_equal(t.a.stable_milli, 35000);
}

static void
a_load_at_the_target_is_one_copys(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 300, 10);
	assert_int_equal(t.a.desired, 1);
	assert_int_equal(t.changes, 0);
	plant_pass(&t, 300, 11);
	assert_int_equal(t.a.desired, 2);
}

static void
a_ramp_is_followed(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	for (unsigned load = 1; load <= 80; load++)
		plant_pass(&t, 5, load);
	plant_pass(&t, 60, 80);
	assert_int_equal(t.a.desired, 8);
	assert_int_equal(t.turns, 0);
}

static void
a_spike_is_met_in_seconds_by_the_panic_window(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 120, 2);
	assert_int_equal(t.a.desired, 1);
	plant_pass(
	    &t, 5, 60); /* the mean over a minute is about 7: one copy's */
	assert_true(t.a.stable_milli < 10000);
	assert_true(t.a.panic);
	assert_true(t.a.desired >= 4);
	assert_int_equal(t.a.cause, AUTOSCALE_PANIC);
}

static void
nothing_is_taken_away_in_panic(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 120, 2);
	plant_pass(&t, 8, 80);
	assert_true(t.a.desired >= 6);
	for (unsigned i = 0; i < 50; i++) {
		unsigned was = t.a.desired;

		plant_pass(&t, 1, 0);
		assert_true(t.a.desired >= was);
		assert_true(t.a.panic);
	}
	plant_pass(&t, 120, 1); /* a window later it may */
	assert_false(t.a.panic);
	assert_int_equal(t.a.desired, 1);
}

static void
whoever_waits_too_long_gets_one_more_at_a_time(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 120, 8); /* one copy's load */
	t.now += SECOND;
	plant_look(&t, 8, 400);
	assert_int_equal(t.a.desired, 1);
	t.now += SECOND;
	plant_look(&t, 8, 501);
	assert_int_equal(t.a.desired, 2);
	assert_int_equal(t.a.cause, AUTOSCALE_WAITING);
	t.now += 100;
	plant_look(&t, 8, 601); /* it is on its way */
	assert_int_equal(t.a.desired, 2);
	t.now += PLANT_START_MS;
	plant_run(&t);
	plant_look(&t, 8, 1601);
	assert_int_equal(t.a.desired, 3);
}

/* --- down ----------------------------------------------------------------- */

static void
less_is_wanted_after_the_grace_alone(void **state)
{
	struct plant t;
	unsigned seconds = 0;

	(void)state;
	plant_begin(&t, &usual, 1);
	plant_pass(&t, 200, 45);
	assert_int_equal(t.a.desired, 5);
	while (t.a.desired == 5 && seconds < 300) {
		plant_pass(&t, 1, 15);
		seconds++;
	}
	/* The mean wants 4 after some 11 s of this; then the grace. */
	assert_in_range(seconds, 35, 55);
	plant_pass(&t, 120, 15);
	assert_int_equal(t.a.desired, 2);
	assert_int_equal(t.turns, 1);
}

static void
an_oscillating_load_does_not_flap(void **state)
{
	struct plant t;
	unsigned changes;

	(void)state;
	plant_begin(&t, &usual, 1);
	for (unsigned i = 0; i < 6; i++) {
		plant_pass(&t, 10, 30);
		plant_pass(&t, 10, 5);
	}
	changes = t.changes;
	for (unsigned i = 0; i < 60; i++) {
		plant_pass(&t, 10, 30);
		plant_pass(&t, 10, 5);
	}
	assert_in_range(t.changes - changes, 0, 1);
	assert_true(t.a.desired >= 2);
}

static void
noise_at_a_border_does_not_flap(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 2);
	for (unsigned i = 0; i < 1000; i++)
		plant_pass(&t, 1, 20 + (i * 7919) % 3 - 1);
	assert_in_range(t.changes, 0, 4);
}

static void
nothing_is_taken_away_while_it_is_held(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 4);
	t.hold = true;
	plant_pass(&t, 300, 1);
	assert_int_equal(t.a.desired, 4);
	t.hold = false;
	plant_pass(&t, 1, 1);
	assert_int_equal(t.a.desired, 1);
}

static void
nothing_is_taken_away_while_one_is_not_ready(void **state)
{
	struct plant t;

	(void)state;
	plant_begin(&t, &usual, 4);
	t.lame = true;
	plant_pass(&t, 300, 1);
	assert_int_equal(t.a.desired, 4);
	t.lame = false;
	plant_pass(&t, 1, 1);
	assert_int_equal(t.a.desired, 1);
	t.lame = true; /* but to zero */
	plant_pass(&t, 90, 0);
	assert_int_equal(t.a.desired, 0);
}

/* --- bounds --------------------------------------------------------------- */

static void
min_and_max_hold_whatever_comes(void **state)
{
	struct autoscale_policy p = usual;
	struct plant t;
	char text[AUTOSCALE_TEXT];

	(void)state;
	p.min = 2;
	p.max = 3;
	plant_begin(&t, &p, 0);
	assert_int_equal(t.a.desired, 2);
	plant_pass(&t, 500, 0);
	assert_int_equal(t.a.desired, 2);
	plant_pass(&t, 100, 100000);
	assert_int_equal(t.a.desired, 3);
	assert_string_equal(autoscale_held(&t.a, &t.p, text), "max is 3");
	plant_pass(&t, 500, 0);
	assert_int_equal(t.a.desired, 2);
}

static void
another_policy_moves_it_into_its_bounds(void **state)
{
	struct plant t;
	char text[AUTOSCALE_TEXT];

	(void)state;
	plant_begin(&t, &usual, 5);
	t.p.max = 4;
	assert_true(autoscale_bounds(&t.a, &t.p));
	assert_int_equal(t.a.desired, 4);
	assert_string_equal(
	    autoscale_text(&t.a, &t.p, text), "min is 0 and max 4");
	assert_false(autoscale_bounds(&t.a, &t.p));
	t.p.min = t.p.max = 6;
	assert_true(autoscale_bounds(&t.a, &t.p));
	assert_int_equal(t.a.desired, 6);
}

static void
a_surge_is_bounded(void **state)
{
	struct autoscale_policy p = usual;
	struct plant t;
	char text[AUTOSCALE_TEXT];

	(void)state;
	p.max = 200;
	plant_begin(&t, &p, 1);
	for (unsigned i = 0; i < 20; i++) {
		t.now += 200;
		plant_run(&t);
		plant_look(&t, 5000, 0);
		assert_true(t.starting <= 4);
		if (i == 0) {
			assert_int_equal(t.a.bound, AUTOSCALE_AT_SURGE);
			assert_string_equal(autoscale_held(&t.a, &t.p, text),
			    "195 more wait: 0 start already");
		}
	}
	assert_true(t.a.desired > 5);
}

static void
memory_bounds_it_but_never_below_min(void **state)
{
	struct autoscale_policy p = usual;
	struct plant t;

	(void)state;
	plant_begin(&t, &p, 1);
	t.room = 2;
	plant_pass(&t, 1, 80);
	assert_int_equal(t.a.desired, 3);
	assert_int_equal(t.a.bound, AUTOSCALE_AT_MEMORY);
	t.room = 0;
	plant_pass(&t, 20, 80);
	assert_int_equal(t.a.desired, 3);
	assert_int_equal(t.a.bound, AUTOSCALE_AT_MEMORY);
	t.p.min = 6;
	assert_true(autoscale_bounds(&t.a, &t.p));
	assert_int_equal(t.a.desired, 6);
}

/* --- words ---------------------------------------------------------------- */

static void
targets_and_paces(void **state)
{
	struct autoscale_policy p = usual;

	(void)state;
	assert_int_equal(autoscale_target(0, 0), 10000);
	assert_int_equal(autoscale_target(0, 8), 5600);
	assert_int_equal(autoscale_target(3, 8), 3000);
	assert_int_equal(autoscale_pace(&p), 1000);
	p.panic_ms = 1200;
	assert_int_equal(autoscale_pace(&p), 200);
	p.panic_ms = 100;
	assert_int_equal(autoscale_pace(&p), 100);
	p.panic_ms = 3600 * SECOND;
	assert_int_equal(autoscale_pace(&p), 1000);
}

static void
it_says_why(void **state)
{
	struct plant t;
	char text[AUTOSCALE_TEXT];

	(void)state;
	plant_begin(&t, &usual, 1);
	assert_string_equal(
	    autoscale_text(&t.a, &t.p, text), "as it was found");
	plant_pass(&t, 100, 15);
	assert_string_equal(autoscale_text(&t.a, &t.p, text),
	    "15.0 in flight over 60 s, 10 a copy");
	plant_pass(&t, 100, 25);
	assert_string_equal(autoscale_text(&t.a, &t.p, text),
	    "20.2 in flight over 60 s, 10 a copy");
	plant_pass(&t, 200, 0);
	assert_string_equal(
	    autoscale_text(&t.a, &t.p, text), "nothing came for 90 s");
	plant_wake(&t);
	assert_string_equal(autoscale_text(&t.a, &t.p, text), "woken at zero");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_load_gets_what_it_needs),
		cmocka_unit_test(a_load_at_the_target_is_one_copys),
		cmocka_unit_test(a_ramp_is_followed),
		cmocka_unit_test(a_spike_is_met_in_seconds_by_the_panic_window),
		cmocka_unit_test(nothing_is_taken_away_in_panic),
		cmocka_unit_test(
		    whoever_waits_too_long_gets_one_more_at_a_time),
		cmocka_unit_test(less_is_wanted_after_the_grace_alone),
		cmocka_unit_test(an_oscillating_load_does_not_flap),
		cmocka_unit_test(noise_at_a_border_does_not_flap),
		cmocka_unit_test(nothing_is_taken_away_while_it_is_held),
		cmocka_unit_test(nothing_is_taken_away_while_one_is_not_ready),
		cmocka_unit_test(min_and_max_hold_whatever_comes),
		cmocka_unit_test(another_policy_moves_it_into_its_bounds),
		cmocka_unit_test(a_surge_is_bounded),
		cmocka_unit_test(memory_bounds_it_but_never_below_min),
		cmocka_unit_test(targets_and_paces),
		cmocka_unit_test(it_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
