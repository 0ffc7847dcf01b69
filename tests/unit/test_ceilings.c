/* SPDX-License-Identifier: ISC */

/* tally, pace and pressure: what ceilings are counted by. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "base/rand.h"
#include "model/pace.h"
#include "model/pressure.h"
#include "model/tally.h"

static const struct hash_key key = { 1, 2 };

/* --- tally ---------------------------------------------------------------- */

static uint64_t
tag_of(const struct tally *t, unsigned owner)
{
	return tally_tag(t, &owner, sizeof(owner));
}

static void
each_owner_has_what_was_added(void **state)
{
	unsigned counts[200] = { 0 };
	struct rng rng;
	struct tally t;

	(void)state;
	rng_seed(&rng, 7);
	tally_init(&t, &key);
	assert_int_equal(tally_resize(&t, ARRAY_LEN(counts)), 0);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned who = (unsigned)(rng_next(&rng) % ARRAY_LEN(counts));
		uint64_t tag = tag_of(&t, who);

		if (rng_next(&rng) % 2 == 0) {
			assert_int_equal(tally_add(&t, tag), 0);
			counts[who]++;
		} else if (counts[who] > 0) {
			tally_remove(&t, tag);
			counts[who]--;
		}
		who = (unsigned)(rng_next(&rng) % ARRAY_LEN(counts));
		assert_int_equal(tally_count(&t, tag_of(&t, who)), counts[who]);
	}
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
		assert_int_equal(tally_count(&t, tag_of(&t, i)), counts[i]);
		while (counts[i]-- > 0)
			tally_remove(&t, tag_of(&t, i));
	}
	assert_int_equal(t.used, 0);
	for (size_t i = 0; i < t.size; i++)
		assert_int_equal(t.slots[i].tag, 0);
	tally_done(&t);
}

/* All in one row, around the end of the table, and gone in any order. */
static void
owners_that_meet_are_told_apart(void **state)
{
	struct tally t;

	(void)state;
	tally_init(&t, &key);
	assert_int_equal(tally_resize(&t, 32), 0);
	for (uint64_t first = 0; first < 8; first++) {
		for (uint64_t i = 0; i < 8; i++)
			assert_int_equal(
			    tally_add(&t, 62 + 64 * (i + 1) + (i & 1)), 0);
		for (uint64_t i = 0; i < 8; i++) {
			uint64_t k = (first + 3 * i) % 8;

			tally_remove(&t, 62 + 64 * (k + 1) + (k & 1));
			for (uint64_t m = 0; m < 8; m++) {
				uint64_t tag = 62 + 64 * (m + 1) + (m & 1);
				bool gone = false;

				for (uint64_t n = 0; n <= i; n++)
					gone |= (first + 3 * n) % 8 == m;
				assert_int_equal(tally_count(&t, tag), !gone);
			}
		}
		assert_int_equal(t.used, 0);
	}
	tally_done(&t);
}

static void
a_tally_is_bounded(void **state)
{
	struct tally t;
	unsigned n = 0;

	(void)state;
	tally_init(&t, &key);
	assert_int_equal(tally_add(&t, 5), -ENOBUFS);
	assert_int_equal(tally_count(&t, 5), 0);
	tally_remove(&t, 5);
	assert_int_equal(tally_resize(&t, 100), 0);
	while (tally_add(&t, tag_of(&t, n)) == 0)
		n++;
	assert_int_equal(n, 128);
	assert_int_equal(tally_count(&t, tag_of(&t, n)), 0);
	assert_int_equal(tally_add(&t, tag_of(&t, 0)), 0);
	/* Another size has all that the first had, and cannot be too small. */
	assert_int_equal(tally_resize(&t, 1000), 0);
	assert_int_equal(tally_resize(&t, 1), 0);
	assert_int_equal(t.size, 256);
	assert_int_equal(tally_count(&t, tag_of(&t, 0)), 2);
	for (unsigned i = 1; i < n; i++)
		assert_int_equal(tally_count(&t, tag_of(&t, i)), 1);
	tally_done(&t);
}

static void
a_tally_without_memory_stays_as_it_was(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		struct tally t;
		int r;

		tally_init(&t, &key);
		if (tally_resize(&t, 10) == 0) {
			assert_int_equal(tally_add(&t, 9), 0);
			r = tally_resize(&t, 1000);
			assert_true(r == 0 || r == -ENOMEM);
			assert_int_equal(tally_count(&t, 9), 1);
			assert_int_equal(t.size, r == 0 ? 2048 : 64);
		}
		tally_done(&t);
	});
}

/* --- pace ----------------------------------------------------------------- */

#define S UINT64_C(1000000)

static void
who_is_waited_for_has_to_bring_enough(void **state)
{
	struct pace p = { 0 };

	(void)state;
	pace_wait(&p, 100 * S);
	pace_rest(&p, 110 * S);
	assert_false(pace_behind(&p, 0, 100, 10000)); /* the grace */
	pace_wait(&p, 200 * S);
	pace_wait(&p, 205 * S); /* since 200 it is */
	pace_rest(&p, 220 * S);
	assert_true(pace_behind(&p, 0, 100, 10000));
	assert_true(pace_behind(&p, 1999, 100, 10000));
	assert_false(pace_behind(&p, 2000, 100, 10000));
	assert_false(pace_behind(&p, 0, 0, 10000));
	assert_false(pace_behind(&p, 0, 100, 30000));
}

static void
time_in_which_nobody_waited_does_not_count(void **state)
{
	struct pace p = { 0 };

	(void)state;
	pace_rest(&p, 500 * S);
	assert_int_equal(p.waited_us, 0);
	pace_wait(&p, 500 * S);
	pace_rest(&p, 501 * S);
	pace_rest(&p, 900 * S);
	assert_int_equal(p.waited_us, S);
	/* A clock that stands or goes back adds nothing. */
	pace_wait(&p, 900 * S);
	pace_rest(&p, 899 * S);
	assert_int_equal(p.waited_us, S);
}

/* --- pressure ------------------------------------------------------------- */

static void
what_is_given_up_and_in_which_order(void **state)
{
	static const struct {
		unsigned held;
		enum pressure want;
	} rows[] = {
		{ 0, PRESSURE_NONE },
		{ 249, PRESSURE_NONE },
		{ 250, PRESSURE_SMALL },
		{ 599, PRESSURE_SMALL },
		{ 600, PRESSURE_IDLE },
		{ 749, PRESSURE_IDLE },
		{ 750, PRESSURE_REQUESTS },
		{ 849, PRESSURE_REQUESTS },
		{ 850, PRESSURE_ACCEPT },
		{ 5000, PRESSURE_ACCEPT },
		{ 800, PRESSURE_ACCEPT }, /* taken back later than begun */
		{ 799, PRESSURE_REQUESTS },
		{ 700, PRESSURE_REQUESTS },
		{ 699, PRESSURE_IDLE },
		{ 550, PRESSURE_IDLE },
		{ 549, PRESSURE_SMALL },
		{ 200, PRESSURE_SMALL },
		{ 199, PRESSURE_NONE },
		{ 900, PRESSURE_ACCEPT }, /* at once, in both directions */
		{ 0, PRESSURE_NONE },
	};
	enum pressure p = PRESSURE_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		p = pressure_next(p, rows[i].held, 1000);
		assert_int_equal(p, rows[i].want);
	}
}

static void
the_marks_are_where_the_steps_begin(void **state)
{
	const uint64_t sizes[] = { 1, 7, 1000, 4U << 20, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (enum pressure p = PRESSURE_SMALL; p < PRESSURE_COUNT;
		     p++) {
			uint64_t mark = pressure_mark(p, sizes[i]);

			assert_true(mark <= sizes[i]);
			assert_true(
			    pressure_next(PRESSURE_NONE, mark, sizes[i]) >= p);
			if (mark > 0)
				assert_true(pressure_next(PRESSURE_NONE,
						mark - 1, sizes[i]) < p);
		}
	assert_true(pressure_mark(PRESSURE_COUNT, 1) == UINT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_owner_has_what_was_added),
		cmocka_unit_test(owners_that_meet_are_told_apart),
		cmocka_unit_test(a_tally_is_bounded),
		cmocka_unit_test(a_tally_without_memory_stays_as_it_was),
		cmocka_unit_test(who_is_waited_for_has_to_bring_enough),
		cmocka_unit_test(time_in_which_nobody_waited_does_not_count),
		cmocka_unit_test(what_is_given_up_and_in_which_order),
		cmocka_unit_test(the_marks_are_where_the_steps_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
