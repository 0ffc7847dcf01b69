/* SPDX-License-Identifier: ISC */

/* Control says of an endpoint that it does not answer its checks either. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/fd.h"
#include "link/scoreboard.h"
#include "proxy/endpoint.h"
#include "proxy_world.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* Cells; the last is of nobody here. */
enum { HUNG = 3, WELL = 5, SILENT = HUNG, NOT_SILENT = 7 };

/* The endpoints of one service that are ready, and the one that is silent. */
static void
publish(struct world *t, const uint32_t *cells, uint32_t n, uint32_t silent)
{
	struct snapshot_endpoint endpoints[2];
	struct snapshot_service service = { .name = "a",
		.queue = 10,
		.queue_timeout_ms = 10000,
		.request_timeout_ms = 60000,
		.concurrency = 2,
		.endpoints = endpoints,
		.nendpoints = n };
	const struct snapshot_route route = { .path = "/" };
	const struct snapshot s = { .services = &service,
		.nservices = 1,
		.routes = &route,
		.nroutes = 1,
		.silent = &silent,
		.nsilent = 1 };

	for (uint32_t i = 0; i < n; i++)
		endpoints[i] = (struct snapshot_endpoint){
			.name = cells[i] == HUNG ? "a.0" : "a.1",
			.address = cells[i] == HUNG ? t->web.address
						    : t->judge.address,
			.cell = cells[i],
			.weight = 100,
		};
	assert_int_equal(world_publish(t, &s), 0);
}

static const uint32_t hung_only[] = { HUNG }, well_only[] = { WELL };

static bool
was_asked(void *origin)
{
	return ((struct world_origin *)origin)->asked > 0;
}

static bool
both_asked(void *origin)
{
	return ((struct world_origin *)origin)->asked > 1;
}

/* A request that HUNG has, and does not answer. */
static void
begin(struct world *t, struct world_client *c, const char *head)
{
	publish(t, hung_only, 1, NOT_SILENT);
	t->web.answer = NULL;
	world_begin(t, c, head);
	world_until(t, was_asked, &t->web);
}

static bool
some_turns(void *left)
{
	return (*(unsigned *)left)-- == 0;
}

/* It waits where it is, and has its answer from there at last. */
static void
assert_stays(struct world *t, struct world_client *c)
{
	unsigned left = 20;

	world_until(t, some_turns, &left);
	assert_int_equal(c->ends, 0);
	assert_int_equal(t->judge.asked, 0);
	assert_int_equal(
	    fd_write_all(t->web.conns[0].fd, ANSWER, strlen(ANSWER)), 0);
	world_until(t, world_over, c);
	assert_memory_equal(c->said, "HTTP/1.1 200", 12);
}

static void
what_waits_there_is_answered_elsewhere(void **state)
{
	struct world *t = *state;
	struct world_client c;

	begin(t, &c, GET);
	publish(t, well_only, 1, SILENT);
	world_until(t, world_over, &c);
	assert_memory_equal(c.said, "HTTP/1.1 200", 12);
	assert_int_equal(t->judge.asked, 1);
	assert_int_equal(scoreboard_inflight(t->w->sb, HUNG), 0);
	assert_true(list_empty(&t->w->left));
}

/* An endpoint that says that it is not ready works on what it has. */
static void
what_is_gone_and_not_silent_goes_on(void **state)
{
	struct world *t = *state;
	struct world_client c;

	begin(t, &c, GET);
	publish(t, well_only, 1, NOT_SILENT);
	assert_stays(t, &c);
}

static void
it_may_be_said_after_the_endpoint_went(void **state)
{
	struct world *t = *state;
	struct world_client c;

	begin(t, &c, GET);
	publish(t, well_only, 1, NOT_SILENT);
	publish(t, well_only, 1, SILENT);
	world_until(t, world_over, &c);
	assert_int_equal(t->judge.asked, 1);
}

static void
what_may_not_be_sent_twice_stays(void **state)
{
	struct world *t = *state;
	struct world_client c;

	begin(t, &c, POST);
	publish(t, well_only, 1, SILENT);
	assert_stays(t, &c);
}

static bool
has_head(void *client)
{
	return ((struct world_client *)client)->n > 0;
}

static void
what_has_a_part_of_its_answer_stays(void **state)
{
	static const char part[] =
	    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
	struct world *t = *state;
	struct world_client c;
	unsigned left = 20;

	begin(t, &c, GET);
	assert_int_equal(
	    fd_write_all(t->web.conns[0].fd, part, strlen(part)), 0);
	world_until(t, has_head, &c);
	publish(t, well_only, 1, SILENT);
	world_until(t, some_turns, &left);
	assert_int_equal(c.ends, 0);
	assert_int_equal(fd_write_all(t->web.conns[0].fd, "123456789", 9), 0);
	world_until(t, world_over, &c);
	assert_int_equal(t->judge.asked, 0);
}

/* It may come round, or be killed, and then it is sent again. */
static void
where_nobody_else_is_it_waits(void **state)
{
	struct world *t = *state;
	struct world_client c;

	begin(t, &c, GET);
	publish(t, NULL, 0, SILENT);
	assert_stays(t, &c);
}

/* More than the other one has room for: the rest has its turn in the queue. */
static void
all_that_wait_there_go(void **state)
{
	struct world *t = *state;
	struct world_client c[4];

	publish(t, hung_only, 1, NOT_SILENT);
	t->web.answer = NULL;
	for (unsigned i = 0; i < ARRAY_LEN(c); i++)
		world_begin(t, &c[i], GET);
	world_until(t, both_asked, &t->web);
	publish(t, well_only, 1, SILENT);
	for (unsigned i = 0; i < ARRAY_LEN(c); i++) {
		world_until(t, world_over, &c[i]);
		assert_memory_equal(c[i].said, "HTTP/1.1 200", 12);
	}
	assert_int_equal(t->web.asked, 2);
	assert_int_equal(t->judge.asked, 4);
	assert_int_equal(scoreboard_inflight(t->w->sb, WELL), 0);
}

static void
what_waits_on_a_connection_of_the_pool_goes_too(void **state)
{
	struct world *t = *state;
	struct world_client c;

	publish(t, hung_only, 1, NOT_SILENT);
	assert_int_equal(world_ask(t, &c, GET), 200);
	t->web.asked = 0;
	begin(t, &c, GET);
	publish(t, well_only, 1, SILENT);
	world_until(t, world_over, &c);
	assert_int_equal(t->judge.asked, 1);
}

/* A silent endpoint in the pool of idle ones has nobody to tell. */
static void
idle_connections_are_closed_as_ever(void **state)
{
	struct world *t = *state;
	struct world_client c;

	publish(t, hung_only, 1, NOT_SILENT);
	assert_int_equal(world_ask(t, &c, GET), 200);
	publish(t, well_only, 1, SILENT);
	assert_int_equal(world_ask(t, &c, GET), 200);
	assert_int_equal(t->judge.asked, 1);
	assert_true(list_empty(&t->w->left));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_waits_there_is_answered_elsewhere),
		TEST(what_is_gone_and_not_silent_goes_on),
		TEST(it_may_be_said_after_the_endpoint_went),
		TEST(what_may_not_be_sent_twice_stays),
		TEST(what_has_a_part_of_its_answer_stays),
		TEST(where_nobody_else_is_it_waits),
		TEST(all_that_wait_there_go),
		TEST(what_waits_on_a_connection_of_the_pool_goes_too),
		TEST(idle_connections_are_closed_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
