/* SPDX-License-Identifier: ISC */

/* When an endpoint is ejected, for how long, and when not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/outlier.h"

static const struct outlier_policy policy = {
	.errors = 5,
	.percent = 50,
	.ms = 30000,
};

static bool
fails(struct outlier *o, unsigned n)
{
	bool too_many = false;

	while (n-- > 0)
		too_many = outlier_failure(o, &policy);
	return too_many;
}

static void
five_in_a_row_are_too_many(void **state)
{
	struct outlier o = { 0 };

	(void)state;
	assert_false(fails(&o, 4));
	assert_true(fails(&o, 1));
}

static void
a_success_in_between_begins_anew(void **state)
{
	struct outlier o = { 0 };

	(void)state;
	assert_false(fails(&o, 4));
	outlier_success(&o);
	assert_false(fails(&o, 4));
	assert_true(fails(&o, 1));
}

/* It could not go then; it is asked about again at each further one. */
static void
what_was_not_let_go_is_still_one_too_many(void **state)
{
	struct outlier o = { 0 };

	(void)state;
	assert_true(fails(&o, 5));
	assert_true(fails(&o, 1));
	outlier_success(&o);
	assert_false(fails(&o, 1));
}

static void
with_no_limit_nobody_is_ejected(void **state)
{
	static const struct outlier_policy off = { .percent = 50, .ms = 1 };
	struct outlier o = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(outlier_failure(&o, &off));
}

static void
half_may_be_out_and_never_the_last(void **state)
{
	static const struct {
		unsigned n, most;
	} rows[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 1 }, { 4, 2 }, { 5, 2 },
		{ 10, 5 }, { 1000, 500 } };
	static const struct outlier_policy all = {
		.errors = 5, .percent = 100, .ms = 1
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned n = rows[i].n, most = rows[i].most;

		if (most > 0)
			assert_true(outlier_allows(&policy, n, most - 1));
		assert_false(outlier_allows(&policy, n, most));
		/* The last of all stays, whatever the share. */
		if (n > 1)
			assert_true(outlier_allows(&all, n, n - 2));
		assert_false(outlier_allows(&all, n, n > 0 ? n - 1 : 0));
	}
}

static void
each_time_is_longer_up_to_a_ceiling(void **state)
{
	struct outlier o = { 0 };
	uint64_t now = 1000;

	(void)state;
	for (unsigned n = 1; n <= 2 * OUTLIER_TIMES_MAX; n++) {
		unsigned times = n < OUTLIER_TIMES_MAX ? n : OUTLIER_TIMES_MAX;

		assert_true(fails(&o, 5));
		assert_int_equal(
		    outlier_eject(&o, &policy, now), 30000 * times);
		assert_true(outlier_is_out(&o, now + 30000 * times - 1));
		now += 30000 * times;
		assert_false(outlier_is_out(&o, now));
		assert_false(fails(&o, 4)); /* it counts from nothing again */
		outlier_success(&o);
	}
}

static void
serving_takes_one_back_for_each_span(void **state)
{
	struct outlier o = { 0 };

	(void)state;
	assert_int_equal(outlier_eject(&o, &policy, 0), 30000);
	assert_int_equal(outlier_eject(&o, &policy, 30000), 60000);
	assert_int_equal(outlier_eject(&o, &policy, 90000), 90000);
	/* Two spans of service after the third: as after the first. */
	assert_int_equal(outlier_eject(&o, &policy, 180000 + 60000), 60000);
	/* A long time after: all is forgotten. */
	assert_int_equal(outlier_eject(&o, &policy, 100000000), 30000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_in_a_row_are_too_many),
		cmocka_unit_test(a_success_in_between_begins_anew),
		cmocka_unit_test(what_was_not_let_go_is_still_one_too_many),
		cmocka_unit_test(with_no_limit_nobody_is_ejected),
		cmocka_unit_test(half_may_be_out_and_never_the_last),
		cmocka_unit_test(each_time_is_longer_up_to_a_ceiling),
		cmocka_unit_test(serving_takes_one_back_for_each_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
