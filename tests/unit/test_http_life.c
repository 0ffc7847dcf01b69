/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "alloc.h"
#include "base/fd.h"
#include "http_world.h"

/* --- time ----------------------------------------------------------------- */

static void
slow_heads_and_bodies_are_408(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ .head_ms = 40, .body_ms = 40 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /echo HTTP/1.1\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 408);
	assert_has("request-timeout");
	wire_close(&x);
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 5\r\n\r\nhe"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 408);
	assert_int_equal(w.asked, 0);
	wire_close(&x);
}

/* A byte now and then does not hold a head open. */
static void
a_dripping_head_is_cut_off_all_the_same(void **state)
{
	uint64_t started = clock_ms();
	struct wire x;

	(void)state;
	world_start((struct server_options){ .head_ms = 60 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /echo HTTP/1.1\r\nX: "));
	while (x.in.len == 0 && !x.eof && clock_ms() - started < 2000) {
		wire_say(&x, SPAN("y"));
		turn(5);
		wire_read(&x);
	}
	assert_true(x.in.len > 0);
	assert_true(clock_ms() - started < 1000);
	wire_close(&x);
}

static void
idle_connections_close_silently(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ .idle_ms = 40 });
	wire_open(&x);
	assert_true(wire_ends(&x, 1000));
	assert_int_equal(x.in.len, 0);
	wire_close(&x);
	wire_open(&x);
	wire_say(&x, SPAN("GET /echo" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_true(wire_ends(&x, 1000));
	assert_int_equal(x.in.len, 0);
	wire_close(&x);
}

static void
a_client_that_does_not_read_is_dropped(void **state)
{
	struct wire x;
	struct buf big;

	(void)state;
	world_start((struct server_options){ .send_ms = 60 });
	wire_open(&x);
	WAIT_HELD(&x);
	buf_init(&big, 1 << 25);
	assert_int_equal(buf_reserve(&big, 1 << 24), 0);
	memset(big.data, 'x', 1 << 24);
	big.len = 1 << 24;
	request_reply(w.held, 200, NULL, buf_span(&big));
	assert_int_equal(server_inflight(w.server), 0);
	assert_int_equal(server_connections(w.server), 1);
	WAIT(server_connections(w.server) == 0);
	buf_done(&big);
	wire_close(&x);
}

static void
a_large_answer_arrives_whole(void **state)
{
	struct wire x;
	struct buf big;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	WAIT_HELD(&x);
	buf_init(&big, 1 << 25);
	assert_int_equal(buf_reserve(&big, 1 << 24), 0);
	for (size_t i = 0; i < 1 << 24; i++)
		big.data[i] = (char)(i * 2654435761u >> 13);
	big.len = 1 << 24;
	request_reply(w.held, 200, NULL, buf_span(&big));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.body.len, big.len);
	assert_memory_equal(got.body.data, big.data, big.len);
	wire_say(&x, SPAN("GET /echo" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 200);
	buf_done(&big);
	wire_close(&x);
}

/* --- later ---------------------------------------------------------------- */

static void
on_late_start(void *arg)
{
	request_reply(arg, 200, "text/plain", SPAN("later"));
}

static void
a_request_may_be_answered_later(void **state)
{
	struct loop_timer later;
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x,
	    SPAN("POST /hold" HOST "Content-Length: 1\r\n\r\nx"
		 "GET /echo" HOST "\r\n"));
	WAIT(w.asked == 1); /* the second waits its turn */
	assert_int_equal(server_inflight(w.server), 1);
	loop_timer_init(&later, w.loop, on_late_start, w.held);
	loop_timer_arm(&later, 10);
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("later");
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("GET /echo s= rest= ");
	assert_int_equal(server_inflight(w.server), 0);
	loop_timer_done(&later);
	wire_close(&x);
}

static void
a_client_that_hangs_up_is_noticed(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	for (int i = 0; i < 4; i++) {
		w.gone = 0;
		wire_open(&x);
		WAIT_HELD(&x);
		assert_int_equal(w.gone, 0);
		if (i == 1)
			assert_int_equal(request_start(w.held, 200, NULL), 0);
		wire_close(&x);
		WAIT(w.gone == 1);
		assert_int_equal(server_inflight(w.server), 1);
		assert_int_equal(server_connections(w.server), 0);
		assert_int_equal(request_write(w.held, SPAN("x")), -EPIPE);
		if (i == 0)
			request_drop(w.held);
		else if (i == 1)
			request_end(w.held);
		else if (i == 2)
			request_reply(w.held, 200, NULL, SPAN("late"));
		else
			request_problem(
			    w.held, 500, "late", NULL, NULL, NULL, 0);
		assert_int_equal(server_inflight(w.server), 0);
	}
}

static void
a_body_that_breaks_off_asks_nobody(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 5\r\n\r\nhe"));
	WAIT(server_inflight(w.server) == 1);
	wire_close(&x);
	WAIT(server_inflight(w.server) == 0);
	assert_int_equal(server_connections(w.server), 0);
	assert_int_equal(w.asked, 0);
}

static void
on_gone_drop(struct request *req, void *arg)
{
	(void)arg;
	w.gone++;
	request_drop(req);
}

static void
a_request_may_be_dropped_when_it_is_gone(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	WAIT_HELD(&x);
	request_watch(w.held, on_gone_drop, NULL, NULL);
	wire_close(&x);
	WAIT(w.gone == 1);
	assert_int_equal(server_inflight(w.server), 0);
	assert_int_equal(server_connections(w.server), 0);
}

static void
a_dropped_request_closes_without_an_answer(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	assert_int_equal(ask(SPAN("GET /drop" HOST "\r\n")), 0);
	wire_open(&x);
	WAIT_HELD(&x);
	assert_int_equal(request_start(w.held, 200, NULL), 0);
	assert_int_equal(request_write(w.held, SPAN("part")), 0);
	turn(10);
	request_drop(w.held);
	assert_false(wire_answer(&x, METHOD_GET));
	assert_true(x.eof);
	wire_close(&x);
}

/* --- streams -------------------------------------------------------------- */

static void
a_stream_has_a_ceiling_and_says_when_there_is_room(void **state)
{
	static char piece[10000];
	struct wire x;
	size_t taken = 0;

	(void)state;
	world_start((struct server_options){ .max_queue = 50000 });
	wire_open(&x);
	WAIT_HELD(&x);
	assert_int_equal(request_start(w.held, 200, NULL), 0);
	while (
	    request_write(w.held, (struct span){ piece, sizeof(piece) }) == 0) {
		taken++;
		assert_true(request_queued(w.held) <= 50100);
		assert_true(taken < 10);
	}
	assert_int_equal(taken, 4);
	assert_int_equal(w.room, 0);
	WAIT(w.room == 1);
	assert_int_equal(request_write(w.held, SPAN("end")), 0);
	request_end(w.held);
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.body.len, taken * sizeof(piece) + 3);
	wire_say(&x, SPAN("GET /echo" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	wire_close(&x);
}

static void
a_stream_arrives_as_it_is_written(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ .send_ms = 50 });
	wire_open(&x);
	WAIT_HELD(&x);
	assert_int_equal(request_start(w.held, 200, "text/event-stream"), 0);
	turn(10);
	wire_read(&x);
	assert_non_null(strstr(buf_str(&x.in), "text/event-stream"));
	for (int i = 0; i < 4; i++) { /* quiet for longer than send_ms */
		turn(70);
		assert_int_equal(request_write(w.held, SPAN("data\n\n")), 0);
	}
	turn(120);
	assert_int_equal(w.gone, 0);
	request_end(w.held);
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("data\n\ndata\n\ndata\n\ndata\n\n");
	wire_close(&x);
}

static void
a_stream_to_1_0_ends_with_the_connection(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold HTTP/1.0\r\n\r\n"));
	WAIT(w.held != NULL);
	assert_int_equal(request_start(w.held, 200, NULL), 0);
	assert_int_equal(request_write(w.held, SPAN("abc")), 0);
	WAIT(request_queued(w.held) == 0); /* all is sent when it ends */
	request_end(w.held);
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("abc");
	wire_close(&x);
}

/* --- the server ----------------------------------------------------------- */

static void
on_drained(void *arg)
{
	assert_ptr_equal(arg, &w);
	w.drained++;
}

static void
a_drain_waits_for_what_is_there(void **state)
{
	struct wire idle;
	struct wire busy;
	struct wire late;
	int fd;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&idle);
	wire_open(&busy);
	WAIT_HELD(&busy);
	server_drain(w.server, on_drained, &w);
	assert_true(wire_ends(&idle, 1000));
	turn(10);
	assert_int_equal(w.drained, 0);
	assert_int_equal(server_inflight(w.server), 1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	late.fd = fd;
	assert_true(
	    connect(fd,
		(struct sockaddr *)&(struct sockaddr_in){ .sin_family = AF_INET,
		    .sin_port = htons(w.port),
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
		sizeof(struct sockaddr_in)) < 0);
	close(late.fd);
	request_reply(w.held, 200, NULL, SPAN("done"));
	assert_true(wire_answer(&busy, METHOD_GET));
	assert_body("done");
	assert_false(got.keep_alive);
	WAIT(w.drained == 1);
	wire_close(&idle);
	wire_close(&busy);
}

static void
an_idle_server_drains_at_once(void **state)
{
	(void)state;
	world_start((struct server_options){ 0 });
	server_drain(w.server, on_drained, &w);
	assert_int_equal(w.drained, 0);
	WAIT(w.drained == 1);
}

static void
connections_have_a_ceiling(void **state)
{
	struct wire x[3];

	(void)state;
	world_start((struct server_options){ .max_connections = 2 });
	for (size_t i = 0; i < 3; i++) {
		wire_open(&x[i]);
		WAIT(server_connections(w.server) == (i == 0 ? 1 : 2));
	}
	assert_true(wire_ends(&x[2], 500));
	wire_say(&x[0], SPAN("GET /echo" HOST "\r\n"));
	assert_true(wire_answer(&x[0], METHOD_GET));
	wire_close(&x[0]);
	WAIT(server_connections(w.server) == 1);
	assert_int_equal(ask(SPAN("GET /echo" HOST "\r\n")), 200);
	wire_close(&x[1]);
	wire_close(&x[2]);
}

static void
requests_may_outlive_the_server(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	WAIT_HELD(&x);
	server_free(w.server);
	w.server = NULL;
	assert_int_equal(w.gone, 1);
	assert_true(request_gone(w.held));
	request_reply(w.held, 200, NULL, SPAN("x"));
	assert_true(wire_ends(&x, 500));
	wire_close(&x);
}

static void
a_unix_peer_shows_who_it_is(void **state)
{
	struct wire x = { .fd = -1 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char want[128];

	(void)state;
	world_start((struct server_options){ 0 });
	x.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	buf_init(&x.in, 1 << 20);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", w.path);
	assert_int_equal(connect(x.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fd_nonblock(x.fd), 0);
	wire_say(&x, SPAN("GET /peer" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	snprintf(want, sizeof(want), "1 %ld %ld uid %ld", (long)getpid(),
	    (long)getuid(), (long)getuid());
	assert_body(want);
	wire_close(&x);
	assert_int_equal(ask(SPAN("GET /peer" HOST "\r\n")), 200);
	assert_has("0 0 0 127.0.0.1:");
}

static void
answers_cannot_be_split_by_a_header(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	WAIT_HELD(&x);
	assert_int_equal(request_set_header(w.held, "X", "a\r\nY: b"), -EINVAL);
	assert_int_equal(request_set_header(w.held, "X\r\nY", "a"), -EINVAL);
	assert_int_equal(
	    request_set_header(w.held, "Content-length", "1"), -EINVAL);
	assert_int_equal(
	    request_set_header(w.held, "Connection", "close"), -EINVAL);
	assert_int_equal(
	    request_start(w.held, 200, "text/plain\r\nX: y"), -EINVAL);
	request_reply(w.held, 200, "text/plain", SPAN("ok"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("ok");
	wire_close(&x);
}

static void
on_any(struct request *req, void *arg)
{
	(void)arg;
	request_drop(req);
}

static void
a_bad_route_is_told_when_the_server_is_made(void **state)
{
	static const struct server_route bad[] = {
		{ "GET", "no-slash", on_any, 0, 0, NULL },
		{ "G T", "/", on_any, 0, 0, NULL },
		{ "GET", "/", NULL, 0, 0, NULL },
		{ "GET", "/{}", on_any, 0, 0, NULL },
		{ "GET", "/a{b}", on_any, 0, 0, NULL },
		{ "GET", "/{a...}/b", on_any, 0, 0, NULL },
	};

	(void)state;
	w.path[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct server_options o = { .routes = &bad[i], .nroutes = 1 };
		struct err err = { "" };

		assert_null(server_new(w.loop, &o, &err));
		assert_true(err.text[0] != '\0');
	}
}

/* libevhtp and libevent have their own; ours must refuse one request at most.
 */
static void
each_allocation_may_fail(void **state)
{
	static const char text[] = "GET /empty?a=%20" HOST "\r\n";
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	ALLOC_FAIL_EACH({
		wire_open(&x);
		(void)!send(x.fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
		turn(4);
		wire_close(&x);
		turn(2);
	});
	assert_int_equal(server_inflight(w.server), 0);
	assert_int_equal(server_connections(w.server), 0);
	assert_int_equal(ask(SPAN("GET /echo" HOST "\r\n")), 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slow_heads_and_bodies_are_408),
		TEST(a_dripping_head_is_cut_off_all_the_same),
		TEST(idle_connections_close_silently),
		TEST(a_client_that_does_not_read_is_dropped),
		TEST(a_large_answer_arrives_whole),
		TEST(a_request_may_be_answered_later),
		TEST(a_client_that_hangs_up_is_noticed),
		TEST(a_body_that_breaks_off_asks_nobody),
		TEST(a_request_may_be_dropped_when_it_is_gone),
		TEST(a_dropped_request_closes_without_an_answer),
		TEST(a_stream_has_a_ceiling_and_says_when_there_is_room),
		TEST(a_stream_arrives_as_it_is_written),
		TEST(a_stream_to_1_0_ends_with_the_connection),
		TEST(a_drain_waits_for_what_is_there),
		TEST(an_idle_server_drains_at_once),
		TEST(connections_have_a_ceiling),
		TEST(requests_may_outlive_the_server),
		TEST(a_unix_peer_shows_who_it_is),
		TEST(answers_cannot_be_split_by_a_header),
		TEST(a_bad_route_is_told_when_the_server_is_made),
		TEST(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
