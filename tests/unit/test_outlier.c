/* SPDX-License-Identifier: ISC */

/* When an endpoint is ejected, for how long, and when not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/balance.h"
#include "model/budget.h"
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
		too_many = outlier_failure(o, &policy, 0) != OUTLIER_STAYS;
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

/* What becomes of requests of which 'x' failed, one letter each. */
static enum outlier_verdict
see(struct outlier *o, const struct outlier_policy *p, const char *what)
{
	enum outlier_verdict v = OUTLIER_STAYS;

	for (; *what != '\0'; what++)
		if (*what == 'x')
			v = outlier_failure(o, p, 0);
		else
			outlier_success(o);
	return v;
}

static void
half_of_twenty_are_too_many(void **state)
{
	struct outlier o = { 0 };

	(void)state;
	/* Each fourth is well, and each second. */
	assert_int_equal(see(&o, &policy, "xxx.xxx.xxx."), OUTLIER_STAYS);
	assert_int_equal(see(&o, &policy, "x"), OUTLIER_MOSTLY);
	o = (struct outlier){ 0 };
	assert_int_equal(see(&o, &policy, "x.x.x.x.x.x.x.x.x."), OUTLIER_STAYS);
	assert_int_equal(see(&o, &policy, "x"), OUTLIER_MOSTLY);
	/* As long as it may not go, it is asked about again. */
	assert_int_equal(see(&o, &policy, "x"), OUTLIER_MOSTLY);
	/* Five in a row are that, whatever else. */
	o = (struct outlier){ 0 };
	assert_int_equal(see(&o, &policy, "x.x.x.x.xxxx"), OUTLIER_STAYS);
	assert_int_equal(see(&o, &policy, "x"), OUTLIER_IN_A_ROW);
}

static void
less_than_half_are_never_too_many(void **state)
{
	struct outlier o = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(
		    see(&o, &policy, "xxx..x....xx..x...x."), OUTLIER_STAYS);
	/* Nor what failed long ago, beside what does now. */
	assert_int_equal(see(&o, &policy, "xxx.xxx.xxx....................."),
	    OUTLIER_STAYS);
	assert_int_equal(see(&o, &policy, "xx.xx.xx.xx.x"), OUTLIER_STAYS);
	assert_int_equal(see(&o, &policy, "x"), OUTLIER_MOSTLY);
}

static void
both_follow_the_number_that_is_set(void **state)
{
	struct outlier_policy p = policy;
	struct outlier o = { 0 };

	(void)state;
	for (p.errors = 1; p.errors <= 1000; p.errors += 37) {
		o = (struct outlier){ 0 };
		for (unsigned i = 1; i < p.errors; i++)
			assert_int_equal(see(&o, &p, "x"), OUTLIER_STAYS);
		assert_int_equal(see(&o, &p, "x"), OUTLIER_IN_A_ROW);
		if (p.errors == 1)
			continue;
		o = (struct outlier){ 0 };
		for (unsigned i = 1; i < 2 * p.errors; i++)
			assert_int_equal(see(&o, &p, "x."), OUTLIER_STAYS);
		assert_int_equal(see(&o, &p, "x"), OUTLIER_MOSTLY);
	}
}

/* Back again it has a new life: of these, too, none count. */
static void
what_it_was_ejected_for_is_forgotten(void **state)
{
	struct outlier o = { 0 };

	(void)state;
	assert_int_equal(
	    see(&o, &policy, "x.x.x.x.x.x.x.x.x.x"), OUTLIER_MOSTLY);
	assert_int_equal(outlier_eject(&o, &policy, 0), 30000);
	assert_int_equal(see(&o, &policy, "x.x.x.x.x.x.x.x.x."), OUTLIER_STAYS);
	assert_int_equal(see(&o, &policy, "x"), OUTLIER_MOSTLY);
	assert_int_equal(outlier_eject(&o, &policy, 30000), 60000);
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
		assert_int_equal(outlier_failure(&o, &off, 0), OUTLIER_STAYS);
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

static void
an_error_counts_as_requests_that_fade(void **state)
{
	struct outlier o = { 0 };
	uint64_t t = 1000;
	uint32_t last;

	(void)state;
	assert_int_equal(outlier_load(&o, t), 0);
	(void)outlier_failure(&o, &policy, t);
	last = outlier_load(&o, t);
	assert_int_equal(last, OUTLIER_BURDEN);
	for (; last > 0; t++) {
		assert_true(outlier_load(&o, t) <= last);
		last = outlier_load(&o, t);
		assert_int_equal(outlier_load(&o, t), last);
		assert_in_range(t, 1000, 2000);
	}
	/* Two at once are twice that, and half of it is left after a while. */
	(void)outlier_failure(&o, &policy, t);
	(void)outlier_failure(&o, &policy, t);
	assert_int_equal(outlier_load(&o, t), 2 * OUTLIER_BURDEN);
	assert_int_equal(
	    outlier_load(&o, t + OUTLIER_HALF_MS / 2), OUTLIER_BURDEN * 3 / 2);
	assert_int_equal(outlier_load(&o, t + OUTLIER_HALF_MS), OUTLIER_BURDEN);
	outlier_success(&o);
	assert_int_equal(outlier_load(&o, t + OUTLIER_HALF_MS), OUTLIER_BURDEN);
	assert_int_equal(outlier_load(&o, t + 1000000), 0);
	for (int i = 0; i < 100000; i++)
		(void)outlier_failure(&o, &policy, t);
	assert_int_equal(outlier_load(&o, t), OUTLIER_BURDEN_MAX);
}

/* --- a service of which one endpoint never answers ------------------------ */

#define COPIES 4
#define SPAN_MS 20000
#define LATENCY_MAX 2048

/* The first is bad: each request to it has failed after bad_ms. */
struct row {
	unsigned latency_ms, bad_ms, every_ms, at_once;
	unsigned permille; /* of all requests that it may get */
};

struct scene {
	const struct row *row;
	bool blind; /* to errors, as a choice by what is in flight is */
	struct outlier o[COPIES];
	uint32_t inflight[COPIES];
	uint32_t ends[LATENCY_MAX][COPIES]; /* requests, by when */
	uint32_t retries[LATENCY_MAX];	    /* with one that is well */
	struct budget budget;
	uint64_t now;
	unsigned asked, to_bad;
	unsigned lost; /* not retried for want of budget */
};

static bool
on_usable(void *arg, uint32_t i)
{
	(void)arg;
	(void)i;
	return true;
}

static uint32_t
on_load(void *arg, uint32_t i)
{
	struct scene *s = arg;
	uint32_t errors = s->blind ? 0 : outlier_load(&s->o[i], s->now);

	return s->inflight[i] + errors;
}

/* At the bad one. */
static void
lose(struct scene *s)
{
	static const struct outlier_policy never = { .errors = 0 };

	(void)outlier_failure(&s->o[0], &never, s->now);
	if (budget_take(&s->budget)) {
		s->retries[(s->now + s->row->latency_ms) % LATENCY_MAX]++;
	} else {
		s->lost++;
		s->budget.active--;
	}
}

static void
end_requests(struct scene *s)
{
	uint32_t *ends = s->ends[s->now % LATENCY_MAX];
	uint32_t *retries = &s->retries[s->now % LATENCY_MAX];

	for (; *retries > 0; --*retries) {
		budget_give(&s->budget);
		s->budget.active--;
	}
	for (uint32_t i = 0; i < COPIES; i++) {
		s->inflight[i] -= ends[i];
		for (; ends[i] > 0; ends[i]--) {
			if (i == 0)
				lose(s);
			else
				s->budget.active--;
		}
	}
}

static void
ask(struct scene *s, struct balance *b)
{
	uint32_t i = balance_pick(b, BALANCE_LEAST, 0);
	unsigned ms = i == 0 ? s->row->bad_ms : s->row->latency_ms;

	s->asked++;
	s->budget.active++;
	s->to_bad += i == 0;
	s->inflight[i]++;
	s->ends[(s->now + ms) % LATENCY_MAX][i]++;
	if (ms == 0)
		end_requests(s);
}

static struct scene
play(const struct row *row, bool blind)
{
	static const struct balance_ops ops = { on_usable, on_load };
	struct balance_endpoint e[COPIES] = { { .weight = 100 },
		{ .weight = 100 }, { .weight = 100 }, { .weight = 100 } };
	static struct scene s;
	struct rng rng;
	struct balance b = { e, COPIES, NULL, &rng, &ops, &s };

	rng_seed(&rng, 11);
	s = (struct scene){ .row = row, .blind = blind };
	for (s.now = 0; s.now < SPAN_MS; s.now++) {
		end_requests(&s);
		for (unsigned n = 0;
		     s.now % row->every_ms == 0 && n < row->at_once; n++)
			ask(&s, &b);
	}
	return s;
}

static unsigned
permille(const struct scene *s)
{
	return s->to_bad * 1000 / s->asked;
}

static void
one_that_fails_at_once_draws_little(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		/* answers in, fails in, each, at once: less than 1/1000 */
		{   30,   0,  1, 1,  10 },
		{   30,   0,  1, 8,  10 },
		{   30,   5,  1, 1,  15 },
		{   30,   0, 20, 1,  50 },
		{  300,   0,  1, 1,  50 },
		{    2,   0,  1, 4,  10 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene blind = play(&rows[i], true);
		struct scene s = play(&rows[i], false);

		/* What this is about is in the picture. */
		assert_true(permille(&blind) > 300);
		assert_true(permille(&s) < rows[i].permille);
		assert_int_equal(s.lost, 0);
	}
}

/* What is in flight speaks against it, too. */
static void
one_that_never_answers_draws_little(void **state)
{
	static const struct row row = { 30, 500, 1, 1, 10 };
	struct scene s = play(&row, false);

	(void)state;
	assert_true(permille(&s) < row.permille);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_in_a_row_are_too_many),
		cmocka_unit_test(a_success_in_between_begins_anew),
		cmocka_unit_test(half_of_twenty_are_too_many),
		cmocka_unit_test(less_than_half_are_never_too_many),
		cmocka_unit_test(both_follow_the_number_that_is_set),
		cmocka_unit_test(what_it_was_ejected_for_is_forgotten),
		cmocka_unit_test(what_was_not_let_go_is_still_one_too_many),
		cmocka_unit_test(with_no_limit_nobody_is_ejected),
		cmocka_unit_test(half_may_be_out_and_never_the_last),
		cmocka_unit_test(each_time_is_longer_up_to_a_ceiling),
		cmocka_unit_test(serving_takes_one_back_for_each_span),
		cmocka_unit_test(an_error_counts_as_requests_that_fade),
		cmocka_unit_test(one_that_fails_at_once_draws_little),
		cmocka_unit_test(one_that_never_answers_draws_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
