/* SPDX-License-Identifier: ISC */

/* A request of the worker's own: whole, bounded, and freed at any time. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/service.h"
#include "proxy/subrequest.h"
#include "proxy/table.h"
#include "proxy_world.h"

#define ASK "GET /check HTTP/1.1\r\nHost: judge\r\n\r\n"
#define ID SPAN("0123456789abcdef")

struct asking {
	struct world *t;
	struct peer peer;
	struct subrequest *s;
	unsigned heard;
	char answer[256];
};

static int
setup(void **state)
{
	int r = world_setup(state);
	struct world *t = *state;
	const struct snapshot_endpoint judge = {
		.name = "judge.0", .address = t->judge.address, .weight = 100
	};
	const struct snapshot_service service = { .name = "judge",
		.queue_timeout_ms = 1000,
		.endpoints = &judge,
		.nendpoints = 1 };
	const struct snapshot s = { .services = &service, .nservices = 1 };

	return r < 0 ? r : world_publish(t, &s);
}

static void
on_over(void *arg)
{
	struct asking *a = arg;
	struct span answer = subrequest_answer(a->s);

	a->heard++;
	snprintf(a->answer, sizeof(a->answer), "%.*s", (int)answer.n, answer.p);
}

static bool
heard(void *arg)
{
	return ((struct asking *)arg)->heard > 0;
}

/* 0: it is under way; or an error, and nothing is. */
static int
begin(struct asking *a, struct world *t)
{
	int r;

	*a = (struct asking){ .t = t };
	worker_tick(t->w);
	a->s = subrequest_new(
	    t->w, t->w->table->services[0], &a->peer, on_over, a);
	if (a->s == NULL)
		return -ENOMEM;
	r = buf_puts(subrequest_head(a->s), ASK);
	return r < 0 ? r : subrequest_begin(a->s, ID, 60000);
}

static void
finish(struct asking *a)
{
	subrequest_free(a->s);
	a->s = NULL;
}

/* The next one knows nothing of it. */
static void
assert_whole(struct asking *a, struct world *t)
{
	assert_int_equal(begin(a, t), 0);
	world_until(t, heard, a);
	assert_non_null(strstr(a->answer, " 200 OK"));
	finish(a);
}

static bool
turned(void *arg)
{
	return (*(unsigned *)arg)++ > 0;
}

/* What is to be done in the next turn is done. */
static void
settle(struct world *t)
{
	unsigned turns = 0;

	world_until(t, turned, &turns);
}

static size_t
held(struct world *t)
{
	settle(t);
	exchange_free_spares(t->w);
	return t->w->memory.held;
}

static void
the_head_of_the_answer_is_told_and_its_body_let_go(void **state)
{
	struct world *t = *state;
	struct asking a;

	t->judge.answer = "HTTP/1.1 103 Early Hints\r\n\r\n"
			  "HTTP/1.1 204 No\r\nX: y\r\n\r\n";
	assert_int_equal(begin(&a, t), 0);
	assert_int_equal(a.heard, 0);
	world_until(t, heard, &a);
	assert_non_null(strstr(a.answer, "HTTP/1.1 204 No\r\nX: y\r\n"));
	assert_int_equal(strncmp(t->judge.heard, ASK, strlen(ASK)), 0);
	finish(&a);
}

static void
a_body_without_end_ends_the_question(void **state)
{
	static char answer[SUBREQUEST_BODY_MAX + 1000];
	struct world *t = *state;
	struct asking a;

	memset(answer, 'x', sizeof(answer) - 1);
	memcpy(answer, "HTTP/1.1 200 OK\r\n\r\n", 19);
	t->judge.answer = answer;
	assert_int_equal(begin(&a, t), 0);
	world_until(t, heard, &a);
	assert_int_equal(a.heard, 1);
	finish(&a);
}

static void
without_memory_it_is_over_or_never_began(void **state)
{
	struct world *t = *state;
	bool failed = true;
	struct asking a;
	size_t before, unbegun = 0;

	assert_whole(&a, t);
	before = held(t);
	for (size_t nth = 1; failed; nth++) {
		int r;

		alloc_fail_at(nth);
		r = begin(&a, t);
		if (r == 0)
			world_until(t, heard, &a);
		failed = alloc_failed();
		alloc_fail_at(0);
		if (r < 0) {
			assert_true(failed);
			assert_int_equal(r, -ENOMEM);
			settle(t);
			assert_int_equal(a.heard, 0);
			unbegun++;
		} else if (!failed) {
			assert_non_null(strstr(a.answer, " 200 OK"));
		}
		finish(&a);
		assert_true(a.heard <= 1);
		assert_whole(&a, t);
		assert_int_equal(held(t), before);
	}
	assert_true(unbegun >= 3);
}

static void
freed_at_any_time_it_is_silent_and_leaves_nothing(void **state)
{
	struct world *t = *state;
	unsigned asked;
	struct asking a;
	size_t before;

	assert_whole(&a, t);
	before = held(t);
	/* Before it began. */
	a.heard = 0;
	a.s = subrequest_new(
	    t->w, t->w->table->services[0], &a.peer, on_over, &a);
	assert_non_null(a.s);
	finish(&a);
	/* While the endpoint is at it. */
	asked = t->judge.asked;
	t->judge.answer = NULL;
	assert_int_equal(begin(&a, t), 0);
	while (t->judge.asked == asked)
		settle(t);
	finish(&a);
	settle(t);
	/* When it is over, and that is not told yet: nobody may be asked. */
	endpoint_down(t->w->table->services[0]->endpoints[0], ECONNREFUSED);
	assert_int_equal(begin(&a, t), 0);
	finish(&a);
	subrequest_free(NULL);
	settle(t);
	assert_int_equal(a.heard, 0);
	assert_true(held(t) <= before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_head_of_the_answer_is_told_and_its_body_let_go, setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    a_body_without_end_ends_the_question, setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    without_memory_it_is_over_or_never_began, setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    freed_at_any_time_it_is_silent_and_leaves_nothing, setup,
		    world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
