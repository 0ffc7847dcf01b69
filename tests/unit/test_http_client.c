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
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "http/client.h"

/* A server that says what it was told to, some bytes each millisecond. */
struct canned {
	struct loop *loop;
	int listener;
	int fd;
	char address[128];
	struct loop_io accept_io;
	struct loop_io io;
	struct loop_timer timer;
	struct span reply;
	size_t step; /* bytes at a time */
	size_t said;
	bool hang; /* do not close behind the reply */
	struct buf heard;
};

/* What came out of the client. */
struct outcome {
	struct loop *loop;
	struct client *client;
	unsigned heads;
	unsigned dones;
	unsigned status;
	int r;
	struct buf body;
	char text[ERR_MAX];
	bool cancel_on_head;
	bool cancel_on_body;
};

static void
on_say(void *arg)
{
	struct canned *s = arg;
	size_t n = s->reply.n - s->said;

	if (n > s->step)
		n = s->step;
	if (n > 0 && send(s->fd, s->reply.p + s->said, n, MSG_NOSIGNAL) < 0)
		n = 0;
	s->said += n;
	if (n > 0 && s->said < s->reply.n)
		loop_timer_arm(&s->timer, 1);
	else if (!s->hang) {
		loop_io_done(&s->io);
		fd_close(&s->fd);
	}
}

static void
on_hear(void *arg, unsigned what)
{
	struct canned *s = arg;
	char bytes[4096];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));

	(void)what;
	if (n <= 0)
		loop_io_want(&s->io, 0);
	else
		assert_int_equal(buf_append(&s->heard, bytes, (size_t)n), 0);
}

static void
on_accept(void *arg, unsigned what)
{
	struct canned *s = arg;

	(void)what;
	s->fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(s->fd >= 0);
	loop_io_init(&s->io, s->loop, s->fd, on_hear, s);
	assert_int_equal(loop_io_want(&s->io, LOOP_READ), 0);
	loop_timer_arm(&s->timer, 1);
}

static void
listen_tcp(struct canned *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(
	    getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
	snprintf(s->address, sizeof(s->address), "127.0.0.1:%u",
	    (unsigned)ntohs(a.sin_port));
}

static void
canned_init(struct canned *s, struct loop *loop, struct span reply)
{
	*s = (struct canned){ .loop = loop, .fd = -1, .reply = reply };
	s->step = reply.n;
	buf_init(&s->heard, 1 << 20);
	listen_tcp(s);
	assert_int_equal(listen(s->listener, 8), 0);
	loop_timer_init(&s->timer, loop, on_say, s);
	loop_io_init(&s->accept_io, loop, s->listener, on_accept, s);
	assert_int_equal(loop_io_want(&s->accept_io, LOOP_READ), 0);
}

static void
canned_done(struct canned *s)
{
	loop_io_done(&s->accept_io);
	loop_timer_done(&s->timer);
	if (s->fd >= 0)
		loop_io_done(&s->io);
	fd_close(&s->fd);
	fd_close(&s->listener);
	buf_done(&s->heard);
}

static void
on_head(void *arg, const struct head *head)
{
	struct outcome *o = arg;

	assert_int_equal(o->dones, 0);
	o->heads++;
	o->status = head->status;
	if (o->cancel_on_head)
		client_cancel(o->client);
}

static void
on_body(void *arg, struct span data)
{
	struct outcome *o = arg;

	assert_int_equal(o->heads, 1);
	assert_int_equal(o->dones, 0);
	assert_int_equal(buf_append(&o->body, data.p, data.n), 0);
	if (o->cancel_on_body)
		client_cancel(o->client);
}

static void
on_done(void *arg, int r, const struct err *err)
{
	struct outcome *o = arg;

	o->dones++;
	o->r = r;
	assert_int_equal(r < 0, err != NULL);
	if (err != NULL)
		snprintf(o->text, sizeof(o->text), "%s", err->text);
	loop_stop(o->loop);
}

static const struct client_ops ops = { on_head, on_body, on_done };

static void
on_stop(void *arg)
{
	loop_stop(arg);
}

static void
run(struct loop *loop, uint64_t ms)
{
	struct loop_timer limit;

	loop_timer_init(&limit, loop, on_stop, loop);
	loop_timer_arm(&limit, ms);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_done(&limit);
}

/* Ask a canned server; the outcome's body is the caller's. */
static struct outcome
ask(struct span reply, size_t step, struct client_request request)
{
	struct outcome o = { .loop = loop_new(NULL), .r = 1 };
	struct canned s;
	struct err err;

	buf_init(&o.body, 1 << 20);
	canned_init(&s, o.loop, reply);
	s.step = step > 0 ? step : reply.n;
	request.address = s.address;
	if (request.target == NULL)
		request.target = "/";
	o.client = client_start(o.loop, &request, &ops, &o, &err);
	assert_non_null(o.client);
	run(o.loop, 5000);
	canned_done(&s);
	loop_free(o.loop);
	return o;
}

static void
assert_answer(struct outcome *o, unsigned status, const char *body)
{
	if (o->r != 0)
		print_error("%s\n", o->text);
	assert_int_equal(o->r, 0);
	assert_int_equal(o->dones, 1);
	assert_int_equal(o->heads, 1);
	assert_int_equal(o->status, status);
	assert_string_equal(buf_str(&o->body), body);
	buf_done(&o->body);
}

static void
assert_failure(struct outcome *o, int r)
{
	if (o->r != r)
		print_error("%d: %s\n", o->r, o->text);
	assert_int_equal(o->r, r);
	assert_int_equal(o->dones, 1);
	assert_true(o->text[0] != '\0');
	buf_done(&o->body);
}

#define SPAN_INIT(lit)                  \
	{                               \
		"" lit, sizeof(lit) - 1 \
	}
#define OK "HTTP/1.1 200 OK\r\n"

static const struct span plain = SPAN_INIT(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\n" OK
    "Content-Length: 5\r\n\r\nhello, and more");
static const struct span chunked = SPAN_INIT(
    OK "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n"
       "0\r\nX-Sum: 1\r\n\r\n");
static const struct span until_close = SPAN_INIT(
    "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nhello");

static void
bodies_come_free_of_their_framing(void **state)
{
	static const size_t steps[] = { 0, 1, 7 };
	struct client_request q = { 0 };
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		o = ask(plain, steps[i], q);
		assert_answer(&o, 200, "hello");
		o = ask(chunked, steps[i], q);
		assert_answer(&o, 200, "hello");
		o = ask(until_close, steps[i], q);
		assert_answer(&o, 404, "hello");
		o = ask(SPAN("HTTP/1.1 204 No Content\r\n\r\n"), steps[i], q);
		assert_answer(&o, 204, "");
	}
	q.method = "HEAD";
	o = ask(SPAN(OK "Content-Length: 5\r\n\r\n"), 0, q);
	assert_answer(&o, 200, "");
}

static void
an_answer_that_breaks_off_is_an_error(void **state)
{
	static const struct span cut[] = {
		SPAN_INIT(""),
		SPAN_INIT("HTTP/1.1 200 OK\r\nContent-"),
		SPAN_INIT(OK "Content-Length: 5\r\n\r\nhell"),
		SPAN_INIT(
		    OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
		SPAN_INIT(OK "Transfer-Encoding: chunked\r\n\r\n"
			     "5\r\nhello\r\n0\r\n"),
		SPAN_INIT("HTTP/1.1 100 Continue\r\n\r\n"),
	};
	struct client_request q = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
		struct outcome o = ask(cut[i], 0, q);

		assert_failure(&o, -ECONNRESET);
	}
}

static void
what_is_not_http_is_refused(void **state)
{
	static const struct span bad[] = {
		SPAN_INIT("SSH-2.0-OpenSSH\r\n\r\n"),
		SPAN_INIT(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
		SPAN_INIT(OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
		SPAN_INIT("HTTP/1.1 101 x\r\nUpgrade: y\r\n"
			  "Connection: upgrade\r\n\r\n"),
	};
	struct client_request q = { 0 };
	char many[2048] = "";
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		o = ask(bad[i], 0, q);
		assert_failure(&o, -EPROTO);
	}
	for (size_t i = 0; i < 20; i++)
		strncat(many, "HTTP/1.1 100 Continue\r\n\r\n",
		    sizeof(many) - strlen(many) - 1);
	o = ask(span_of(many), 0, q);
	assert_failure(&o, -EPROTO);
}

static void
an_answer_over_its_ceiling_is_refused(void **state)
{
	struct client_request q = { .max_body = 4 };
	struct outcome o = ask(plain, 0, q);

	(void)state;
	assert_int_equal(o.heads, 0);
	assert_failure(&o, -EMSGSIZE);
	o = ask(chunked, 0, q);
	assert_failure(&o, -EMSGSIZE);
	o = ask(until_close, 3, q);
	assert_failure(&o, -EMSGSIZE);
	q.max_body = 5;
	o = ask(chunked, 0, q);
	assert_answer(&o, 200, "hello");
}

static void
the_request_is_sent_as_it_was_asked(void **state)
{
	static const struct client_header headers[] = { { "X-A", "b c" },
		{ "Accept", "*/*" } };
	struct outcome o = { .loop = loop_new(NULL) };
	struct client_request q = { .method = "POST",
		.target = "/a?b=c",
		.host = "x.y:1",
		.headers = headers,
		.nheaders = 2,
		.body = SPAN("{}") };
	struct canned s;

	(void)state;
	buf_init(&o.body, 1 << 20);
	canned_init(&s, o.loop, plain);
	q.address = s.address;
	o.client = client_start(o.loop, &q, &ops, &o, NULL);
	run(o.loop, 5000);
	assert_int_equal(o.r, 0);
	assert_string_equal(buf_str(&s.heard),
	    "POST /a?b=c HTTP/1.1\r\nHost: x.y:1\r\nConnection: close\r\n"
	    "X-A: b c\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{}");
	canned_done(&s);
	buf_done(&o.body);
	loop_free(o.loop);
}

static void
what_cannot_be_sent_is_refused(void **state)
{
	static const struct client_header inject = { "X", "a\r\nY: b" };
	static const struct client_header host = { "hOST", "a" };
	static const struct client_header name = { "X Y", "a" };
	static const struct client_request bad[] = {
		{ .address = "localhost:80", .target = "/" },
		{ .address = "127.0.0.1", .target = "/" },
		{ .address = "127.0.0.1:0", .target = "/" },
		{ .address = "127.0.0.1:65536", .target = "/" },
		{ .address = "::1:80", .target = "/" },
		{ .address = "unix:", .target = "/" },
		{ .address = "127.0.0.1:1", .target = "" },
		{ .address = "127.0.0.1:1", .target = "a" },
		{ .address = "127.0.0.1:1", .target = "/ HTTP/1.1\r\nX: y" },
		{ .address = "127.0.0.1:1", .target = "/", .method = "G T" },
		{ .address = "127.0.0.1:1", .target = "/", .host = "a\r\n" },
		{ .address = "127.0.0.1:1",
		    .target = "/",
		    .nheaders = 1,
		    .headers = &inject },
		{ .address = "127.0.0.1:1",
		    .target = "/",
		    .nheaders = 1,
		    .headers = &host },
		{ .address = "127.0.0.1:1",
		    .target = "/",
		    .nheaders = 1,
		    .headers = &name },
	};
	struct loop *loop = loop_new(NULL);
	char path[300] = "unix:/";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { "" };

		assert_null(client_start(loop, &bad[i], &ops, NULL, &err));
		assert_true(err.text[0] != '\0');
	}
	memset(path + 6, 'a', 200);
	assert_null(client_start(loop,
	    &(struct client_request){ .address = path, .target = "/" }, &ops,
	    NULL, NULL));
	loop_free(loop);
}

static void
a_refused_connect_is_told_from_the_loop(void **state)
{
	static const struct {
		const char *address;
		int r;
	} rows[] = { { "127.0.0.1:1", -ECONNREFUSED },
		{ "[::1]:1", -ECONNREFUSED },
		{ "unix:/nonexistent/socket", -ENOENT } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome o = { .loop = loop_new(NULL) };
		struct client_request q = { .address = rows[i].address,
			.target = "/" };

		o.client = client_start(o.loop, &q, &ops, &o, NULL);
		assert_non_null(o.client);
		assert_int_equal(o.dones, 0);
		run(o.loop, 5000);
		if (o.r != -EADDRNOTAVAIL) /* a machine without IPv6 */
			assert_int_equal(o.r, rows[i].r);
		assert_int_equal(o.dones, 1);
		loop_free(o.loop);
	}
}

static void
each_of_the_times_runs_out(void **state)
{
	struct client_request total = { .total_ms = 40 };
	struct client_request idle = { .idle_ms = 40 };
	struct client_request slow = { .idle_ms = 400 };
	struct outcome o = { .loop = loop_new(NULL) };
	struct canned s;

	(void)state;
	canned_init(&s, o.loop, SPAN("HTTP/1.1 200"));
	s.hang = true;
	total.address = idle.address = s.address;
	total.target = idle.target = "/";
	o.client = client_start(o.loop, &total, &ops, &o, NULL);
	run(o.loop, 5000);
	assert_int_equal(o.r, -ETIMEDOUT);
	assert_int_equal(o.dones, 1);
	loop_io_done(&s.io);
	fd_close(&s.fd);
	o.client = client_start(o.loop, &idle, &ops, &o, NULL);
	run(o.loop, 5000);
	assert_int_equal(o.r, -ETIMEDOUT);
	assert_int_equal(o.dones, 2);
	canned_done(&s);
	loop_free(o.loop);
	o = ask(chunked, 1, slow); /* slow, but never idle */
	assert_answer(&o, 200, "hello");
}

/* A backlog that is full: on TCP the connect hangs, on Unix it says so. */
static void
a_connect_that_hangs_runs_out(void **state)
{
	struct outcome o = { .loop = loop_new(NULL) };
	struct client_request q = { .target = "/", .connect_ms = 50 };
	struct canned s = { .fd = -1 };
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fds[8];
	unsigned port;

	(void)state;
	listen_tcp(&s);
	assert_int_equal(listen(s.listener, 0), 0);
	assert_int_equal(sscanf(s.address, "127.0.0.1:%u", &port), 1);
	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (struct sockaddr *)&a, sizeof(a));
	}
	q.address = s.address;
	o.client = client_start(o.loop, &q, &ops, &o, NULL);
	run(o.loop, 5000);
	assert_int_equal(o.r, -ETIMEDOUT);
	assert_non_null(strstr(o.text, "connect"));
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	fd_close(&s.listener);
	loop_free(o.loop);
}

static void
nothing_comes_after_a_cancel(void **state)
{
	struct outcome o = { .loop = loop_new(NULL) };
	struct client_request q = { .target = "/" };
	struct canned s;

	(void)state;
	buf_init(&o.body, 1 << 20);
	for (int where = 0; where < 4; where++) {
		canned_init(&s, o.loop, chunked);
		q.address = where == 3 ? "unix:/nonexistent" : s.address;
		o.heads = 0;
		o.cancel_on_head = where == 1;
		o.cancel_on_body = where == 2;
		o.client = client_start(o.loop, &q, &ops, &o, NULL);
		if (where == 0 || where == 3)
			client_cancel(o.client);
		run(o.loop, 60);
		assert_int_equal(o.dones, 0);
		assert_int_equal(o.heads, where == 1 || where == 2);
		assert_string_equal(buf_str(&o.body), where == 2 ? "hel" : "");
		buf_clear(&o.body);
		canned_done(&s);
	}
	client_cancel(NULL);
	buf_done(&o.body);
	loop_free(o.loop);
}

static void
each_allocation_may_fail(void **state)
{
	static const struct client_header header = { "X-A", "b" };
	struct client_request q = { .address = "127.0.0.1:1",
		.target = "/",
		.headers = &header,
		.nheaders = 1,
		.body = SPAN("body") };
	struct outcome o = { .loop = loop_new(NULL) };

	(void)state;
	ALLOC_FAIL_EACH({
		o.client = client_start(o.loop, &q, &ops, &o, NULL);
		assert_true(o.client != NULL || alloc_failed());
		client_cancel(o.client);
	});
	loop_free(o.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_come_free_of_their_framing),
		cmocka_unit_test(an_answer_that_breaks_off_is_an_error),
		cmocka_unit_test(what_is_not_http_is_refused),
		cmocka_unit_test(an_answer_over_its_ceiling_is_refused),
		cmocka_unit_test(the_request_is_sent_as_it_was_asked),
		cmocka_unit_test(what_cannot_be_sent_is_refused),
		cmocka_unit_test(a_refused_connect_is_told_from_the_loop),
		cmocka_unit_test(each_of_the_times_runs_out),
		cmocka_unit_test(a_connect_that_hangs_runs_out),
		cmocka_unit_test(nothing_comes_after_a_cancel),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
