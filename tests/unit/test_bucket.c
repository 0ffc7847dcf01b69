/* SPDX-License-Identifier: ISC */

/* bucket: what a rate lets through, alone, together, and in a full table. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/bucket.h"

#define SECOND UINT64_C(1000000000)
#define THREADS 4
#define TOKENS 200000

static struct bucket_line one[1];

static unsigned
let_through(const struct bucket_rate *r, uint64_t key, uint64_t now, unsigned n)
{
	struct bucket_answer a;
	unsigned ok = 0;

	while (n-- > 0) {
		bucket_take(one, 1, key, r, now, &a);
		ok += a.ok;
	}
	return ok;
}

static void
a_burst_goes_at_once_and_then_the_rate(void **state)
{
	struct bucket_rate r = bucket_rate(10, 1, 3);
	uint64_t now = 5 * SECOND;

	(void)state;
	memset(one, 0, sizeof(one));
	assert_int_equal(let_through(&r, 1, now, 10), 3);
	assert_int_equal(let_through(&r, 1, now + SECOND / 10 - 1, 10), 0);
	assert_int_equal(let_through(&r, 1, now + SECOND / 10, 10), 1);
	assert_int_equal(let_through(&r, 1, now + SECOND / 2, 10), 3);
	assert_int_equal(let_through(&r, 1, now + 100 * SECOND, 10), 3);
}

static void
in_any_time_no_more_than_burst_and_rate(void **state)
{
	struct bucket_rate r = bucket_rate(7, 60, 5);
	unsigned ok = 0;

	(void)state;
	memset(one, 0, sizeof(one));
	for (uint64_t ms = 0; ms < 600000; ms += 13)
		ok += let_through(&r, 1, SECOND + ms * 1000000, 1);
	assert_in_range(ok, 5 + 69, 5 + 70);
}

static void
an_answer_says_what_is_left_and_when_more_comes(void **state)
{
	struct bucket_rate r = bucket_rate(2, 1, 2);
	struct bucket_answer a;
	uint64_t at;

	(void)state;
	at = bucket_ask(&r, 0, 10 * SECOND, &a);
	assert_true(a.ok && a.left == 1 && a.wait_ns == 0);
	assert_int_equal(a.full_ns, SECOND / 2);
	at = bucket_ask(&r, at, 10 * SECOND, &a);
	assert_true(a.ok && a.left == 0);
	assert_int_equal(a.full_ns, SECOND);
	at = bucket_ask(&r, at, 10 * SECOND + 1, &a);
	assert_false(a.ok);
	assert_int_equal(a.wait_ns, SECOND / 2 - 1);
	assert_int_equal(a.left, 0);
	/* Refused, it took nothing: at the same moment it is full again. */
	assert_int_equal(at, 11 * SECOND);
}

static void
a_smaller_burst_after_a_reload_locks_nobody_out(void **state)
{
	struct bucket_rate r = bucket_rate(1, 1, 1);
	struct bucket_answer a;

	(void)state;
	bucket_ask(&r, 1000000 * SECOND, SECOND, &a);
	assert_false(a.ok);
	assert_int_equal(a.wait_ns, SECOND);
}

static void
keys_do_not_share_a_bucket(void **state)
{
	struct bucket_rate r = bucket_rate(1, 1, 2);

	(void)state;
	memset(one, 0, sizeof(one));
	for (uint64_t key = 1; key <= BUCKET_WAYS; key++)
		assert_int_equal(let_through(&r, key, SECOND, 5), 2);
	assert_int_equal(let_through(&r, 1, SECOND, 5), 0);
}

static void
a_new_key_takes_the_place_of_a_full_bucket(void **state)
{
	struct bucket_rate slow = bucket_rate(1, 3600, 1);
	struct bucket_rate fast = bucket_rate(1, 1, 1);
	struct bucket_answer a;

	(void)state;
	memset(one, 0, sizeof(one));
	for (uint64_t key = 2; key <= BUCKET_WAYS; key++)
		bucket_take(one, 1, key, &slow, SECOND, &a);
	bucket_take(one, 1, 1, &fast, SECOND, &a);
	assert_false(a.evicted);
	bucket_take(one, 1, 100, &slow, 3 * SECOND, &a); /* 1 is full again */
	assert_true(a.ok && !a.evicted);
	for (uint64_t key = 2; key <= BUCKET_WAYS; key++)
		assert_int_equal(let_through(&slow, key, 3 * SECOND, 1), 0);
}

static void
in_a_line_of_used_ones_the_soonest_full_goes(void **state)
{
	struct bucket_rate slow = bucket_rate(1, 3600, 1);
	struct bucket_rate fast = bucket_rate(1, 60, 1);
	struct bucket_answer a;

	(void)state;
	memset(one, 0, sizeof(one));
	for (uint64_t key = 2; key <= BUCKET_WAYS; key++)
		bucket_take(one, 1, key, &slow, SECOND, &a);
	bucket_take(one, 1, 1, &fast, SECOND, &a);
	bucket_take(one, 1, 100, &slow, SECOND, &a);
	assert_true(a.ok && a.evicted);
	for (uint64_t key = 2; key <= BUCKET_WAYS; key++)
		assert_int_equal(let_through(&slow, key, SECOND, 1), 0);
}

/* --- together ------------------------------------------------------------- */

static pthread_barrier_t gate;

static void *
take_many(void *arg)
{
	static const struct bucket_rate rate = { SECOND, TOKENS * SECOND };
	unsigned *ok = arg;
	struct bucket_answer a;

	pthread_barrier_wait(&gate);
	for (unsigned i = 0; i < TOKENS / 2; i++) {
		bucket_take(one, 1, 7, &rate, SECOND, &a);
		*ok += a.ok;
	}
	return NULL;
}

static void
the_limit_holds_when_many_take_at_once(void **state)
{
	pthread_t threads[THREADS];
	unsigned ok[THREADS] = { 0 }, sum = 0;

	(void)state;
	memset(one, 0, sizeof(one));
	pthread_barrier_init(&gate, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, take_many, &ok[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += ok[i];
	}
	pthread_barrier_destroy(&gate);
	assert_in_range(sum, TOKENS, TOKENS + THREADS - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_goes_at_once_and_then_the_rate),
		cmocka_unit_test(in_any_time_no_more_than_burst_and_rate),
		cmocka_unit_test(
		    an_answer_says_what_is_left_and_when_more_comes),
		cmocka_unit_test(
		    a_smaller_burst_after_a_reload_locks_nobody_out),
		cmocka_unit_test(keys_do_not_share_a_bucket),
		cmocka_unit_test(a_new_key_takes_the_place_of_a_full_bucket),
		cmocka_unit_test(in_a_line_of_used_ones_the_soonest_full_goes),
		cmocka_unit_test(the_limit_holds_when_many_take_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
