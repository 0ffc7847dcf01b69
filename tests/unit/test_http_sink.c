/* SPDX-License-Identifier: ISC */

#include <string.h>

#include "http_world.h"

static char big[300 * 1000]; /* more than a buffer, and than a read */
static uint32_t big_sum;

static void
fill(void)
{
	big_sum = 0;
	for (size_t i = 0; i < sizeof(big); i++) {
		big[i] = (char)(i * 7 + i / 251);
		big_sum = 31 * big_sum + (unsigned char)big[i];
	}
}

static void
start(void)
{
	world_start((struct server_options){ .max_body = sizeof(big) });
	w.sink = true;
	w.sunk = w.sunk_max = 0;
	w.sum = 0;
	fill();
}

static void
say_big(struct wire *x, size_t piece)
{
	for (size_t at = 0; at < sizeof(big); at += piece) {
		size_t n = sizeof(big) - at < piece ? sizeof(big) - at : piece;

		wire_say(x, (struct span){ big + at, n });
	}
}

static void
a_body_goes_to_the_sink_whole_and_in_order(void **state)
{
	struct wire x;

	(void)state;
	start();
	wire_open(&x);
	/* Twice: what is behind the body is the next request. */
	for (int i = 0; i < 2; i++) {
		w.sunk = w.sum = 0;
		wire_say(&x,
		    SPAN("POST /echo" HOST "Content-Length: 300000\r\n\r\n"));
		say_big(&x, i == 0 ? 100 * 1000 : 777);
		assert_true(wire_answer(&x, METHOD_POST));
		assert_int_equal(got.status, 200);
		assert_body("POST /echo s= rest= ");
		assert_int_equal(w.sunk, sizeof(big));
		assert_int_equal(w.sum, big_sum);
	}
	wire_close(&x);
}

static void
a_pipelined_request_behind_it_is_none_of_it(void **state)
{
	struct wire x;

	(void)state;
	start();
	wire_open(&x);
	wire_say(&x,
	    SPAN("POST /echo" HOST "Content-Length: 5\r\n\r\nhello"
		 "GET /echo?next" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_POST));
	assert_int_equal(w.sunk, 5);
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("GET /echo s= rest= [next=]");
	assert_int_equal(w.sunk, 5);
	wire_close(&x);
}

static void
chunks_go_to_the_sink(void **state)
{
	(void)state;
	start();
	assert_int_equal(
	    ask(SPAN("POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
		     "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")),
	    200);
	assert_int_equal(w.sunk, 5);
}

static void
the_ceiling_of_a_body_stays(void **state)
{
	(void)state;
	start();
	assert_int_equal(
	    ask(SPAN("POST /echo" HOST "Content-Length: 300001\r\n\r\n")), 413);
	world_teardown(state);
	world_setup(state);
	world_start((struct server_options){ .max_body = 4 });
	w.sink = true;
	w.sunk = w.sunk_max = 0;
	assert_int_equal(
	    ask(SPAN("POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
		     "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")),
	    413);
	assert_int_equal(w.sunk, 3);
}

static void
a_sink_may_refuse_in_the_middle(void **state)
{
	struct wire x;

	(void)state;
	start();
	w.sunk_max = 100 * 1000;
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 300000\r\n\r\n"));
	say_big(&x, 50 * 1000);
	assert_true(wire_answer(&x, METHOD_POST));
	assert_int_equal(got.status, 507);
	assert_false(got.keep_alive);
	assert_int_equal(w.asked, 0);
	wire_close(&x);
	assert_int_equal(server_inflight(w.server), 0);
}

static void
who_hangs_up_in_the_middle_is_over(void **state)
{
	struct wire x;

	(void)state;
	start();
	wire_open(&x);
	wire_say(
	    &x, SPAN("POST /echo" HOST "Content-Length: 300000\r\n\r\nab"));
	WAIT(w.sunk == 2);
	wire_close(&x);
	WAIT(w.over == 1);
	assert_int_equal(w.status, 0);
	assert_int_equal(w.asked, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_body_goes_to_the_sink_whole_and_in_order),
		TEST(a_pipelined_request_behind_it_is_none_of_it),
		TEST(chunks_go_to_the_sink),
		TEST(the_ceiling_of_a_body_stays),
		TEST(a_sink_may_refuse_in_the_middle),
		TEST(who_hangs_up_in_the_middle_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
