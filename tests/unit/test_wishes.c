/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/rand.h"
#include "cluster/wishes.h"

static struct wishes w;

static int
setup(void **state)
{
	(void)state;
	wishes_init(&w, 8);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	wishes_done(&w);
	return 0;
}

static int
set(const char *field, const char *value)
{
	return wishes_set(&w, SPAN("s"), span_of(field), span_of(value));
}

static bool
drop(const char *field)
{
	return wishes_remove(&w, span_of(field));
}

/* The batch as text: "+a=1 -b", in its order. */
static const char *
batch(size_t most)
{
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	wishes_take_batch(&w, most);
	LIST_EACH (wish, &w.list[WISH_SENT], struct wish, link)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%c%s%s%s",
		    n > 0 ? " " : "", wish->removed ? '-' : '+', wish->field,
		    wish->removed ? "" : "=", wish->removed ? "" : wish->value);
	return text;
}

static void
a_wish_is_written_once(void **state)
{
	(void)state;
	assert_int_equal(set("a", "1"), 1);
	assert_int_equal(set("a", "1"), 0);
	assert_int_equal(wishes_pending(&w), 1);
	assert_string_equal(batch(9), "+a=1");
	assert_int_equal(wishes_pending(&w), 1);
	wishes_batch_done(&w);
	assert_int_equal(wishes_pending(&w), 0);
	assert_int_equal(set("a", "1"), 0);
	assert_string_equal(batch(9), "");
	assert_int_equal(wishes_count(&w), 1);
}

static void
a_batch_that_failed_comes_again(void **state)
{
	(void)state;
	set("a", "1");
	set("b", "1");
	assert_string_equal(batch(1), "+a=1");
	wishes_batch_failed(&w);
	assert_string_equal(batch(9), "+b=1 +a=1");
	wishes_batch_done(&w);
	drop("a");
	assert_string_equal(batch(9), "-a");
	wishes_batch_failed(&w);
	assert_string_equal(batch(9), "-a");
	wishes_batch_done(&w);
	assert_int_equal(wishes_pending(&w), 0);
}

static void
deletions_go_first_and_alone(void **state)
{
	(void)state;
	set("a", "1");
	batch(9);
	wishes_batch_done(&w);
	set("b", "1");
	drop("a");
	set("a", "2"); /* back again: written after it was deleted */
	assert_string_equal(batch(9), "-a");
	wishes_batch_done(&w);
	assert_string_equal(batch(9), "+b=1 +a=2");
}

static void
an_answer_that_comes_late_does_not_undo_a_later_wish(void **state)
{
	(void)state;
	set("a", "1");
	set("b", "1");
	assert_string_equal(batch(9), "+a=1 +b=1");
	assert_int_equal(set("a", "2"), 1);
	assert_true(drop("b"));
	assert_false(drop("b"));
	wishes_batch_done(&w); /* of what was wished before */
	assert_string_equal(batch(9), "-b");
	wishes_batch_done(&w);
	assert_string_equal(batch(9), "+a=2");
	wishes_batch_done(&w);
	assert_int_equal(wishes_pending(&w), 0);
}

static void
an_entry_that_changes_its_service_leaves_the_old_one(void **state)
{
	const struct wish *wish;

	(void)state;
	set("a", "1");
	assert_int_equal(wishes_set(&w, SPAN("t"), SPAN("a"), SPAN("1")), 1);
	assert_string_equal(batch(9), "-a");
	wish = LIST_FIRST(&w.list[WISH_SENT], struct wish, link);
	assert_string_equal(wish->service, "s");
	wishes_batch_done(&w);
	assert_string_equal(batch(9), "+a=1");
	wish = LIST_FIRST(&w.list[WISH_SENT], struct wish, link);
	assert_string_equal(wish->service, "t");
}

static int
found(const char *service, const char *field, const char *value)
{
	return wishes_audit_found(
	    &w, span_of(service), span_of(field), span_of(value));
}

static void
an_audit_finds_what_is_missing_wrong_or_left_over(void **state)
{
	(void)state;
	set("a", "1");
	set("b", "1");
	set("c", "1");
	batch(9);
	wishes_batch_done(&w);
	wishes_audit_begin(&w);
	assert_int_equal(found("s", "a", "1"), 0);
	assert_int_equal(found("s", "b", "other"), 0);
	assert_int_equal(found("s", "z", "1"), 0);
	assert_int_equal(found("t", "a", "1"), 0);
	wishes_audit_end(&w);
	assert_string_equal(batch(9), "-z -a");
	wishes_batch_done(&w);
	assert_string_equal(batch(9), "+b=1 +c=1");
	wishes_batch_done(&w);
	/* What is under way is not judged. */
	set("a", "2");
	batch(9);
	wishes_audit_begin(&w);
	assert_int_equal(found("s", "a", "1"), 0);
	wishes_audit_end(&w);
	wishes_batch_done(&w);
	assert_string_equal(batch(9), "+b=1 +c=1");
}

static void
the_table_has_a_ceiling(void **state)
{
	char field[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		snprintf(field, sizeof(field), "f%d", i);
		assert_int_equal(set(field, "1"), 1);
	}
	assert_int_equal(set("one more", "1"), -ENOBUFS);
	assert_int_equal(set("f3", "2"), 1);
	/* And the dead have one, whatever comes and goes. */
	for (int i = 0; i < 100; i++) {
		drop("f3");
		assert_int_equal(set("f3", "1"), 1);
	}
	assert_int_equal(w.n[WISH_REMOVED], 8);
	assert_int_equal(found("s", "stranger", "1"), -ENOBUFS);
}

/* A Redis in eight bytes: what stands under f0..f7, 0 for nothing. */
static void
apply(unsigned char *redis)
{
	LIST_EACH (wish, &w.list[WISH_SENT], struct wish, link)
		redis[wish->field[1] - '0'] = wish->removed
		    ? 0
		    : (unsigned char)wish->value[0];
}

static void
audit(const unsigned char *redis)
{
	wishes_audit_begin(&w);
	for (int i = 0; i < 8; i++) {
		char field[3] = { 'f', (char)('0' + i), '\0' };
		char value[2] = { (char)redis[i], '\0' };

		if (redis[i] != 0)
			(void)!found("s", field, value);
	}
	wishes_audit_end(&w);
}

static void
step(struct rng *rng, unsigned char *want, unsigned char *redis)
{
	unsigned i = rng_below(rng, 8);
	char field[3] = { 'f', (char)('0' + i), '\0' };
	char value[2] = { (char)('a' + rng_below(rng, 3)), '\0' };

	switch (rng_below(rng, 6)) {
	case 0:
	case 1:
		assert_true(set(field, value) >= 0);
		want[i] = (unsigned char)value[0];
		break;
	case 2:
		drop(field);
		want[i] = 0;
		break;
	case 3: /* sent and done, with wishes changing meanwhile */
		if (w.n[WISH_SENT] == 0 && wishes_take_batch(&w, 3) > 0)
			apply(redis);
		break;
	case 4:
		if (rng_below(rng, 2) == 0)
			wishes_batch_done(&w);
		else
			wishes_batch_failed(&w);
		break;
	default: /* a hand, then a look when nothing is under way */
		if (w.n[WISH_SENT] == 0) {
			redis[i] = (unsigned char)(rng_below(rng, 2) * 'x');
			audit(redis);
		}
	}
}

static void
whatever_happens_redis_becomes_as_wished(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7);
	for (int run = 0; run < 2000; run++) {
		unsigned char want[8] = { 0 }, redis[8] = { 0 };

		wishes_init(&w, 8);
		for (int i = 0; i < 60; i++)
			step(&rng, want, redis);
		wishes_batch_failed(&w); /* the connection broke */
		audit(redis);
		while (wishes_take_batch(&w, 3) > 0) {
			apply(redis);
			wishes_batch_done(&w);
		}
		audit(redis); /* for those whose grave had no room */
		while (wishes_take_batch(&w, 3) > 0) {
			apply(redis);
			wishes_batch_done(&w);
		}
		assert_memory_equal(want, redis, 8);
		assert_int_equal(wishes_pending(&w), 0);
		wishes_done(&w);
	}
	wishes_init(&w, 8);
}

static void
every_allocation_may_fail(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		int r = set("a", "1");

		assert_true(r == 1 || (alloc_failed() && r == -ENOMEM));
		assert_int_equal(wishes_count(&w), r == 1);
		r = set("a", "2");
		assert_true(r == 1 || (alloc_failed() && r == -ENOMEM));
		wishes_audit_begin(&w);
		r = found("s", "z", "1");
		assert_true(r == 0 || (alloc_failed() && r == -ENOMEM));
		wishes_audit_end(&w);
		wishes_done(&w);
		wishes_init(&w, 8);
	});
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_wish_is_written_once),
		T(a_batch_that_failed_comes_again),
		T(deletions_go_first_and_alone),
		T(an_answer_that_comes_late_does_not_undo_a_later_wish),
		T(an_entry_that_changes_its_service_leaves_the_old_one),
		T(an_audit_finds_what_is_missing_wrong_or_left_over),
		T(the_table_has_a_ceiling),
		T(whatever_happens_redis_becomes_as_wished),
		T(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
