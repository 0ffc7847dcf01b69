/* SPDX-License-Identifier: ISC */

/* Many timeouts on one timer: lists that are held, given back, stood in for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "proxy/deadline.h"

struct bench {
	struct loop *loop;
	struct deadlines ds;
	uint64_t now_ms;
};

static void
on_tick(void *arg)
{
	(void)arg;
}

static int
setup(void **state)
{
	static struct bench b;
	struct err err;

	memset(&b, 0, sizeof(b));
	b.now_ms = 1000;
	b.loop = loop_new(&err);
	deadlines_init(&b.ds, b.loop, &b.now_ms, on_tick, &b);
	*state = &b;
	return b.loop == NULL;
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	deadlines_done(&b->ds);
	loop_free(b->loop);
	return 0;
}

static void
on_due(void *arg)
{
	(void)arg;
	fail_msg("it is not due");
}

static void
who_holds_the_same_duration_shares_a_list(void **state)
{
	struct bench *b = *state;
	struct deadline_kind *one = NULL, *two = NULL, *other = NULL;

	deadline_hold(&b->ds, &one, 50);
	deadline_hold(&b->ds, &two, 50);
	deadline_hold(&b->ds, &other, 60);
	assert_ptr_equal(one, two);
	assert_ptr_not_equal(one, other);
	deadline_release(&one);
	assert_null(one);
	deadline_release(&one);
	/* There is still one who goes by it. */
	deadline_hold(&b->ds, &one, 70);
	assert_int_equal(two->ms, 50);
	assert_ptr_not_equal(one, two);
	/* Holding something else lets go of what was held. */
	deadline_hold(&b->ds, &two, 60);
	assert_ptr_equal(two, other);
	assert_int_equal(other->refs, 2);
}

static void
a_list_is_given_to_another_duration_when_nothing_is_on_it(void **state)
{
	struct bench *b = *state;
	struct deadline_kind *kinds[DEADLINE_KINDS] = { NULL }, *more = NULL;
	struct deadline d = { .fn = on_due };

	for (unsigned i = 0; i < DEADLINE_KINDS; i++)
		deadline_hold(&b->ds, &kinds[i], 1001 + i);
	deadline_set(&b->ds, &d, kinds[7]);
	more = kinds[7];
	deadline_release(&kinds[7]);
	/* The deadline on it is still to come. */
	deadline_hold(&b->ds, &kinds[7], 5000);
	assert_ptr_not_equal(kinds[7], more);
	assert_int_equal(d.due_ms, 1000 + 1008);
	deadline_clear(&d);
	deadline_hold(&b->ds, &kinds[7], 5000);
	assert_ptr_equal(kinds[7], more);
	assert_int_equal(kinds[7]->ms, 5000);
}

static void
with_too_many_the_next_power_of_two_stands_in_and_never_less(void **state)
{
	static const struct {
		uint64_t ms, instead;
	} rows[] = { { 0, 0 }, { 1, 1 }, { 3, 4 }, { 4, 4 }, { 5000, 8192 },
		{ 86400000, UINT64_C(1) << 27 },
		{ UINT64_C(1) << 62, UINT64_C(1) << 62 } };
	struct bench *b = *state;
	struct deadline_kind *kinds[DEADLINE_KINDS] = { NULL }, *more = NULL;

	for (unsigned i = 0; i < DEADLINE_KINDS; i++)
		deadline_hold(&b->ds, &kinds[i], 1001 + i);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		deadline_hold(&b->ds, &more, rows[i].ms);
		assert_int_equal(more->ms, rows[i].instead);
	}
	/* One that is there is found, and one that goes makes room. */
	deadline_hold(&b->ds, &more, 1050);
	assert_int_equal(more->ms, 1050);
	deadline_release(&kinds[0]);
	deadline_hold(&b->ds, &more, 5000);
	assert_int_equal(more->ms, 5000);
}

/* Whatever callers say of their own deadlines, the configuration has room. */
static void
durations_that_nobody_holds_take_no_place_of_those_that_are_held(void **state)
{
	struct bench *b = *state;
	struct deadline all[1000] = { 0 };
	struct deadline_kind *kind = NULL;

	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		all[i].fn = on_due;
		deadline_set(&b->ds, &all[i], deadline_kind(&b->ds, 20001 + i));
		assert_true(all[i].due_ms >= 1000 + 20001 + i);
		assert_true(all[i].due_ms <= 1000 + 2 * (20001 + i));
		if (i < DEADLINE_PASSING)
			assert_int_equal(all[i].due_ms, 1000 + 20001 + i);
	}
	for (unsigned i = 0; i < DEADLINE_KINDS; i++) {
		kind = NULL;
		deadline_hold(&b->ds, &kind, 30000 + i);
		assert_int_equal(kind->ms, 30000 + i);
	}
	/* When they are over, others are exact again. */
	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		deadline_clear(&all[i]);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(deadline_kind(&b->ds, 7001 + i)->ms, 7001 + i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    who_holds_the_same_duration_shares_a_list, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_list_is_given_to_another_duration_when_nothing_is_on_it,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    with_too_many_the_next_power_of_two_stands_in_and_never_less,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    durations_that_nobody_holds_take_no_place_of_those_that_are_held,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
