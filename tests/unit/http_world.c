/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "http_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "http/chunk.h"

struct world w;
struct answer got;

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

void
on_gone(struct request *req, void *arg)
{
	(void)arg;
	assert_true(request_gone(req));
	w.gone++;
}

void
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
on_sink(struct request *req, struct span data)
{
	w.sunk += data.n;
	for (size_t i = 0; i < data.n; i++)
		w.sum = 31 * w.sum + (unsigned char)data.p[i];
	if (w.sunk_max == 0 || w.sunk <= w.sunk_max)
		return true;
	request_problem(req, 507, "disk-full", NULL, NULL, NULL, 0);
	return false;
}

static bool
on_before(struct request *req, void *arg)
{
	assert_ptr_equal(arg, &w);
	assert_non_null(request_route(req));
	if (w.sink)
		request_set_sink(req, on_sink);
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

void
world_start(struct server_options options)
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

int
world_setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.loop = loop_new(NULL);
	return w.loop == NULL ? -1 : 0;
}

int
world_teardown(void **state)
{
	char path[80];

	(void)state;
	server_free(w.server);
	loop_free(w.loop);
	buf_done(&got.body);
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
void
turn(uint64_t ms)
{
	struct loop_timer limit;

	loop_timer_init(&limit, w.loop, on_stop, w.loop);
	loop_timer_arm(&limit, ms);
	assert_int_equal(loop_run(w.loop), 0);
	loop_timer_done(&limit);
}

/* --- a client that says exactly what it is told to ------------------------ */

void
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

void
wire_close(struct wire *x)
{
	fd_close(&x->fd);
	buf_done(&x->in);
}

void
wire_read(struct wire *x)
{
	char bytes[65536];
	ssize_t n;

	while ((n = recv(x->fd, bytes, sizeof(bytes), 0)) > 0)
		assert_int_equal(buf_append(&x->in, bytes, (size_t)n), 0);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		x->eof = true;
}

void
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

/* Wait for the next answer. False: the connection ended, or 5 s passed. */
bool
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

bool
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
unsigned
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

void
assert_body(const char *text)
{
	assert_string_equal(buf_str(&got.body), text);
}

void
assert_has(const char *text)
{
	if (strstr(buf_str(&got.body), text) == NULL)
		print_error("%s\nhas no %s\n", buf_str(&got.body), text);
	assert_non_null(strstr(buf_str(&got.body), text));
}
