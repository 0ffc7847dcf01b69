/* SPDX-License-Identifier: ISC */

#include "http/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "http/chars.h"
#include "http/chunk.h"

#define HEADERS_MAX 64
#define INTERIM_MAX 8	      /* 1xx before the answer */
#define READ_SIZE (16 * 1024) /* at a time */
#define HEAD_OUT_MAX (64 * 1024)

enum client_state { CONNECTING, READING_HEAD, READING_BODY, OVER };

struct client {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer connect_timer;
	struct loop_timer total_timer;
	struct loop_timer idle_timer;
	struct loop_later later; /* a failed start, then the free */
	const struct client_ops *ops;
	void *arg;
	int fd;
	int failed; /* of a connect that failed at once */
	enum client_state state;
	enum method method;
	uint32_t idle_ms;
	unsigned interims;
	struct buf out;
	size_t sent;
	struct buf in; /* the head, while it is not whole */
	size_t scanned;
	struct chunk chunk;
	uint64_t left; /* of a body with a length */
	uint64_t got;
	uint64_t max_body;
	struct head head;
	struct head_header room[HEADERS_MAX];
	char address[128]; /* for messages */
};

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* --- addresses ------------------------------------------------------------ */

static socklen_t
unix_address(union address *a, struct span path)
{
	a->un.sun_family = AF_UNIX;
	if (path.n == 0 ||
	    str_copy(a->un.sun_path, sizeof(a->un.sun_path), path) < 0)
		return 0;
	return sizeof(a->un);
}

static socklen_t
inet_address(union address *a, const char *host, uint16_t port)
{
	if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		return sizeof(a->in);
	}
	if (inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(port);
		return sizeof(a->in6);
	}
	return 0;
}

/* The length, or 0 if the text is no address. */
static socklen_t
parse_address(union address *a, const char *text)
{
	const char *colon = strrchr(text, ':');
	struct span host;
	char copy[64];
	uint64_t port;

	memset(a, 0, sizeof(*a));
	if (span_starts(span_of(text), SPAN("unix:")))
		return unix_address(a, span_of(text + 5));
	if (colon == NULL || str_u64(span_of(colon + 1), &port) < 0 ||
	    port == 0 || port > UINT16_MAX)
		return 0;
	host = (struct span){ text, (size_t)(colon - text) };
	if (host.n > 2 && *host.p == '[' && host.p[host.n - 1] == ']')
		host = (struct span){ host.p + 1, host.n - 2 };
	else if (memchr(host.p, ':', host.n) != NULL)
		return 0;
	if (str_copy(copy, sizeof(copy), host) < 0)
		return 0;
	return inet_address(a, copy, (uint16_t)port);
}

/* --- the end -------------------------------------------------------------- */

static void
on_free(void *arg)
{
	struct client *c = arg;

	buf_done(&c->out);
	buf_done(&c->in);
	free(c);
}

static void
client_close(struct client *c)
{
	c->state = OVER;
	loop_io_done(&c->io);
	loop_timer_done(&c->connect_timer);
	loop_timer_done(&c->total_timer);
	loop_timer_done(&c->idle_timer);
	fd_close(&c->fd);
}

void
client_cancel(struct client *c)
{
	if (c == NULL || c->state == OVER)
		return;
	client_close(c);
	loop_defer(c->loop, &c->later, on_free, c);
}

static void
client_finish(struct client *c, int r, const struct err *err)
{
	client_close(c);
	loop_defer(c->loop, &c->later, on_free, c);
	c->ops->on_done(c->arg, r, err);
}

static void
client_fail(struct client *c, int r, const char *what)
{
	struct err err;

	err_set(&err, r, "%s: %s", c->address, what);
	client_finish(c, r, &err);
}

static void
client_fail_errno(struct client *c, int r, const char *what)
{
	struct err err;

	err_errno(&err, r, "%s: %s", c->address, what);
	client_finish(c, r, &err);
}

/* --- the body ------------------------------------------------------------- */

/* Hand out a piece. False if that was the end of the client. */
static bool
give_body(struct client *c, struct span data)
{
	if (data.n > c->max_body - c->got) {
		client_fail(c, -EMSGSIZE, "the answer is too large");
		return false;
	}
	c->got += data.n;
	if (c->ops->on_body != NULL && data.n > 0)
		c->ops->on_body(c->arg, data);
	return c->state != OVER;
}

static void
take_length(struct client *c, struct span in)
{
	if (in.n > c->left)
		in.n = (size_t)c->left;
	c->left -= in.n;
	if (give_body(c, in) && c->left == 0)
		client_finish(c, 0, NULL);
}

static void
take_chunked(struct client *c, struct span in)
{
	struct span data;
	enum chunk_verdict v;

	while ((v = chunk_next(&c->chunk, &in, &data)) == CHUNK_DATA)
		if (!give_body(c, data))
			return;
	if (v == CHUNK_END)
		client_finish(c, 0, NULL);
	else if (v == CHUNK_BAD)
		client_fail(c, -EPROTO, chunk_why(&c->chunk));
}

static void
take_body(struct client *c, struct span in)
{
	switch (c->head.framing) {
	case FRAMING_NONE:
		client_finish(c, 0, NULL);
		break;
	case FRAMING_LENGTH:
		take_length(c, in);
		break;
	case FRAMING_CHUNKED:
		take_chunked(c, in);
		break;
	case FRAMING_CLOSE:
		give_body(c, in);
		break;
	}
}

/* --- the head ------------------------------------------------------------- */

static void
head_is_whole(struct client *c)
{
	struct span rest = { c->in.data + c->head.size,
		c->in.len - c->head.size };

	if (c->head.framing == FRAMING_LENGTH && c->head.length > c->max_body) {
		client_fail(c, -EMSGSIZE, "the answer is too large");
		return;
	}
	c->state = READING_BODY;
	c->left = c->head.length;
	chunk_init(&c->chunk);
	if (c->ops->on_head != NULL)
		c->ops->on_head(c->arg, &c->head);
	if (c->state != OVER)
		take_body(c, rest);
}

static void
try_head(struct client *c)
{
	while (c->state == READING_HEAD) {
		switch (head_response(
		    &c->head, buf_span(&c->in), &c->scanned, c->method)) {
		case HEAD_MORE:
			return;
		case HEAD_REFUSED:
			client_fail(
			    c, -EPROTO, head_refusal_text(c->head.refusal));
			return;
		case HEAD_OK:
			break;
		}
		if (c->head.status >= 200) {
			head_is_whole(c);
			return;
		}
		if (c->head.status == 101 || ++c->interims > INTERIM_MAX) {
			client_fail(c, -EPROTO, "unexpected 1xx answer");
			return;
		}
		buf_consume(&c->in, c->head.size);
		c->scanned = 0;
	}
}

static void
take_bytes(struct client *c, struct span in)
{
	int r;

	if (c->state == READING_BODY) {
		take_body(c, in);
		return;
	}
	r = buf_append(&c->in, in.p, in.n);
	if (r < 0)
		client_fail_errno(c, r, "reading the answer");
	else
		try_head(c);
}

/* --- the socket ----------------------------------------------------------- */

static void
on_eof(struct client *c)
{
	if (c->state == READING_BODY && c->head.framing == FRAMING_CLOSE)
		client_finish(c, 0, NULL);
	else
		client_fail(c, -ECONNRESET, "closed before the answer's end");
}

static void
client_read(struct client *c)
{
	char bytes[READ_SIZE];
	ssize_t n = read(c->fd, bytes, sizeof(bytes));

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			client_fail_errno(c, -errno, "reading the answer");
		return;
	}
	if (n == 0) {
		on_eof(c);
		return;
	}
	if (c->idle_ms > 0)
		loop_timer_arm(&c->idle_timer, c->idle_ms);
	take_bytes(c, (struct span){ bytes, (size_t)n });
}

static void
client_want(struct client *c, unsigned what)
{
	if (loop_io_want(&c->io, what) < 0)
		client_fail(c, -ENOMEM, "out of memory");
}

static void
client_write(struct client *c)
{
	ssize_t n = send(
	    c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* It may have answered and stopped listening: the answer counts. */
	if (n >= 0) {
		c->sent += (size_t)n;
		if (c->sent < c->out.len)
			return;
	}
	client_want(c, LOOP_READ);
}

static void
client_connected(struct client *c)
{
	loop_timer_disarm(&c->connect_timer);
	if (c->idle_ms > 0)
		loop_timer_arm(&c->idle_timer, c->idle_ms);
	c->state = READING_HEAD;
	client_want(c, LOOP_READ | LOOP_WRITE);
}

static void
on_socket(void *arg, unsigned what)
{
	struct client *c = arg;
	socklen_t len = sizeof(int);
	int e = 0;

	if (c->state == CONNECTING) {
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
			e = errno;
		if (e != 0)
			client_fail_errno(c, -e, "cannot connect");
		else
			client_connected(c);
	} else if (what == LOOP_WRITE)
		client_write(c);
	else
		client_read(c);
}

static void
on_timeout(void *arg)
{
	struct client *c = arg;

	client_fail(c, -ETIMEDOUT,
	    c->state == CONNECTING ? "connect timed out" : "timed out");
}

static void
on_failed_start(void *arg)
{
	struct client *c = arg;

	client_fail_errno(c, c->failed, "cannot connect");
}

/* --- starting ------------------------------------------------------------- */

static bool
header_can_be_sent(const struct client_header *h)
{
	enum hdr id;

	if (!http_token(span_of(h->name)) ||
	    !http_field_value(span_of(h->value)))
		return false;
	id = hdr_of(span_of(h->name));
	return id != HDR_HOST && id != HDR_CONTENT_LENGTH &&
	    id != HDR_CONNECTION && id != HDR_TRANSFER_ENCODING;
}

static int
check_request(const struct client_request *r, struct err *err)
{
	struct span target = span_of(r->target);

	if (r->method != NULL && !http_token(span_of(r->method)))
		return err_set(err, -EINVAL, "invalid method");
	if (target.n == 0 || (*target.p != '/' && *target.p != '*') ||
	    chars_skip(target.p, target.p + target.n, CHAR_TARGET) !=
		target.p + target.n)
		return err_set(err, -EINVAL, "invalid target");
	if (r->host != NULL && !http_host(span_of(r->host), NULL))
		return err_set(err, -EINVAL, "invalid host");
	for (size_t i = 0; i < r->nheaders; i++)
		if (!header_can_be_sent(&r->headers[i]))
			return err_set(err, -EINVAL, "invalid header %s",
			    r->headers[i].name);
	return 0;
}

static const char *
host_of(const struct client_request *r)
{
	if (r->host != NULL)
		return r->host;
	if (span_starts(span_of(r->address), SPAN("unix:")))
		return "localhost";
	return r->address;
}

static int
write_request(struct client *c, const struct client_request *r)
{
	struct buf *b = &c->out;

	if (buf_printf(b,
		"%s %s HTTP/1.1\r\nHost: %s\r\n"
		"Connection: close\r\n",
		r->method == NULL ? "GET" : r->method, r->target,
		host_of(r)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < r->nheaders; i++)
		if (buf_printf(b, "%s: %s\r\n", r->headers[i].name,
			r->headers[i].value) < 0)
			return -ENOMEM;
	if (r->body.p != NULL &&
	    buf_printf(b, "Content-Length: %zu\r\n", r->body.n) < 0)
		return -ENOMEM;
	if (buf_puts(b, "\r\n") < 0 || buf_append(b, r->body.p, r->body.n) < 0)
		return -ENOMEM;
	return 0;
}

static void
client_init(struct client *c, struct loop *loop, const struct client_request *r,
    const struct client_ops *ops, void *arg)
{
	struct span method = span_of(r->method);

	c->loop = loop;
	c->ops = ops;
	c->arg = arg;
	c->fd = -1;
	c->method = r->method == NULL ? METHOD_GET : method_of(method);
	c->idle_ms = r->idle_ms;
	c->max_body = r->max_body > 0 ? r->max_body : CLIENT_BODY_MAX;
	buf_init(&c->out, HEAD_OUT_MAX + r->body.n);
	buf_init(&c->in, HEAD_SIZE_MAX + READ_SIZE);
	head_init(&c->head, c->room, HEADERS_MAX);
	loop_timer_init(&c->connect_timer, loop, on_timeout, c);
	loop_timer_init(&c->total_timer, loop, on_timeout, c);
	loop_timer_init(&c->idle_timer, loop, on_timeout, c);
	if (str_copy(c->address, sizeof(c->address), span_of(r->address)) < 0)
		c->address[0] = '\0'; /* no real address is that long */
}

/* A Unix socket connects at once: that saves a health check two turns. */
static int
client_send_at_once(struct client *c)
{
	ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);

	if (n > 0)
		c->sent = (size_t)n;
	c->state = READING_HEAD;
	if (c->idle_ms > 0)
		loop_timer_arm(&c->idle_timer, c->idle_ms);
	return loop_io_want(
	    &c->io, c->sent < c->out.len ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static int
client_connect(struct client *c, const union address *a, socklen_t len)
{
	int one = 1;

	c->fd = socket(
	    a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (a->any.sa_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	loop_io_init(&c->io, c->loop, c->fd, on_socket, c);
	if (connect(c->fd, &a->any, len) == 0)
		return client_send_at_once(c);
	return errno == EINPROGRESS ? loop_io_want(&c->io, LOOP_WRITE) : -errno;
}

struct client *
client_start(struct loop *loop, const struct client_request *request,
    const struct client_ops *ops, void *arg, struct err *err)
{
	union address a;
	socklen_t len = parse_address(&a, request->address);
	struct client *c;

	if (len == 0) {
		err_set(err, -EINVAL, "invalid address %s", request->address);
		return NULL;
	}
	if (check_request(request, err) < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	client_init(c, loop, request, ops, arg);
	if (write_request(c, request) < 0) {
		err_set(err, -ENOMEM, "the request is too large");
		on_free(c);
		return NULL;
	}
	c->failed = client_connect(c, &a, len);
	if (c->failed < 0) {
		loop_defer(loop, &c->later, on_failed_start, c);
		return c;
	}
	if (c->state == CONNECTING)
		loop_timer_arm(&c->connect_timer,
		    request->connect_ms > 0 ? request->connect_ms
					    : CLIENT_TIMEOUT_MS);
	if (request->total_ms > 0)
		loop_timer_arm(&c->total_timer, request->total_ms);
	return c;
}
