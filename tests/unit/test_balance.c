/* SPDX-License-Identifier: ISC */

/* balance, budget and histogram: how a worker chooses, and what it counts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "model/balance.h"
#include "model/budget.h"
#include "model/histogram.h"

#define MOST 64
#define CROWD 1000

struct world {
	struct balance b;
	struct balance_endpoint e[CROWD];
	uint32_t load[CROWD];
	bool off[CROWD];
	unsigned asked;	 /* how many loads were looked at */
	unsigned usable; /* whether it can be had was asked so often */
	uint16_t owners[BALANCE_SLOTS];
	struct rng rng;
};

static bool
on_usable(void *arg, uint32_t i)
{
	struct world *w = arg;

	w->usable++;
	return !w->off[i];
}

static uint32_t
on_load(void *arg, uint32_t i)
{
	struct world *w = arg;

	w->asked++;
	return w->load[i];
}

static const struct balance_ops ops = { on_usable, on_load };

static void
world_init(struct world *w, uint32_t n)
{
	memset(w, 0, sizeof(*w));
	rng_seed(&w->rng, 7);
	w->b = (struct balance){ w->e, n, NULL, &w->rng, &ops, w };
	for (uint32_t i = 0; i < n; i++) {
		char name[16];

		snprintf(name, sizeof(name), "web.%u", i);
		w->e[i].weight = 100;
		w->e[i].identity = balance_hash(span_of(name));
		w->e[i].due = balance_first(100, 0);
	}
	balance_begin(w->e, n);
}

/* As a snapshot does it that changes a weight before anybody was asked. */
static void
set_weight(struct world *w, uint32_t i, uint32_t weight)
{
	w->e[i].weight = weight;
	w->e[i].due = balance_first(weight, 0);
	balance_begin(w->e, w->b.n);
}

static void
least_takes_the_least_loaded(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, BALANCE_SCAN);
	for (uint32_t i = 0; i < BALANCE_SCAN; i++)
		w.load[i] = 10 + i;
	w.load[5] = 2;
	for (int k = 0; k < 100; k++)
		assert_int_equal(balance_pick(&w.b, BALANCE_LEAST, 0), 5);
	w.off[5] = true;
	assert_int_equal(balance_pick(&w.b, BALANCE_LEAST, 0), 0);
}

static void
least_shares_among_equals_and_by_weight(void **state)
{
	struct world w;
	unsigned seen[3] = { 0 };

	(void)state;
	world_init(&w, 3);
	for (int k = 0; k < 3000; k++)
		seen[balance_pick(&w.b, BALANCE_LEAST, 0)]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(seen[i], 800, 1200);
	/* Twice the weight carries twice the load. */
	w.e[1].weight = 200;
	for (int k = 0; k < 400; k++)
		w.load[balance_pick(&w.b, BALANCE_LEAST, 0)]++;
	assert_in_range(w.load[1], 195, 205);
}

static void
two_choices_are_enough_for_many(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, MOST);
	for (int k = 0; k < 6400; k++)
		w.load[balance_pick(&w.b, BALANCE_LEAST, 0)]++;
	for (int i = 0; i < MOST; i++)
		assert_in_range(w.load[i], 90, 110);
	w.asked = 0;
	(void)balance_pick(&w.b, BALANCE_LEAST, 0);
	assert_true(w.asked <= 2);
}

static void
the_one_that_is_left_is_always_found(void **state)
{
	static const enum balance_policy all[] = { BALANCE_LEAST,
		BALANCE_ROUND_ROBIN, BALANCE_HASH };
	struct world w;

	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(all); p++) {
		world_init(&w, MOST);
		memset(w.off, true, sizeof(w.off));
		for (uint64_t k = 0; k < 50; k++)
			assert_int_equal(
			    balance_pick(&w.b, all[p], k), BALANCE_NONE);
		w.off[41] = false;
		for (uint64_t k = 0; k < 50; k++)
			assert_int_equal(balance_pick(&w.b, all[p], k), 41);
		w.b.n = 0;
		assert_int_equal(balance_pick(&w.b, all[p], 0), BALANCE_NONE);
	}
}

static void
round_robin_is_smooth(void **state)
{
	static const uint32_t turns[] = { 0, 0, 0, 1, 2, 0, 0 };
	struct world w;

	(void)state;
	world_init(&w, 3);
	set_weight(&w, 0, 500);
	for (int round_ = 0; round_ < 3; round_++)
		for (size_t i = 0; i < ARRAY_LEN(turns); i++)
			assert_int_equal(
			    balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0),
			    turns[i]);
}

static void
round_robin_of_a_crowd_is_exact_and_cheap(void **state)
{
	struct world w;
	static unsigned seen[CROWD];

	(void)state;
	world_init(&w, CROWD);
	for (uint32_t i = 0; i < CROWD; i += 10)
		set_weight(&w, i, 1000);
	/* A round: each of 900 once, each of 100 ten times; three of them. */
	for (int k = 0; k < 3 * 1900; k++)
		seen[balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0)]++;
	for (uint32_t i = 0; i < CROWD; i++)
		assert_int_equal(seen[i], i % 10 == 0 ? 30 : 3);
	assert_int_equal(w.usable, 3 * 1900);
}

static void
who_cannot_be_had_loses_the_turn_and_gets_no_burst_for_it(void **state)
{
	struct world w;
	unsigned seen[3] = { 0 };

	(void)state;
	world_init(&w, 3);
	w.off[1] = true;
	for (int k = 0; k < 1000; k++)
		seen[balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0)]++;
	assert_int_equal(seen[0], 500);
	assert_int_equal(seen[2], 500);
	w.off[1] = false;
	memset(seen, 0, sizeof(seen));
	for (int k = 0; k < 30; k++)
		seen[balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0)]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(seen[i], 9, 11);
}

static void
a_few_that_cannot_be_had_cost_nobody_a_scan(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, CROWD);
	for (uint32_t i = 0; i < CROWD; i += 100)
		w.off[i] = true;
	for (int k = 0; k < 3 * (CROWD - 10); k++)
		(void)balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0);
	assert_in_range(w.usable, 3 * CROWD - 10, 3 * CROWD + 10);
}

static void
somebody_new_gets_his_share_and_no_more(void **state)
{
	struct world w;
	unsigned seen[3] = { 0 };

	(void)state;
	world_init(&w, 2);
	for (int k = 0; k < 1001; k++)
		(void)balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0);
	w.e[2] = w.e[1];
	w.e[2].due = balance_first(100, balance_now(w.e, 2));
	w.b.n = 3;
	balance_begin(w.e, 3);
	for (int k = 0; k < 30; k++)
		seen[balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0)]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(seen[i], 9, 11);
	assert_int_equal(balance_now(w.e, 0), 0);
}

static void
what_is_due_may_pass_the_end_of_its_count(void **state)
{
	struct world w;
	unsigned seen[3] = { 0 };

	(void)state;
	world_init(&w, 3);
	for (uint32_t i = 0; i < 3; i++)
		w.e[i].due -= UINT64_C(1) << 30;
	for (int k = 0; k < 300; k++)
		seen[balance_pick(&w.b, BALANCE_ROUND_ROBIN, 0)]++;
	for (int i = 0; i < 3; i++)
		assert_int_equal(seen[i], 100);
}

static void
a_slot_is_looked_for_once_and_its_owner_is_the_same(void **state)
{
	static uint32_t owner[2000];
	struct world w;

	(void)state;
	world_init(&w, CROWD);
	for (uint64_t k = 0; k < ARRAY_LEN(owner); k++)
		owner[k] = balance_pick(&w.b, BALANCE_HASH, k);
	w.b.owners = w.owners;
	for (int twice = 0; twice < 2; twice++) {
		w.usable = 0;
		for (uint64_t k = 0; k < ARRAY_LEN(owner); k++)
			assert_int_equal(
			    balance_pick(&w.b, BALANCE_HASH, k), owner[k]);
		assert_int_equal(w.usable, ARRAY_LEN(owner));
	}
}

/* The standard deviation of shares in 1/1000 of a share: of all slots. */
static unsigned
unevenness(struct world *w, uint32_t n)
{
	uint64_t seen[CROWD] = { 0 }, squares = 0, share = 0;
	unsigned root = 0;

	world_init(w, n);
	w->b.owners = w->owners;
	for (uint64_t k = 0; k < 12 * BALANCE_SLOTS; k++)
		(void)balance_pick(&w->b, BALANCE_HASH, k);
	for (uint32_t s = 0; s < BALANCE_SLOTS; s++) {
		assert_int_not_equal(w->owners[s], 0);
		seen[w->owners[s] - 1]++;
	}
	for (uint32_t i = 0; i < n; i++) {
		share = seen[i] * 1000 * n / BALANCE_SLOTS;
		squares += (share - 1000) * (share - 1000);
	}
	while ((root + 1) * (root + 1) <= squares / n)
		root++;
	return root;
}

static void
shares_of_a_hash_differ_as_stated(void **state)
{
	static struct world w;

	(void)state;
	assert_in_range(unevenness(&w, 10), 5, 20);
	assert_in_range(unevenness(&w, 100), 30, 50);
	assert_in_range(unevenness(&w, 1000), 110, 135);
}

static void
a_slot_whose_owner_cannot_be_had_goes_to_the_next(void **state)
{
	struct world w;
	uint32_t owner, next;

	(void)state;
	world_init(&w, MOST);
	w.b.owners = w.owners;
	owner = balance_pick(&w.b, BALANCE_HASH, 7);
	w.off[owner] = true;
	next = balance_pick(&w.b, BALANCE_HASH, 7);
	assert_int_not_equal(next, owner);
	assert_int_equal(balance_pick(&w.b, BALANCE_HASH, 7), next);
	/* It is back, and what was known of the slot was not lost. */
	w.off[owner] = false;
	assert_int_equal(balance_pick(&w.b, BALANCE_HASH, 7), owner);
}

static void
a_key_moves_only_when_its_endpoint_goes(void **state)
{
	struct world w;
	uint32_t owner[2000];
	unsigned seen[10] = { 0 };

	(void)state;
	world_init(&w, 10);
	for (uint64_t k = 0; k < ARRAY_LEN(owner); k++) {
		uint64_t key = balance_hash(
		    (struct span){ (const char *)&k, sizeof(k) });

		owner[k] = balance_pick(&w.b, BALANCE_HASH, key);
		seen[owner[k]]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(seen[i], 140, 260);
	w.off[3] = true;
	for (uint64_t k = 0; k < ARRAY_LEN(owner); k++) {
		uint64_t key = balance_hash(
		    (struct span){ (const char *)&k, sizeof(k) });
		uint32_t now = balance_pick(&w.b, BALANCE_HASH, key);

		assert_int_not_equal(now, 3);
		if (owner[k] != 3)
			assert_int_equal(now, owner[k]);
	}
}

static void
hash_follows_the_weight(void **state)
{
	struct world w;
	unsigned seen[2] = { 0 };

	(void)state;
	world_init(&w, 2);
	w.e[1].weight = 300;
	for (uint64_t k = 0; k < 4000; k++)
		seen[balance_pick(&w.b, BALANCE_HASH, rng_next(&w.rng))]++;
	assert_in_range(seen[1], 2800, 3200);
}

static void
slow_start_climbs_to_the_whole_weight(void **state)
{
	uint32_t last = 0;

	(void)state;
	assert_int_equal(balance_slow_start(100, 0), 10);
	for (uint64_t ms = 0; ms <= BALANCE_SLOW_START_MS; ms += 500) {
		uint32_t weight = balance_slow_start(100, ms);

		assert_true(weight >= last);
		last = weight;
	}
	assert_int_equal(last, 100);
	assert_int_equal(balance_slow_start(100, UINT64_MAX), 100);
	assert_int_equal(balance_slow_start(1, 0), 1);
}

static void
keys_are_found_whole(void **state)
{
	struct span v;

	(void)state;
	assert_true(
	    balance_cookie(SPAN("a=1; room=x=y;b=2"), SPAN("room"), &v));
	assert_true(span_eq(v, SPAN("x=y")));
	assert_false(balance_cookie(SPAN("xroom=1; room"), SPAN("room"), &v));
	assert_true(balance_query(SPAN("a=1&room=&b"), SPAN("room"), &v));
	assert_int_equal(v.n, 0);
	assert_false(balance_query(SPAN("rooms=1"), SPAN("room"), &v));
	assert_false(balance_query((struct span){ NULL, 0 }, SPAN("r"), &v));
}

static void
retries_stay_within_the_budget(void **state)
{
	struct budget b = { 0 };

	(void)state;
	for (int i = 0; i < BUDGET_LEAST; i++)
		assert_true(budget_take(&b));
	assert_false(budget_take(&b));
	b.active = 100;
	for (unsigned i = BUDGET_LEAST; i < 20; i++)
		assert_true(budget_take(&b));
	assert_false(budget_take(&b));
	budget_give(&b);
	assert_true(budget_take(&b));
}

static void
buckets_hold_what_they_say(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		uint64_t low = histogram_low(i), high = histogram_high(i);

		assert_true(high > low);
		assert_int_equal(histogram_bucket(low), i);
		assert_int_equal(histogram_bucket(high - 1), i);
		assert_int_equal(histogram_bucket(high), i + 1);
		/* The middle is off by at most 3.2 %. */
		if (low >= 16)
			assert_true((high - low) * 1000 / 2 <= low * 32);
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void
quantiles_are_near(void **state)
{
	static struct histogram h, twice;
	uint64_t q;

	(void)state;
	assert_int_equal(histogram_quantile(&h, 990), 0);
	for (uint64_t us = 1; us <= 100000; us++)
		histogram_add(&h, us);
	q = histogram_quantile(&h, 990);
	assert_in_range(q, 99000 * 96 / 100, 99000 * 104 / 100);
	q = histogram_quantile(&h, 500);
	assert_in_range(q, 50000 * 96 / 100, 50000 * 104 / 100);
	assert_true(histogram_quantile(&h, 0) <= 1);
	histogram_merge(&twice, &h);
	histogram_merge(&twice, &h);
	assert_int_equal(histogram_total(&twice), 200000);
	assert_int_equal(
	    histogram_quantile(&twice, 990), histogram_quantile(&h, 990));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_takes_the_least_loaded),
		cmocka_unit_test(least_shares_among_equals_and_by_weight),
		cmocka_unit_test(two_choices_are_enough_for_many),
		cmocka_unit_test(the_one_that_is_left_is_always_found),
		cmocka_unit_test(round_robin_is_smooth),
		cmocka_unit_test(round_robin_of_a_crowd_is_exact_and_cheap),
		cmocka_unit_test(
		    who_cannot_be_had_loses_the_turn_and_gets_no_burst_for_it),
		cmocka_unit_test(a_few_that_cannot_be_had_cost_nobody_a_scan),
		cmocka_unit_test(somebody_new_gets_his_share_and_no_more),
		cmocka_unit_test(what_is_due_may_pass_the_end_of_its_count),
		cmocka_unit_test(
		    a_slot_is_looked_for_once_and_its_owner_is_the_same),
		cmocka_unit_test(shares_of_a_hash_differ_as_stated),
		cmocka_unit_test(
		    a_slot_whose_owner_cannot_be_had_goes_to_the_next),
		cmocka_unit_test(a_key_moves_only_when_its_endpoint_goes),
		cmocka_unit_test(hash_follows_the_weight),
		cmocka_unit_test(slow_start_climbs_to_the_whole_weight),
		cmocka_unit_test(keys_are_found_whole),
		cmocka_unit_test(retries_stay_within_the_budget),
		cmocka_unit_test(buckets_hold_what_they_say),
		cmocka_unit_test(quantiles_are_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
