/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "instance_owner.h"

/* --- deadlines ------------------------------------------------------------ */

static void
each_state_has_its_deadline(void **state)
{
	struct owner *o = *state;

	POST(o, WANT);
	assert_int_equal(armed(o), owner_policy.start_ms);
	POST(o, PASSED);
	assert_int_equal(armed(o), UINT64_MAX); /* no crash to forget */
	POST(o, FAILED);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, UNWANT);
	assert_int_equal(armed(o), owner_policy.drain_ms);
	POST(o, DRAINED);
	assert_int_equal(armed(o), owner_policy.stop_ms);
	POST(o, DEADLINE);
	assert_int_equal(
	    armed(o), owner_policy.stop_ms); /* and is killed again */
	POST(o, EXITED);
	assert_int_equal(armed(o), UINT64_MAX);
}

static void
a_repeated_order_keeps_its_deadline(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, UNWANT);
	o->now += 1000;
	POST(o, UNWANT, RECYCLE);
	assert_int_equal(armed(o), owner_policy.drain_ms - 1000);
	POST(o, DRAINED);
	o->now += 1000;
	POST(o, UNWANT, WANT, RECYCLE);
	assert_int_equal(armed(o), owner_policy.stop_ms - 1000);
}

static void
unready_for_ever_is_never_restarted(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, FAILED);
	for (unsigned i = 0; i < 1000; i++)
		POST(o, FAILED);
	assert_state(o, INSTANCE_UNREADY);
	assert_int_equal(armed(o), UINT64_MAX);
	assert_int_equal(o->spawns, 1);
}

static void
one_that_does_not_get_ready_is_replaced(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, DEADLINE);
	assert_string_equal(o->asked, " term");
	assert_int_equal(o->now, owner_policy.start_ms);
	POST(o, DEADLINE);
	assert_string_equal(o->asked, " kill");
	POST(o, EXITED);
	assert_state(o, INSTANCE_BACKOFF);
	assert_int_equal(instance_crashes(o->in), 1); /* once, not twice */
}

/* --- the wait before a restart -------------------------------------------- */

static void
delays_are_as_the_design_says(void **state)
{
	static const uint64_t want[] = { 0, 100, 1000, 2000, 4000, 8000, 16000,
		32000, 60000, 60000 };

	(void)state;
	for (unsigned n = 0; n < ARRAY_LEN(want); n++)
		assert_int_equal(instance_delay(&owner_policy, n + 1), want[n]);
	assert_int_equal(instance_delay(&owner_policy, UINT32_MAX), 60000);
}

static void
delays_stay_under_any_ceiling(void **state)
{
	struct instance_policy p = owner_policy;

	(void)state;
	p.restart_max_ms = 50;
	for (unsigned n = 1; n < 80; n++)
		assert_true(instance_delay(&p, n) <= 50);
	p.restart_base_ms = UINT64_MAX / 4;
	p.restart_max_ms = UINT64_MAX / 2;
	for (unsigned n = 1; n < 80; n++)
		assert_true(instance_delay(&p, n) <= UINT64_MAX / 2);
}

static void
it_waits_longer_and_never_gives_up(void **state)
{
	struct owner *o = *state;

	POST(o, WANT);
	for (unsigned n = 1; n <= 200; n++) {
		uint64_t delay = instance_delay(&owner_policy, n);

		POST(o, EXITED);
		assert_state(o, INSTANCE_BACKOFF);
		assert_int_equal(instance_crashes(o->in), n);
		assert_true(armed(o) >= delay - delay / 4);
		assert_true(armed(o) <= delay + delay / 4);
		POST(o, DEADLINE);
		assert_string_equal(o->asked, " spawn");
	}
}

static void
jitter_uses_the_whole_quarter(void **state)
{
	uint64_t low = UINT64_MAX, high = 0;
	struct owner *o = *state;

	POST(o, WANT);
	for (unsigned n = 0; n < 2000; n++) {
		POST(o, EXITED);
		if (instance_crashes(o->in) >= 9) {
			low = armed(o) < low ? armed(o) : low;
			high = armed(o) > high ? armed(o) : high;
		}
		POST(o, DEADLINE);
	}
	assert_in_range(low, 45000, 46000);
	assert_in_range(high, 74000, 75000);
}

static void
a_failed_spawn_is_a_crash(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, UNBORN);
	assert_state(o, INSTANCE_BACKOFF);
	assert_int_equal(instance_crashes(o->in), 1);
	assert_false(instance_has_process(o->in));
}

static void
ready_for_long_forgets_the_crashes(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, EXITED, DEADLINE, PASSED);
	assert_int_equal(instance_crashes(o->in), 2);
	assert_int_equal(armed(o), owner_policy.reset_ms);
	POST(o, DEADLINE);
	assert_int_equal(instance_crashes(o->in), 0);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, EXITED);
	assert_int_equal(armed(o), 0);
}

static void
a_wobble_starts_the_forgetting_anew(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, PASSED);
	o->now += 60000;
	POST(o, FAILED);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, PASSED);
	assert_int_equal(armed(o), owner_policy.reset_ms);
}

static void
an_operators_restart_skips_the_wait(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, EXITED, DEADLINE, EXITED);
	POST(o, WANT); /* a wish does not */
	assert_state(o, INSTANCE_BACKOFF);
	POST(o, RECYCLE);
	assert_state(o, INSTANCE_STARTING);
	assert_string_equal(o->asked, " spawn");
	assert_int_equal(armed(o), owner_policy.start_ms);
}

static void
wishing_again_while_a_sick_one_stops_skips_no_wait(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, DEADLINE, WANT, EXITED);
	assert_state(o, INSTANCE_BACKOFF);
	assert_in_range(armed(o), 75, 125);
}

static void
an_asked_for_restart_is_no_crash(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, RECYCLE, DRAINED, EXITED);
	assert_state(o, INSTANCE_STARTING);
	assert_string_equal(o->asked, " spawn");
	assert_int_equal(instance_crashes(o->in), 0);
	POST(o, EXITED); /* the next exit is not excused */
	assert_state(o, INSTANCE_BACKOFF);
}

static void
a_restart_asked_for_at_any_stage_happens(void **state)
{
	static const enum instance_event roads[][5] = {
		{ WANT, RECYCLE, END },
		{ WANT, UNWANT, RECYCLE, END },
		{ WANT, PASSED, RECYCLE, END },
		{ WANT, PASSED, UNWANT, RECYCLE, END },
		{ WANT, PASSED, FAILED, RECYCLE, END },
		{ WANT, PASSED, SICK, RECYCLE, END },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(roads); i++) {
		struct owner o;

		owner_init(&o);
		for (size_t j = 0; roads[i][j] != END; j++)
			POST(&o, roads[i][j]);
		POST(&o, DRAINED, EXITED);
		assert_state(&o, INSTANCE_STARTING);
		assert_int_equal(o.spawns, 2);
		owner_done(&o);
	}
}

static void
stop_after_restart_means_stop(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, RECYCLE, UNWANT, DRAINED, EXITED);
	assert_state(o, INSTANCE_STOPPED);
	POST(o, WANT, RECYCLE, UNWANT, EXITED);
	assert_state(o, INSTANCE_STOPPED);
	assert_int_equal(o->spawns, 2);
}

static void
start_after_stop_means_start(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, UNWANT, DRAINED, WANT, EXITED);
	assert_state(o, INSTANCE_STARTING);
	assert_true(instance_wanted(o->in));
}

static void
one_wanted_while_draining_proves_its_health(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, UNWANT, WANT);
	assert_state(o, INSTANCE_UNREADY);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, PASSED);
	assert_state(o, INSTANCE_READY);
	assert_int_equal(o->spawns, 1);
}

static void
code_125_stays_down_until_wanted(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, FINAL);
	assert_state(o, INSTANCE_STOPPED);
	assert_false(instance_wanted(o->in));
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, WANT);
	assert_state(o, INSTANCE_STARTING);
}

static void
code_125_of_a_sick_one_is_heard_too(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, SICK, FINAL);
	assert_state(o, INSTANCE_STOPPED);
	assert_false(instance_wanted(o->in));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_state_has_its_deadline),
		T(a_repeated_order_keeps_its_deadline),
		T(unready_for_ever_is_never_restarted),
		T(one_that_does_not_get_ready_is_replaced),
		T(delays_are_as_the_design_says),
		T(delays_stay_under_any_ceiling),
		T(it_waits_longer_and_never_gives_up),
		T(jitter_uses_the_whole_quarter),
		T(a_failed_spawn_is_a_crash),
		T(ready_for_long_forgets_the_crashes),
		T(a_wobble_starts_the_forgetting_anew),
		T(an_operators_restart_skips_the_wait),
		T(wishing_again_while_a_sick_one_stops_skips_no_wait),
		T(an_asked_for_restart_is_no_crash),
		T(a_restart_asked_for_at_any_stage_happens),
		T(stop_after_restart_means_stop),
		T(start_after_stop_means_start),
		T(one_wanted_while_draining_proves_its_health),
		T(code_125_stays_down_until_wanted),
		T(code_125_of_a_sick_one_is_heard_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
