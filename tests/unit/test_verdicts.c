/* SPDX-License-Identifier: ISC */

/* verdicts and hasher: what is judged twice is not looked at twice. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "proxy/hasher.h"
#include "proxy/verdicts.h"

#define QUEUE 64
#define ANN "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"
#define SLOW "$2b$10$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"

/* --- verdicts ------------------------------------------------------------- */

static const unsigned char *
digest(unsigned n)
{
	static unsigned char d[VERDICTS_DIGEST];

	memset(d, 0, sizeof(d));
	memcpy(d, &n, sizeof(n));
	d[VERDICTS_DIGEST - 1] = 7;
	return d;
}

static bool
knows(struct verdicts *v, unsigned n, uint64_t now)
{
	struct span lines;

	return verdicts_get(v, digest(n), now, &lines);
}

static void
a_verdict_is_kept_with_its_lines_until_its_end(void **state)
{
	struct verdicts v;
	struct span lines;

	(void)state;
	verdicts_init(&v, 8, NULL);
	assert_false(knows(&v, 1, 0));
	verdicts_put(&v, digest(1), 100, SPAN("X-User: ann\r\n"));
	assert_true(verdicts_get(&v, digest(1), 99, &lines));
	assert_true(span_eq(lines, SPAN("X-User: ann\r\n")));
	/* In the same bucket, and not the same. */
	assert_false(knows(&v, 1 + VERDICTS_BUCKETS, 99));
	verdicts_put(&v, digest(1), 200, SPAN(""));
	assert_int_equal(v.n, 1);
	assert_true(verdicts_get(&v, digest(1), 150, &lines));
	assert_int_equal(lines.n, 0);
	assert_false(knows(&v, 1, 200));
	assert_int_equal(v.n, 0);
	verdicts_done(&v);
}

static void
the_one_not_asked_for_longest_makes_room(void **state)
{
	static char large[VERDICTS_LINES_MAX + 1];
	struct verdicts v;

	(void)state;
	verdicts_init(&v, 3, NULL);
	for (unsigned n = 1; n <= 3; n++)
		verdicts_put(&v, digest(n * VERDICTS_BUCKETS), 100, SPAN(""));
	assert_true(knows(&v, 1 * VERDICTS_BUCKETS, 0));
	verdicts_put(&v, digest(4), 100, SPAN(""));
	assert_int_equal(v.n, 3);
	assert_false(knows(&v, 2 * VERDICTS_BUCKETS, 0));
	assert_true(knows(&v, 1 * VERDICTS_BUCKETS, 0));
	assert_true(knows(&v, 3 * VERDICTS_BUCKETS, 0));
	assert_true(knows(&v, 4, 0));
	verdicts_put(&v, digest(9), 100, (struct span){ large, sizeof(large) });
	assert_false(knows(&v, 9, 0));
	verdicts_done(&v);
}

static void
another_ceiling_is_kept_to_at_once(void **state)
{
	struct verdicts v;

	(void)state;
	verdicts_init(&v, 3, NULL);
	for (unsigned n = 1; n <= 3; n++)
		assert_false(verdicts_put(&v, digest(n), 100, SPAN("")));
	verdicts_limit(&v, 1);
	assert_int_equal(v.n, 1);
	assert_true(knows(&v, 3, 0));
	assert_true(verdicts_put(&v, digest(4), 100, SPAN("")));
	assert_true(knows(&v, 4, 0));
	assert_false(knows(&v, 3, 0));
	verdicts_limit(&v, 2);
	assert_false(verdicts_put(&v, digest(5), 100, SPAN("")));
	assert_true(knows(&v, 4, 0) && knows(&v, 5, 0));
	/* The same anew pushes nobody out. */
	assert_false(verdicts_put(&v, digest(5), 200, SPAN("")));
	assert_int_equal(v.n, 2);
	verdicts_done(&v);
}

static void
what_is_remembered_is_counted_and_keeps_to_its_share(void **state)
{
	static const char text[2000] = "X: y\r\n";
	const struct span large = { text, sizeof(text) };
	struct buf_meter m = { .max = SIZE_MAX };
	struct verdicts v;
	size_t empty, one;

	(void)state;
	verdicts_init(&v, 100, &m);
	verdicts_put(&v, digest(1), 100, large);
	empty = m.held;
	verdicts_put(&v, digest(2), 100, large);
	one = m.held - empty;
	assert_true(one > 2000 + VERDICTS_DIGEST && one < 2100);
	/* Its share has room for two: of a third, the oldest goes. */
	m.max = v.held * VERDICTS_SHARE;
	assert_true(m.max > m.held);
	assert_true(verdicts_put(&v, digest(3), 100, large));
	assert_false(knows(&v, 1, 0));
	assert_true(knows(&v, 2, 0) && knows(&v, 3, 0));
	/* Others hold all there is: it is not kept, and nobody goes for it. */
	verdicts_trim(&v, 1);
	m.held += m.max;
	assert_false(verdicts_put(&v, digest(4), 100, SPAN("")));
	m.held -= m.max;
	assert_false(knows(&v, 4, 0));
	assert_int_equal(v.n, 1);
	assert_true(knows(&v, 3, 0));
	verdicts_put(&v, digest(5), 100, large);
	m.max -= 1;
	verdicts_limit(&v, 100);
	assert_false(knows(&v, 3, 0));
	assert_int_equal(verdicts_trim(&v, 5), 1);
	assert_int_equal(m.held, 0);
	assert_int_equal(verdicts_trim(&v, 5), 0);
	verdicts_done(&v);
	assert_int_equal(m.held, 0);
}

static void
without_memory_a_verdict_is_not_kept(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		struct verdicts v;

		verdicts_init(&v, 3, NULL);
		verdicts_put(&v, digest(1), 100, SPAN("X: y\r\n"));
		assert_true(knows(&v, 1, 0) == !alloc_failed());
		verdicts_done(&v);
	});
}

/* --- hasher --------------------------------------------------------------- */

struct heard {
	struct loop *loop;
	int result;
	unsigned n, until;
};

static void
on_result(void *arg, int result)
{
	struct heard *h = arg;

	h->result = result;
	if (++h->n == h->until)
		loop_stop(h->loop);
}

static void
on_late(void *arg)
{
	(void)arg;
	fail_msg("no result within 10 s");
}

/* Run until `until` results came. */
static void
wait_for(struct heard *h, unsigned until)
{
	struct loop_timer late;

	h->until = until;
	loop_timer_init(&late, h->loop, on_late, h);
	loop_timer_arm(&late, 10000);
	assert_int_equal(loop_run(h->loop), 0);
	loop_timer_done(&late);
}

static struct buf_meter memory;

static struct hasher *
begin(struct heard *heard)
{
	struct err err = { "" };
	struct hasher *h;

	memory = (struct buf_meter){ .max = SIZE_MAX };
	*heard = (struct heard){ .loop = loop_new(&err) };
	assert_non_null(heard->loop);
	h = hasher_new(heard->loop, &memory, &err);
	assert_non_null(h);
	hasher_limit(h, QUEUE);
	return h;
}

static void
a_password_is_checked_beside_the_loop(void **state)
{
	struct heard heard;
	struct hasher *h = begin(&heard);
	struct hasher_job *job;

	(void)state;
	assert_true(hasher_idle(h));
	assert_int_equal(
	    hasher_add(h, "open sesame", ANN, on_result, &heard, &job), 0);
	assert_false(hasher_idle(h));
	assert_int_equal(heard.n, 0);
	wait_for(&heard, 1);
	assert_int_equal(heard.result, 1);
	assert_int_equal(
	    hasher_add(h, "sesame", ANN, on_result, &heard, &job), 0);
	wait_for(&heard, 2);
	assert_int_equal(heard.result, 0);
	assert_true(hasher_idle(h));
	hasher_free(h);
	hasher_free(NULL);
	loop_free(heard.loop);
}

static void
its_queue_has_an_end_and_can_be_left(void **state)
{
	struct hasher_job *jobs[QUEUE], *more;
	struct heard heard;
	struct hasher *h = begin(&heard);

	(void)state;
	for (unsigned i = 0; i < QUEUE; i++)
		assert_int_equal(
		    hasher_add(h, "x", SLOW, on_result, &heard, &jobs[i]), 0);
	assert_int_equal(
	    hasher_add(h, "x", ANN, on_result, &heard, &more), -EAGAIN);
	assert_true(memory.held > QUEUE * 512 && memory.held < QUEUE * 1024);
	hasher_limit(h, QUEUE + 1);
	assert_int_equal(hasher_add(h, "x", SLOW, on_result, &heard, &more), 0);
	hasher_forget(h, more);
	/* One may be at work, and is let go when it is done. */
	for (unsigned i = 0; i < QUEUE; i++)
		hasher_forget(h, jobs[i]);
	assert_int_equal(
	    hasher_add(h, "open sesame", ANN, on_result, &heard, &more), 0);
	wait_for(&heard, 1);
	assert_int_equal(heard.result, 1);
	assert_true(hasher_idle(h));
	assert_int_equal(memory.held, 0);
	hasher_free(h);
	loop_free(heard.loop);
}

static void
at_the_ceiling_of_memory_there_is_no_job(void **state)
{
	struct heard heard;
	struct hasher *h = begin(&heard);
	struct hasher_job *job;

	(void)state;
	memory.max = 1000;
	assert_int_equal(hasher_add(h, "x", ANN, on_result, &heard, &job), 0);
	assert_int_equal(
	    hasher_add(h, "x", ANN, on_result, &heard, &job), -ENOMEM);
	wait_for(&heard, 1);
	assert_int_equal(memory.held, 0);
	hasher_free(h);
	loop_free(heard.loop);
}

static void
it_ends_with_jobs_in_its_queue(void **state)
{
	struct heard heard;
	struct hasher *h = begin(&heard);
	struct hasher_job *job;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    hasher_add(h, "x", SLOW, on_result, &heard, &job), 0);
	hasher_free(h);
	loop_free(heard.loop);
	assert_int_equal(heard.n, 0);
	assert_int_equal(memory.held, 0);
}

static void
without_memory_there_is_no_job(void **state)
{
	struct heard heard;
	struct hasher *h = begin(&heard);

	(void)state;
	ALLOC_FAIL_EACH({
		struct hasher_job *job;
		int r = hasher_add(h, "x", ANN, on_result, &heard, &job);

		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
	});
	alloc_fail_at(0);
	wait_for(&heard, 1);
	hasher_free(h);
	loop_free(heard.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_verdict_is_kept_with_its_lines_until_its_end),
		cmocka_unit_test(the_one_not_asked_for_longest_makes_room),
		cmocka_unit_test(another_ceiling_is_kept_to_at_once),
		cmocka_unit_test(
		    what_is_remembered_is_counted_and_keeps_to_its_share),
		cmocka_unit_test(without_memory_a_verdict_is_not_kept),
		cmocka_unit_test(a_password_is_checked_beside_the_loop),
		cmocka_unit_test(its_queue_has_an_end_and_can_be_left),
		cmocka_unit_test(at_the_ceiling_of_memory_there_is_no_job),
		cmocka_unit_test(it_ends_with_jobs_in_its_queue),
		cmocka_unit_test(without_memory_there_is_no_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
