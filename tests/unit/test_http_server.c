/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "http/chunk.h"
#include "http/client.h"
#include "http/server.h"

#define HOST " HTTP/1.1\r\nHost: a\r\n"

/* A server, the loop that it stands on, and what its handlers remember. */
static struct world {
	struct loop *loop;
	struct server *server;
	struct server_options options;
	uint16_t port;
	char path[64];	      /* of the Unix socket */
	struct request *held; /* by on_hold */
	unsigned asked;
	unsigned gone;
	unsigned room;
	unsigned drained;
	bool refuse;	 /* in on_before */
	unsigned over;	 /* calls of on_after */
	unsigned status; /* in the last of them */
} w;

/* --- handlers ------------------------------------------------------------- */

static void
on_echo(struct request *req, void *arg)
{
	struct buf b;
	struct span name;
	struct span value;

	assert_ptr_equal(arg, &w);
	w.asked++;
	buf_init(&b, 1 << 24);
	assert_int_equal(
	    buf_printf(&b, "%s %.*s s=%.*s rest=%.*s ",
		method_name(request_method(req)), (int)request_path(req).n,
		request_path(req).p, (int)request_param(req, "s").n,
		request_param(req, "s").p, (int)request_param(req, "rest").n,
		request_param(req, "rest").p),
	    0);
	for (size_t i = 0; i < request_query_count(req); i++) {
		request_query_at(req, i, &name, &value);
		assert_int_equal(buf_printf(&b, "[%.*s=%.*s]", (int)name.n,
				     name.p, (int)value.n, value.p),
		    0);
	}
	assert_int_equal(
	    buf_append(&b, request_body(req).p, request_body(req).n), 0);
	assert_int_equal(request_set_header(req, "X-Own", "yes"), 0);
	request_reply(req, 200, "text/plain", buf_span(&b));
	buf_done(&b);
}

static void
on_gone(struct request *req, void *arg)
{
	(void)arg;
	assert_true(request_gone(req));
	w.gone++;
}

static void
on_room(struct request *req, void *arg)
{
	(void)arg;
	assert_false(request_gone(req));
	w.room++;
}

static void
on_hold(struct request *req, void *arg)
{
	(void)arg;
	w.asked++;
	request_watch(req, on_gone, on_room, NULL);
	w.held = req;
}

static void
on_empty(struct request *req, void *arg)
{
	(void)arg;
	request_reply(req, 204, NULL, SPAN(""));
}

static void
on_drop(struct request *req, void *arg)
{
	(void)arg;
	request_drop(req);
}

static void
on_stream(struct request *req, void *arg)
{
	(void)arg;
	assert_int_equal(request_start(req, 200, "text/plain"), 0);
	assert_int_equal(request_start(req, 200, "text/plain"), -EINVAL);
	assert_int_equal(request_write(req, SPAN("one,")), 0);
	assert_int_equal(request_write(req, SPAN("")), 0);
	assert_int_equal(request_write(req, SPAN("two")), 0);
	request_end(req);
}

static void
on_late_start(void *arg)
{
	request_reply(arg, 200, "text/plain", SPAN("later"));
}

static void
on_peer(struct request *req, void *arg)
{
	const struct server_peer *p = request_peer(req);
	char text[160];

	(void)arg;
	snprintf(text, sizeof(text), "%d %ld %ld %s", p->local,
	    p->local ? (long)p->pid : 0, p->local ? (long)p->uid : 0, p->text);
	request_reply(req, 200, "text/plain", span_of(text));
}

static bool
on_before(struct request *req, void *arg)
{
	assert_ptr_equal(arg, &w);
	assert_non_null(request_route(req));
	if (!w.refuse)
		return true;
	request_problem(req, 403, "forbidden", NULL, NULL, NULL, 0);
	return false;
}

static void
on_after(struct request *req, unsigned status, void *arg)
{
	assert_ptr_equal(arg, &w);
	assert_true(request_path(req).n > 0);
	w.over++;
	w.status = status;
}

static void
on_take(struct request *req, void *arg)
{
	struct buf body;

	(void)arg;
	request_take_body(req, &body);
	assert_int_equal(request_body(req).n, 0);
	request_reply(req, 200, "text/plain", SPAN("taken"));
	assert_string_equal(buf_str(&body), "12345");
	buf_done(&body);
}

static const struct server_route routes[] = {
	{ "GET", "/echo", on_echo, 1, 0, NULL },
	{ "POST", "/echo", on_echo, 2, 0, NULL },
	{ "PUT", "/small", on_echo, 2, 4, NULL },
	{ "GET", "/v1/services/{s}", on_echo, 0, 0, NULL },
	{ "DELETE", "/v1/services/{s}", on_echo, 0, 0, NULL },
	{ "GET", "/v1/services/{s}/logs", on_echo, 0, 0, NULL },
	{ "GET", "/v1/services/all", on_empty, 0, 0, NULL },
	{ "GET", "/files/{rest...}", on_echo, 0, 0, NULL },
	{ "GET", "/hold", on_hold, 0, 0, NULL },
	{ "POST", "/hold", on_hold, 0, 0, NULL },
	{ "GET", "/empty", on_empty, 0, 0, NULL },
	{ "GET", "/drop", on_drop, 0, 0, NULL },
	{ "POST", "/take", on_take, 0, 0, NULL },
	{ "GET", "/stream", on_stream, 0, 0, NULL },
	{ "GET", "/peer", on_peer, 0, 0, NULL },
};

/* --- the world ------------------------------------------------------------ */

static int
tcp_listener(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(listen(fd, 16), 0);
	w.port = ntohs(a.sin_port);
	return fd;
}

static int
unix_listener(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(w.path, sizeof(w.path), "/tmp/test-http-XXXXXX");
	assert_non_null(mkdtemp(w.path));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", w.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void
start(struct server_options options)
{
	struct err err;

	w.options = options;
	w.options.routes = routes;
	w.options.nroutes = ARRAY_LEN(routes);
	w.options.arg = &w;
	w.options.before = on_before;
	w.options.after = on_after;
	w.server = server_new(w.loop, &w.options, &err);
	assert_non_null(w.server);
	assert_int_equal(server_listen(w.server, tcp_listener(), &err), 0);
	assert_int_equal(server_listen(w.server, unix_listener(), &err), 0);
}

static int
setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.loop = loop_new(NULL);
	return w.loop == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	char path[80];

	(void)state;
	server_free(w.server);
	loop_free(w.loop);
	snprintf(path, sizeof(path), "%s/s", w.path);
	unlink(path);
	rmdir(w.path);
	return 0;
}

static void
on_stop(void *arg)
{
	loop_stop(arg);
}

/* Let the loop run for that long. */
static void
turn(uint64_t ms)
{
	struct loop_timer limit;

	loop_timer_init(&limit, w.loop, on_stop, w.loop);
	loop_timer_arm(&limit, ms);
	assert_int_equal(loop_run(w.loop), 0);
	loop_timer_done(&limit);
}

/* --- a client that says exactly what it is told to ------------------------ */

struct wire {
	int fd;
	bool eof;
	struct buf in;
};

static void
wire_open(struct wire *x)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(w.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	x->eof = false;
	x->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	buf_init(&x->in, 1 << 26);
	assert_int_equal(connect(x->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fd_nonblock(x->fd), 0);
}

static void
wire_close(struct wire *x)
{
	fd_close(&x->fd);
	buf_done(&x->in);
}

static void
wire_read(struct wire *x)
{
	char bytes[65536];
	ssize_t n;

	while ((n = recv(x->fd, bytes, sizeof(bytes), 0)) > 0)
		assert_int_equal(buf_append(&x->in, bytes, (size_t)n), 0);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		x->eof = true;
}

static void
wire_say(struct wire *x, struct span bytes)
{
	uint64_t until = clock_ms() + 5000;

	while (bytes.n > 0 && clock_ms() < until) {
		ssize_t n = send(x->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			bytes.p += n;
			bytes.n -= (size_t)n;
		} else
			turn(1);
	}
}

/* The next whole answer off the front; its body is decoded. */
static bool
take_answer(struct wire *x, struct head *head, struct head_header *room,
    enum method asked, struct buf *body)
{
	struct span in;
	struct span data;
	struct chunk c;
	size_t scanned = 0;

	head_init(head, room, HEAD_HEADERS_MAX);
	if (head_response(head, buf_span(&x->in), &scanned, asked) != HEAD_OK)
		return false;
	in = (struct span){ x->in.data + head->size, x->in.len - head->size };
	buf_clear(body);
	switch (head->framing) {
	case FRAMING_LENGTH:
		data = (struct span){ in.p, (size_t)head->length };
		if (in.n < head->length)
			return false;
		assert_int_equal(buf_append(body, data.p, data.n), 0);
		in.p += data.n;
		break;
	case FRAMING_CHUNKED:
		chunk_init(&c);
		for (;;) {
			enum chunk_verdict v = chunk_next(&c, &in, &data);

			if (v == CHUNK_END)
				break;
			if (v != CHUNK_DATA)
				return false;
			assert_int_equal(buf_append(body, data.p, data.n), 0);
		}
		break;
	case FRAMING_CLOSE:
		if (!x->eof)
			return false;
		assert_int_equal(buf_append(body, in.p, in.n), 0);
		in.p += in.n;
		break;
	case FRAMING_NONE:
		break;
	}
	head->size = (size_t)(in.p - x->in.data);
	return true;
}

static struct answer {
	unsigned status;
	bool keep_alive;
	struct buf body;
	char text[8192]; /* the head */
} got;

/* Wait for the next answer. False: the connection ended, or 5 s passed. */
static bool
wire_answer(struct wire *x, enum method asked)
{
	uint64_t until = clock_ms() + 5000;
	struct head_header room[HEAD_HEADERS_MAX];
	struct head head;

	got.body.max = 1 << 26;
	for (;;) {
		wire_read(x);
		if (take_answer(x, &head, room, asked, &got.body))
			break;
		if (x->eof || clock_ms() > until)
			return false;
		turn(1);
	}
	got.status = head.status;
	got.keep_alive = head.keep_alive;
	snprintf(got.text, sizeof(got.text), "%.*s", (int)head.lines.n,
	    head.lines.p);
	buf_consume(&x->in, head.size);
	return true;
}

static bool
wire_ends(struct wire *x, uint64_t ms)
{
	uint64_t until = clock_ms() + ms;

	while (!x->eof && clock_ms() < until) {
		turn(1);
		wire_read(x);
	}
	return x->eof;
}

/* One request on a connection of its own; gives the status, 0 for none. */
static unsigned
ask(struct span bytes)
{
	struct wire x;
	bool ok;

	wire_open(&x);
	wire_say(&x, bytes);
	ok = wire_answer(&x, METHOD_GET);
	if (ok && !got.keep_alive)
		assert_true(wire_ends(&x, 3000));
	wire_close(&x);
	turn(2);
	return ok ? got.status : 0;
}

static void
assert_body(const char *text)
{
	assert_string_equal(buf_str(&got.body), text);
}

static void
assert_has(const char *text)
{
	if (strstr(buf_str(&got.body), text) == NULL)
		print_error("%s\nhas no %s\n", buf_str(&got.body), text);
	assert_non_null(strstr(buf_str(&got.body), text));
}

/* --- requests ------------------------------------------------------------- */

static void
a_request_reaches_its_handler(void **state)
{
	(void)state;
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned status = ask(span_of(rows[i].text));

		if (status != rows[i].status)
			print_error("row %zu\n", i);
		assert_int_equal(status, rows[i].status);
		assert_false(got.keep_alive);
		assert_has("/errors/bad-request");
	}
	assert_int_equal(w.asked, 0);
	turn(20);
	assert_int_equal(server_connections(w.server), 0);
}

static void
a_head_over_its_ceiling_is_431(void **state)
{
	struct buf b;

	(void)state;
	start((struct server_options){ .max_head = 1000, .max_headers = 5 });
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
	start((struct server_options){ .max_body = 100 });
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
	start((struct server_options){ .max_body = 100 });
	memset(bytes, 'x', sizeof(bytes));
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 900000\r\n\r\n"));
	for (int i = 0; i < 12; i++)
		wire_say(&x, (struct span){ bytes, sizeof(bytes) });
	assert_true(wire_answer(&x, METHOD_GET));
	assert_int_equal(got.status, 413);
	assert_true(wire_ends(&x, 1000));
	wire_close(&x);
	turn(5);
	assert_int_equal(server_connections(w.server), 0);
}

static void
discarding_has_a_ceiling(void **state)
{
	static char bytes[1 << 20];
	uint64_t start_ms = clock_ms();
	struct wire x;
	int sent = 0;

	(void)state;
	start((struct server_options){ .max_body = 100 });
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ .max_body = 16 });
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
	start((struct server_options){ 0 });
	assert_int_equal(
	    ask(SPAN("POST /take" HOST "Content-Length: 5\r\n\r\n12345")), 200);
	assert_string_equal(buf_str(&got.body), "taken");
}

static void
a_body_that_is_expected_is_asked_for(void **state)
{
	struct wire x;

	(void)state;
	start((struct server_options){ 0 });
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

/* --- time ----------------------------------------------------------------- */

static void
slow_heads_and_bodies_are_408(void **state)
{
	struct wire x;

	(void)state;
	start((struct server_options){ .head_ms = 40, .body_ms = 40 });
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
	start((struct server_options){ .head_ms = 60 });
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
	start((struct server_options){ .idle_ms = 40 });
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
	start((struct server_options){ .send_ms = 60 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(20);
	assert_non_null(w.held);
	buf_init(&big, 1 << 25);
	assert_int_equal(buf_reserve(&big, 1 << 24), 0);
	memset(big.data, 'x', 1 << 24);
	big.len = 1 << 24;
	request_reply(w.held, 200, NULL, buf_span(&big));
	assert_int_equal(server_inflight(w.server), 0);
	assert_int_equal(server_connections(w.server), 1);
	turn(400);
	assert_int_equal(server_connections(w.server), 0);
	buf_done(&big);
	wire_close(&x);
}

static void
a_large_answer_arrives_whole(void **state)
{
	struct wire x;
	struct buf big;

	(void)state;
	start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(20);
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
a_request_may_be_answered_later(void **state)
{
	struct loop_timer later;
	struct wire x;

	(void)state;
	start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x,
	    SPAN("POST /hold" HOST "Content-Length: 1\r\n\r\nx"
		 "GET /echo" HOST "\r\n"));
	turn(20);
	assert_int_equal(w.asked, 1); /* the second waits its turn */
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
	start((struct server_options){ 0 });
	for (int i = 0; i < 4; i++) {
		w.gone = 0;
		wire_open(&x);
		wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
		turn(10);
		assert_int_equal(w.gone, 0);
		if (i == 1)
			assert_int_equal(request_start(w.held, 200, NULL), 0);
		wire_close(&x);
		turn(10);
		assert_int_equal(w.gone, 1);
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
	start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("POST /echo" HOST "Content-Length: 5\r\n\r\nhe"));
	turn(10);
	assert_int_equal(server_inflight(w.server), 1);
	wire_close(&x);
	turn(10);
	assert_int_equal(server_inflight(w.server), 0);
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
	start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(10);
	request_watch(w.held, on_gone_drop, NULL, NULL);
	wire_close(&x);
	turn(10);
	assert_int_equal(w.gone, 1);
	assert_int_equal(server_inflight(w.server), 0);
	assert_int_equal(server_connections(w.server), 0);
}

static void
a_dropped_request_closes_without_an_answer(void **state)
{
	struct wire x;

	(void)state;
	start((struct server_options){ 0 });
	assert_int_equal(ask(SPAN("GET /drop" HOST "\r\n")), 0);
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(10);
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
	start((struct server_options){ .max_queue = 50000 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(10);
	assert_int_equal(request_start(w.held, 200, NULL), 0);
	while (
	    request_write(w.held, (struct span){ piece, sizeof(piece) }) == 0) {
		taken++;
		assert_true(request_queued(w.held) <= 50100);
		assert_true(taken < 10);
	}
	assert_int_equal(taken, 4);
	assert_int_equal(w.room, 0);
	turn(20);
	assert_int_equal(w.room, 1);
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
	start((struct server_options){ .send_ms = 50 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(10);
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
	start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold HTTP/1.0\r\n\r\n"));
	turn(10);
	assert_int_equal(request_start(w.held, 200, NULL), 0);
	assert_int_equal(request_write(w.held, SPAN("abc")), 0);
	turn(10); /* all is sent when it ends */
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
	start((struct server_options){ 0 });
	wire_open(&idle);
	wire_open(&busy);
	wire_say(&busy, SPAN("GET /hold" HOST "\r\n"));
	turn(10);
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
	turn(10);
	assert_int_equal(w.drained, 1);
	wire_close(&idle);
	wire_close(&busy);
}

static void
an_idle_server_drains_at_once(void **state)
{
	(void)state;
	start((struct server_options){ 0 });
	server_drain(w.server, on_drained, &w);
	assert_int_equal(w.drained, 0);
	turn(5);
	assert_int_equal(w.drained, 1);
}

static void
connections_have_a_ceiling(void **state)
{
	struct wire x[3];

	(void)state;
	start((struct server_options){ .max_connections = 2 });
	for (size_t i = 0; i < 3; i++) {
		wire_open(&x[i]);
		turn(10);
	}
	assert_int_equal(server_connections(w.server), 2);
	assert_true(wire_ends(&x[2], 500));
	wire_say(&x[0], SPAN("GET /echo" HOST "\r\n"));
	assert_true(wire_answer(&x[0], METHOD_GET));
	wire_close(&x[0]);
	turn(10);
	assert_int_equal(server_connections(w.server), 1);
	assert_int_equal(ask(SPAN("GET /echo" HOST "\r\n")), 200);
	wire_close(&x[1]);
	wire_close(&x[2]);
}

static void
requests_may_outlive_the_server(void **state)
{
	struct wire x;

	(void)state;
	start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(10);
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
	start((struct server_options){ 0 });
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
	start((struct server_options){ 0 });
	wire_open(&x);
	wire_say(&x, SPAN("GET /hold" HOST "\r\n"));
	turn(10);
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
a_bad_route_is_told_when_the_server_is_made(void **state)
{
	static const struct server_route bad[] = {
		{ "GET", "no-slash", on_echo, 0, 0, NULL },
		{ "G T", "/", on_echo, 0, 0, NULL },
		{ "GET", "/", NULL, 0, 0, NULL },
		{ "GET", "/{}", on_echo, 0, 0, NULL },
		{ "GET", "/a{b}", on_echo, 0, 0, NULL },
		{ "GET", "/{a...}/b", on_echo, 0, 0, NULL },
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
	start((struct server_options){ 0 });
	snprintf(address, sizeof(address), "unix:%s/s", w.path);
	q.address = address;
	buf_init(&a.body, 1 << 16);
	assert_non_null(client_start(w.loop, &q, &ops, &a, NULL));
	turn(30);
	assert_int_equal(a.r, 0);
	assert_int_equal(a.status, 200);
	assert_string_equal(buf_str(&a.body), "POST /echo s= rest= [x=1]hello");
	buf_clear(&a.body);
	q = (struct client_request){ .address = address, .target = "/stream" };
	assert_non_null(client_start(w.loop, &q, &ops, &a, NULL));
	turn(30);
	assert_string_equal(buf_str(&a.body), "one,two");
	buf_done(&a.body);
}

/* libevhtp and libevent have their own; ours must refuse one request at most.
 */
static void
each_allocation_may_fail(void **state)
{
	struct wire x;

	(void)state;
	start((struct server_options){ 0 });
	ALLOC_FAIL_EACH({
		wire_open(&x);
		(void)!send(
		    x.fd, "GET /empty?a=%20" HOST "\r\n", 40, MSG_NOSIGNAL);
		turn(4);
		wire_close(&x);
		turn(2);
	});
	assert_int_equal(server_inflight(w.server), 0);
	assert_int_equal(server_connections(w.server), 0);
	assert_int_equal(ask(SPAN("GET /echo" HOST "\r\n")), 200);
}

static int
group_teardown(void **state)
{
	(void)state;
	buf_done(&got.body);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		TEST(discarding_has_a_ceiling),
		TEST(before_may_refuse_before_the_body),
		TEST(each_request_is_told_over_once),
		TEST(a_body_can_outlive_its_request),
		TEST(a_body_that_is_expected_is_asked_for),
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
		TEST(the_client_and_the_server_understand_each_other),
		TEST(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, group_teardown);
}
