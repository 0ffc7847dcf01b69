/* SPDX-License-Identifier: ISC */

/* A request that waits for a verdict: without memory it is refused, alone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "proxy/exchange.h"
#include "proxy_world.h"

/* "open sesame" */
#define ANN "ann:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"
#define ASK                             \
	"GET / HTTP/1.1\r\nHost: a\r\n" \
	"Cookie: a=b\r\nAuthorization: Basic "
#define RIGHT ASK "YW5uOm9wZW4gc2VzYW1l\r\n\r\n"
#define WRONG ASK "YW5uOnNlc2FtZQ==\r\n\r\n"

/* So long that the request's head has to grow for it. */
#define A16 "aaaaaaaaaaaaaaaa"
#define A256 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16
#define ROLE A256 A256 A256 A256 A256 A256 A256 A256 A256 A256 A256 A256
#define YES                                                        \
	"HTTP/1.1 200 OK\r\nX-Role: " ROLE "\r\nContent-Length: 0" \
	"\r\n\r\n"
#define NO                                       \
	"HTTP/1.1 403 No\r\nSet-Cookie: a=b\r\n" \
	"Content-Length: 0\r\n\r\n"

static void
publish(struct world *t, uint32_t flags)
{
	const struct snapshot_auth auth = {
		.flags = flags,
		.service = 1,
		.timeout_ms = 60000,
		.users = ANN,
		.user_header = "X-User",
		.path = "/check",
		.request_headers = "Cookie",
		.response_headers = "X-Role",
	};
	const struct snapshot_endpoint web = {
		.name = "web.0", .address = t->web.address, .weight = 100
	};
	const struct snapshot_endpoint judge = { .name = "judge.0",
		.address = t->judge.address,
		.cell = 1,
		.weight = 100 };
	const struct snapshot_service services[] = {
		{ .name = "web",
		    .queue_timeout_ms = 1000,
		    .endpoints = &web,
		    .nendpoints = 1 },
		{ .name = "judge",
		    .cell = 1,
		    .queue_timeout_ms = 1000,
		    .endpoints = &judge,
		    .nendpoints = 1 },
	};
	const struct snapshot_route route = { .path = "/", .auth = &auth };
	const struct snapshot s = { .limits = { .auth_timeout = 60000 },
		.services = services,
		.nservices = 2,
		.routes = &route,
		.nroutes = 1 };

	assert_int_equal(world_publish(t, &s), 0);
}

/* Nobody is known. */
static void
forget(struct world *t)
{
	verdicts_trim(&t->w->auths.good, UINT32_MAX);
	verdicts_trim(&t->w->auths.bad, UINT32_MAX);
	buf_done(&t->w->auths.lines);
	t->web.asked = t->judge.asked = 0;
}

/* What holds memory when nothing is under way. */
static size_t
held(struct world *t)
{
	forget(t);
	exchange_free_spares(t->w);
	return t->w->memory.held;
}

/*
 * Each allocation of such a request fails once. It is answered as it would be
 * with memory, or refused; and one after it is not touched. The service hears
 * none without the line `told`.
 */
static void
fail_each(struct world *t, const char *ask, unsigned want, const char *told)
{
	struct world_client c;
	size_t before, refused = 0;
	bool failed = true;

	assert_int_equal(world_ask(t, &c, ask), want);
	before = held(t);
	for (size_t nth = 1; failed; nth++) {
		unsigned status;

		alloc_fail_at(nth);
		status = world_ask(t, &c, ask);
		failed = alloc_failed();
		alloc_fail_at(0);
		if (status != want) {
			assert_true(failed);
			assert_true(
			    status == 0 || status == 502 || status == 503);
			assert_int_equal(t->web.asked, 0);
			refused++;
		}
		if (t->web.asked > 0 && told != NULL)
			assert_non_null(strstr(t->web.heard, told));
		assert_true(list_empty(&t->w->auths.flights));
		forget(t);
		assert_int_equal(world_ask(t, &c, ask), want);
		assert_int_equal(t->web.asked, want == 200);
		assert_int_equal(held(t), before);
	}
	assert_true(refused > 3);
}

static void
without_memory_a_password_is_refused_alone(void **state)
{
	struct world *t = *state;

	publish(t, SNAPSHOT_AUTH_BASIC);
	fail_each(t, RIGHT, 200, "X-User: ann\r\n");
	fail_each(t, WRONG, 401, NULL);
}

static void
without_memory_a_question_is_refused_alone(void **state)
{
	struct world *t = *state;

	publish(t, SNAPSHOT_AUTH_FORWARD);
	t->judge.answer = YES;
	fail_each(t, RIGHT, 200, "X-Role: " ROLE "\r\n");
	t->judge.answer = NO;
	fail_each(t, RIGHT, 403, NULL);
}

static void
without_memory_both_in_turn_are_refused_alone(void **state)
{
	struct world *t = *state;

	publish(t, SNAPSHOT_AUTH_BASIC | SNAPSHOT_AUTH_FORWARD);
	t->judge.answer = YES;
	fail_each(t, RIGHT, 200, "X-Role: " ROLE "\r\n");
	fail_each(t, WRONG, 401, NULL);
	assert_int_equal(t->judge.asked, 0);
	t->judge.answer = NO;
	fail_each(t, RIGHT, 403, NULL);
}

/* Those who wait for the same hash each end by themselves. */
static void
one_of_two_without_memory_takes_the_other_not_along(void **state)
{
	struct world *t = *state;
	struct world_client a, b;
	bool failed = true;
	size_t before;

	publish(t, SNAPSHOT_AUTH_BASIC);
	assert_int_equal(world_ask(t, &a, RIGHT), 200);
	before = held(t);
	for (size_t nth = 1; failed; nth++) {
		world_begin(t, &a, RIGHT);
		alloc_fail_here(nth); /* a's hash is on its way */
		world_begin(t, &b, RIGHT);
		failed = alloc_failed();
		alloc_fail_here(0);
		if (b.ends == 0)
			exchange_cancel(b.d.x);
		else
			assert_true(failed && strstr(b.said, " 200 ") == NULL);
		assert_int_equal(b.ends, 1);
		world_until(t, world_over, &a);
		assert_non_null(strstr(a.said, " 200 OK"));
		assert_int_equal(held(t), before);
	}
}

static void
at_the_ceiling_of_memory_nobody_is_let_in(void **state)
{
	struct world *t = *state;
	struct world_client c;
	size_t max = t->w->memory.max;

	publish(t, SNAPSHOT_AUTH_BASIC | SNAPSHOT_AUTH_FORWARD);
	t->judge.answer = YES;
	max = t->w->memory.max;
	t->w->memory.max = t->w->memory.held;
	assert_int_equal(world_ask(t, &c, RIGHT), 503);
	assert_int_equal(t->web.asked + t->judge.asked, 0);
	t->w->memory.max = max;
	assert_int_equal(world_ask(t, &c, RIGHT), 200);
}

/* --- what a worker gives up ----------------------------------------------- */

static void
what_is_remembered_goes_when_memory_runs_short(void **state)
{
	struct world *t = *state;
	struct worker *w = t->w;
	unsigned char digest[VERDICTS_DIGEST] = { 0 };

	publish(t, SNAPSHOT_AUTH_BASIC);
	for (digest[0] = 0; digest[0] < 100; digest[0]++) {
		auths_remember(w, true, digest, 1000, SPAN(""));
		auths_remember(w, false, digest, 1000, SPAN(""));
	}
	assert_int_equal(w->auths.good.n, 100);
	assert_int_equal(w->auths.bad.n, 100);
	w->memory.held += w->memory.max / 100 * 70;
	relief_update(&w->relief);
	assert_int_equal(w->auths.bad.n, 100 - RELIEF_BATCH);
	relief_update(&w->relief);
	assert_int_equal(w->auths.bad.n, 0);
	assert_int_equal(w->auths.good.n, 200 - 2 * RELIEF_BATCH);
	w->memory.held -= w->memory.max / 100 * 70;
	relief_update(&w->relief);
	assert_int_equal(w->auths.good.n, 200 - 2 * RELIEF_BATCH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    without_memory_a_password_is_refused_alone, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    without_memory_a_question_is_refused_alone, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    without_memory_both_in_turn_are_refused_alone, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    one_of_two_without_memory_takes_the_other_not_along,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    at_the_ceiling_of_memory_nobody_is_let_in, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_remembered_goes_when_memory_runs_short, world_setup,
		    world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
