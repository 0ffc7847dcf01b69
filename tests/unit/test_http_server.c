/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "http_world.h"

/* --- requests ------------------------------------------------------------- */

static void
a_request_reaches_its_handler(void **state)
{
	(void)state;
	world_start((struct server_options){ 0 });
	assert_int_equal(
	    ask(SPAN("GET /echo?a=b%20c+d&e&f=&=g" HOST "\r\n")), 200);
	assert_body("GET /echo s= rest= [a=b c d][e=][f=][=g]");
	assert_true(got.keep_alive);
	assert_non_null(strstr(got.text, "X-Own: yes\r\n"));
	assert_non_null(strstr(got.text, "Content-Type: text/plain\r\n"));
	assert_non_null(strstr(got.text, " GMT\r\n"));
	assert_int_equal(
	    ask(SPAN("POST /echo" HOST "Content-Length: 5\r\n\r\nhello")), 200);
	assert_body("POST /echo s= rest= hello");
	assert_int_equal(
	    ask(SPAN("POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
		     "3\r\nhel\r\n2;x\r\nlo\r\n0\r\nX: y\r\n\r\n")),
	    200);
	assert_body("POST /echo s= rest= hello");
	assert_int_equal(w.asked, 3);
	assert_int_equal(server_inflight(w.server), 0);
}

static void
paths_have_params_and_literal_wins(void **state)
{
	(void)state;
	world_start((struct server_options){ 0 });
	assert_int_equal(
	    ask(SPAN("GET /v1/services/im%61ge%2Fx" HOST "\r\n")), 200);
	assert_body("GET /v1/services/im%61ge%2Fx s=image/x rest= ");
	assert_int_equal(ask(SPAN("GET /v1/services/a/logs" HOST "\r\n")), 200);
	assert_body("GET /v1/services/a/logs s=a rest= ");
	assert_int_equal(ask(SPAN("GET /v1/services/all" HOST "\r\n")), 204);
	assert_int_equal(ask(SPAN("DELETE /v1/services/all" HOST "\r\n")), 200);
	assert_int_equal(ask(SPAN("GET /files/a/b//c" HOST "\r\n")), 200);
	assert_body("GET /files/a/b//c s= rest=a/b//c ");
	assert_int_equal(ask(SPAN("GET /files/" HOST "\r\n")), 200);
	assert_int_equal(ask(SPAN("GET /files" HOST "\r\n")), 200);
}

static void
what_has_no_route_is_told_so(void **state)
{
	(void)state;
	world_start((struct server_options){ 0 });
	assert_int_equal(ask(SPAN("GET /nowhere" HOST "\r\n")), 404);
	assert_has("\"type\":\"/errors/not-found\"");
	assert_has("\"status\":404");
	assert_non_null(
	    strstr(got.text, "Content-Type: application/problem+json\r\n"));
	assert_non_null(strstr(got.text, "Cache-Control: no-store\r\n"));
	assert_true(got.keep_alive);
	assert_int_equal(ask(SPAN("GET /" HOST "\r\n")), 404);
	assert_int_equal(ask(SPAN("GET /echo/" HOST "\r\n")), 404);
	assert_int_equal(ask(SPAN("GET /v1/services/" HOST "\r\n")), 404);
	assert_int_equal(ask(SPAN("PATCH /echo" HOST "\r\n")), 405);
	assert_non_null(strstr(got.text, "Allow: GET, HEAD, POST\r\n"));
	assert_int_equal(ask(SPAN("BREW /echo" HOST "\r\n")), 405);
	assert_int_equal(ask(SPAN("OPTIONS /echo" HOST "\r\n")), 405);
	assert_int_equal(ask(SPAN("GET /echo?a=%zz" HOST "\r\n")), 400);
	assert_int_equal(ask(SPAN("GET /echo?a=%00" HOST "\r\n")), 400);
	assert_int_equal(w.asked, 0);
}

static void
a_query_has_a_ceiling(void **state)
{
	char text[1024] = "GET /echo?a";

	(void)state;
	world_start((struct server_options){ 0 });
	for (int i = 0; i < 63; i++)
		strncat(text, "&a", sizeof(text) - strlen(text) - 1);
	strncat(text, HOST "\r\n", sizeof(text) - strlen(text) - 1);
	assert_int_equal(ask(span_of(text)), 200);
	memcpy(text, "GET /echo?a&a", 13);
	memmove(text + 13, text + 11, strlen(text + 11) + 1);
	snprintf(text, sizeof(text), "GET /echo?a");
	for (int i = 0; i < 64; i++)
		strncat(text, "&a", sizeof(text) - strlen(text) - 1);
	strncat(text, HOST "\r\n", sizeof(text) - strlen(text) - 1);
	assert_int_equal(ask(span_of(text)), 400);
}

static void
head_is_answered_like_get_without_a_body(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("HEAD /echo" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_HEAD));
	assert_int_equal(got.status, 200);
	assert_non_null(strstr(got.text, "Content-Length: 20\r\n"));
	wire_say(&x, SPAN("HEAD /stream" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_HEAD));
	assert_non_null(strstr(got.text, "Transfer-Encoding: chunked\r\n"));
	wire_say(&x, SPAN("HEAD /nowhere" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_HEAD));
	assert_int_equal(got.status, 404);
	wire_say(&x, SPAN("GET /empty" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 204);
	assert_null(strstr(got.text, "Content-"));
	wire_say(&x, SPAN("GET /stream" HOST "\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("one,two");
	assert_int_equal(x.in.len, 0);
	wire_close(&x);
}

static void
keep_alive_follows_the_client(void **state)
{
	(void)state;
	world_start((struct server_options){ 0 });
	assert_int_equal(
	    ask(SPAN("GET /echo" HOST "Connection: close\r\n\r\n")), 200);
	assert_false(got.keep_alive);
	assert_int_equal(ask(SPAN("GET /echo HTTP/1.0\r\n\r\n")), 200);
	assert_false(got.keep_alive);
	assert_int_equal(
	    ask(SPAN("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
	    200);
	assert_false(got.keep_alive);
	assert_body("one,two");
	assert_int_equal(server_connections(w.server), 0);
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
	struct buf many;
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	buf_init(&many, 1 << 20);
	for (int i = 0; i < 200; i++)
		assert_int_equal(
		    buf_printf(&many,
			i % 3 == 0	 ? "GET /files/%d" HOST "\r\n"
			    : i % 3 == 1 ? "POST /echo?%d" HOST
					   "Content-Length: 3\r\n\r\nabc"
					 : "POST /echo?%d" HOST
					   "Transfer-Encoding: chunked\r\n\r\n"
					   "3\r\nabc\r\n0\r\n\r\n",
			i),
		    0);
	wire_say(&x, buf_span(&many));
	for (int i = 0; i < 200; i++) {
		char want[64];

		assert_true(wire_answer(&x, METHOD_GET));
		if (i % 3 == 0)
			snprintf(want, sizeof(want),
			    "GET /files/%d s= rest=%d ", i, i);
		else
			snprintf(want, sizeof(want),
			    "POST /echo s= rest= [%d=]abc", i);
		assert_body(want);
	}
	assert_int_equal(w.asked, 200);
	buf_done(&many);
	wire_close(&x);
}

static void
a_request_may_come_byte_by_byte(void **state)
{
	static const char text[] = "POST /echo" HOST
				   "Transfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n0\r\n\r\n"
				   "GET /files/x" HOST "\r\n";
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		wire_say(&x, (struct span){ text + i, 1 });
		turn(1);
	}
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("POST /echo s= rest= abc");
	assert_true(wire_answer(&x, METHOD_GET));
	assert_body("GET /files/x s= rest=x ");
	wire_close(&x);
}

/* --- refusals ------------------------------------------------------------- */

static void
what_is_not_strict_is_refused_and_closed(void **state)
{
	static const struct {
		const char *text;
		unsigned status;
	} rows[] = {
		{ "GET /echo HTTP/1.1\r\n\r\n", 400 },
		{ "GET /echo" HOST "Host: b\r\n\r\n", 400 },
		{ "POST /echo" HOST "Content-Length: 5\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		    400 },
		{ "POST /echo" HOST "Content-Length: 5\r\n"
		  "Content-Length: 5\r\n\r\nhello",
		    400 },
		{ "POST /echo" HOST "Content-Length: +5\r\n\r\nhello", 400 },
		{ "POST /echo" HOST "Transfer-Encoding: xchunked\r\n\r\n",
		    501 },
		{ "POST /echo" HOST "Transfer-Encoding: chunked, x\r\n\r\n",
		    400 },
		{ "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
		  "fffffffffffffffff\r\n",
		    400 },
		{ "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
		  "3\nabc",
		    400 },
		{ "GET /a/../echo" HOST "\r\n", 400 },
		{ "GET /echo HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
		{ "GET /echo\nHost: a\n\n", 400 },
		{ "GET /echo" HOST "X: a\r\n b\r\n\r\n", 400 },
		{ "\x16\x03\x01", 400 },
	};

	(void)state;
	world_start((struct server_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned status = ask(span_of(rows[i].text));

		if (status != rows[i].status)
			print_error("row %zu\n", i);
		assert_int_equal(status, rows[i].status);
		assert_false(got.keep_alive);
		assert_has("/errors/bad-request");
	}
	assert_int_equal(w.asked, 0);
	WAIT(server_connections(w.server) == 0);
}

static void
a_head_over_its_ceiling_is_431(void **state)
{
	struct buf b;

	(void)state;
	world_start(
	    (struct server_options){ .max_head = 1000, .max_headers = 5 });
	buf_init(&b, 1 << 20);
	assert_int_equal(buf_puts(&b, "GET /echo" HOST "X: "), 0);
	while (b.len < 1000)
		assert_int_equal(buf_puts(&b, "y"), 0);
	assert_int_equal(ask(buf_span(&b)), 431);
	assert_int_equal(ask(SPAN("GET /echo" HOST "A: b\r\nA: b\r\nA: b\r\n"
				  "A: b\r\n\r\n")),
	    200);
	assert_int_equal(ask(SPAN("GET /echo" HOST "A: b\r\nA: b\r\nA: b\r\n"
				  "A: b\r\nA: b\r\n\r\n")),
	    431);
	buf_done(&b);
}

static void
a_body_over_its_ceiling_is_413(void **state)
{
	struct buf b;

	(void)state;
	world_start((struct server_options){ .max_body = 100 });
	assert_int_equal(
	    ask(SPAN("PUT /small" HOST "Content-Length: 4\r\n\r\n1234")), 200);
	assert_int_equal(
	    ask(SPAN("PUT /small" HOST "Content-Length: 5\r\n\r\n")), 413);
	assert_has("\"max_bytes\":4");
	assert_int_equal(
	    ask(SPAN("PUT /small" HOST "Transfer-Encoding: chunked\r\n\r\n"
		     "4\r\n1234\r\n1\r\n5\r\n0\r\n\r\n")),
	    413);
	assert_int_equal(
	    ask(SPAN("PUT /small" HOST "Content-Length: 99999999999999\r\n"
		     "Expect: 100-continue\r\n\r\n")),
	    413);
	buf_init(&b, 1 << 20);
	assert_int_equal(
	    buf_puts(
		&b, "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"),
	    0);
	for (int i = 0; i < 11; i++)
		assert_int_equal(buf_puts(&b, "a\r\n0123456789\r\n"), 0);
	assert_int_equal(ask(buf_span(&b)), 413);
	assert_has("body-too-large");
	buf_done(&b);
	assert_int_equal(server_inflight(w.server), 0);
}

/* The answer must survive a client that is still sending. */
static void
an_early_answer_arrives_while_the_body_comes(void **state)
{
	char bytes[65536];
	struct wire x;

	(void)state;
	world_start((struct server_options){ .max_body = 100 });
	memset(bytes, 'x', sizeof(bytes));
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 900000\r\n\r\n"));
	for (int i = 0; i < 12; i++)
		wire_say(&x, (struct span){ bytes, sizeof(bytes) });
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 413);
	assert_true(wire_ends(&x, 1000));
	wire_close(&x);
	WAIT(server_connections(w.server) == 0);
}

/* Closing with bytes unread would reset the connection, and lose the answer. */
static void
what_comes_behind_an_early_answer_is_read(void **state)
{
	static char bytes[65536];
	struct wire x;

	(void)state;
	world_start((struct server_options){ .max_body = 100 });
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 900000\r\n\r\n"));
	WAIT(recv(x.fd, bytes, 1, MSG_PEEK) == 1);
	for (int i = 0; i < 4; i++) {
		turn(5);
		assert_int_equal(send(x.fd, bytes, sizeof(bytes), MSG_NOSIGNAL),
		    sizeof(bytes));
	}
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 413);
	wire_close(&x);
	WAIT(server_connections(w.server) == 0);
}

static void
discarding_has_a_ceiling(void **state)
{
	static char bytes[1 << 20];
	uint64_t start_ms = clock_ms();
	struct wire x;
	int sent = 0;

	(void)state;
	world_start((struct server_options){ .max_body = 100 });
	memset(bytes, 'x', sizeof(bytes));
	wire_open(&x);
	wire_say(
	    &x, SPAN("POST /echo" HOST "Content-Length: 90000000\r\n\r\n"));
	turn(20);
	while (server_connections(w.server) > 0 && sent++ < 100) {
		(void)!send(x.fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		turn(1);
	}
	assert_int_equal(server_connections(w.server), 0);
	assert_true(clock_ms() - start_ms < 1500);
	wire_close(&x);
}

static void
before_may_refuse_before_the_body(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	w.refuse = true;
	assert_int_equal(ask(SPAN("GET /echo" HOST "\r\n")), 403);
	assert_true(got.keep_alive);
	wire_open(&x);
	wire_say(&x,
	    SPAN("POST /echo" HOST "Content-Length: 5\r\n"
		 "Expect: 100-continue\r\n\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 403); /* no 100 before it */
	assert_false(got.keep_alive);
	assert_int_equal(ask(SPAN("GET /nowhere" HOST "\r\n")), 404);
	assert_int_equal(w.asked, 0);
	wire_close(&x);
}

static void
each_request_is_told_over_once(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ .max_body = 16 });
	assert_int_equal(ask(SPAN("GET /echo" HOST "\r\n")), 200);
	assert_int_equal(w.over, 1);
	assert_int_equal(w.status, 200);
	assert_int_equal(ask(SPAN("GET /nowhere" HOST "\r\n")), 404);
	assert_int_equal(w.status, 404);
	assert_int_equal(
	    ask(SPAN("POST /echo" HOST "Content-Length: 17\r\n\r\n")), 413);
	assert_int_equal(w.over, 3);
	assert_int_equal(w.status, 413);
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 9\r\n\r\nhalf"));
	WAIT(server_inflight(w.server) == 1);
	wire_close(&x);
	WAIT(w.over == 4);
	assert_int_equal(w.status, 0);
	wire_open(&x);
	WAIT_HELD(&x);
	wire_close(&x);
	WAIT(w.gone == 1);
	assert_int_equal(w.over, 4);
	request_drop(w.held);
	assert_int_equal(w.over, 5);
	assert_int_equal(w.status, 0);
}

static void
a_body_can_outlive_its_request(void **state)
{
	(void)state;
	world_start((struct server_options){ 0 });
	assert_int_equal(
	    ask(SPAN("POST /take" HOST "Content-Length: 5\r\n\r\n12345")), 200);
	assert_string_equal(buf_str(&got.body), "taken");
}

static void
a_body_that_is_expected_is_asked_for(void **state)
{
	struct wire x;

	(void)state;
	world_start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x,
	    SPAN("POST /echo" HOST "Content-Length: 5\r\n"
		 "Expect: 100-continue\r\n\r\n"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 100);
	wire_say(&x, SPAN("hello"));
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 200);
	assert_body("POST /echo s= rest= hello");
	wire_close(&x);
}

/* --- with our own client -------------------------------------------------- */

struct answered {
	int r;
	unsigned status;
	struct buf body;
};

static void
on_client_head(void *arg, const struct head *head)
{
	((struct answered *)arg)->status = head->status;
}

static void
on_client_body(void *arg, struct span data)
{
	struct answered *a = arg;

	assert_int_equal(buf_append(&a->body, data.p, data.n), 0);
}

static void
on_client_done(void *arg, int r, const struct err *err)
{
	(void)err;
	((struct answered *)arg)->r = r;
}

static void
the_client_and_the_server_understand_each_other(void **state)
{
	static const struct client_ops ops = { on_client_head, on_client_body,
		on_client_done };
	struct answered a = { .r = 1 };
	struct client_request q = { .method = "POST",
		.target = "/echo?x=1",
		.body = SPAN("hello"),
		.total_ms = 3000 };
	char address[96];

	(void)state;
	world_start((struct server_options){ 0 });
	snprintf(address, sizeof(address), "unix:%s/s", w.path);
	q.address = address;
	buf_init(&a.body, 1 << 16);
	assert_non_null(client_start(w.loop, &q, &ops, &a, NULL));
	WAIT(a.r != 1);
	assert_int_equal(a.r, 0);
	assert_int_equal(a.status, 200);
	assert_string_equal(buf_str(&a.body), "POST /echo s= rest= [x=1]hello");
	buf_clear(&a.body);
	q = (struct client_request){ .address = address, .target = "/stream" };
	a.r = 1;
	assert_non_null(client_start(w.loop, &q, &ops, &a, NULL));
	WAIT(a.r != 1);
	assert_string_equal(buf_str(&a.body), "one,two");
	buf_done(&a.body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_reaches_its_handler),
		TEST(paths_have_params_and_literal_wins),
		TEST(what_has_no_route_is_told_so),
		TEST(a_query_has_a_ceiling),
		TEST(head_is_answered_like_get_without_a_body),
		TEST(keep_alive_follows_the_client),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(a_request_may_come_byte_by_byte),
		TEST(what_is_not_strict_is_refused_and_closed),
		TEST(a_head_over_its_ceiling_is_431),
		TEST(a_body_over_its_ceiling_is_413),
		TEST(an_early_answer_arrives_while_the_body_comes),
		TEST(what_comes_behind_an_early_answer_is_read),
		TEST(discarding_has_a_ceiling),
		TEST(before_may_refuse_before_the_body),
		TEST(each_request_is_told_over_once),
		TEST(a_body_can_outlive_its_request),
		TEST(a_body_that_is_expected_is_asked_for),
		TEST(the_client_and_the_server_understand_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
