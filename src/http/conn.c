/* SPDX-License-Identifier: ISC */

#include "http/conn.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http/problem.h"

#define READ_AHEAD (64 * 1024) /* of what is not its turn yet */
#define REFUSAL_MAX 4096

static void conn_work(struct conn *conn);

/* --- the end -------------------------------------------------------------- */

static void
on_free(void *arg)
{
	server_conn_dead(arg);
}

/* Whoever has the request must end it; nobody has one that is being read. */
static void
conn_leave(struct conn *conn, bool asked)
{
	struct request *req = conn->req;

	conn->req = NULL;
	if (req == NULL)
		return;
	if (asked) {
		request_lost(req);
		return;
	}
	request_free(req);
	if (conn->counted)
		server_request_gone(conn->server);
}

void
conn_kill(struct conn *conn)
{
	bool asked = conn->state == CONN_ASKED;

	if (conn->state == CONN_DEAD)
		return;
	conn->state = CONN_DEAD;
	loop_timer_done(&conn->timer);
	loop_defer_cancel(&conn->flush_later);
	if (conn->ev != NULL) {
		bufferevent_setcb(conn->bev, NULL, NULL, NULL, NULL);
		bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	}
	loop_defer(conn->server->loop, &conn->free_later, on_free, conn);
	conn_leave(conn, asked);
}

static void
conn_linger(struct conn *conn)
{
	conn->state = CONN_LINGER;
	shutdown(bufferevent_getfd(conn->bev), SHUT_WR);
	loop_timer_arm(&conn->timer, CONN_LINGER_MS);
	on_conn_readable(conn->bev, conn);
}

static void
conn_flushed(struct conn *conn)
{
	loop_timer_disarm(&conn->timer);
	if (conn->close && conn->body_due) {
		conn_linger(conn);
		return;
	}
	if (conn->close || conn->server->draining) {
		conn_kill(conn);
		return;
	}
	exchange_flushed(conn);
	if (conn->state == CONN_DEAD)
		return;
	conn->state = CONN_IDLE;
	loop_timer_arm(&conn->timer, conn->server->options.idle_ms);
	conn_work(conn);
}

static void
on_flush(void *arg)
{
	struct conn *conn = arg;

	if (conn->state == CONN_FLUSH)
		conn_flushed(conn);
}

void
conn_drain(struct conn *conn)
{
	conn->close = true;
	if (conn->state == CONN_IDLE &&
	    evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0)
		conn_kill(conn);
}

/* --- writing -------------------------------------------------------------- */

size_t
conn_queued(const struct conn *conn)
{
	return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

size_t
conn_max_queue(const struct conn *conn)
{
	return conn->server->options.max_queue;
}

static void
conn_arm_send(struct conn *conn)
{
	conn->mark = conn->given - conn_queued(conn);
	loop_timer_arm(&conn->timer, conn->server->options.send_ms);
}

int
conn_send(struct conn *conn, struct span data)
{
	if (bufferevent_write(conn->bev, data.p, data.n) < 0)
		return -ENOMEM;
	conn->given += data.n;
	if (!loop_timer_armed(&conn->timer))
		conn_arm_send(conn);
	return 0;
}

bool
conn_closes(const struct conn *conn)
{
	return conn->close || conn->body_due || conn->server->draining;
}

void
conn_must_close(struct conn *conn)
{
	conn->close = true;
}

/* All is in the output buffer: wait until it is out. */
static void
conn_flush(struct conn *conn)
{
	conn->state = CONN_FLUSH;
	conn_arm_send(conn);
	if (conn_queued(conn) == 0)
		loop_defer(
		    conn->server->loop, &conn->flush_later, on_flush, conn);
}

void
conn_ended(struct conn *conn, bool broken)
{
	conn->req = NULL;
	conn->counted = false;
	if (conn->state == CONN_DEAD)
		return;
	if (broken) {
		conn_kill(conn);
		return;
	}
	conn->close = conn->close || conn->body_due;
	exchange_end(conn);
	conn_flush(conn);
}

/* Answer what never became a request, and close. */
static void
conn_refuse(struct conn *conn, unsigned status, const char *detail)
{
	struct problem p = { .status = status,
		.type = status == 408 ? "request-timeout" : "bad-request",
		.detail = detail };
	struct reply_head h = {
		.status = status, .type = PROBLEM_TYPE, .close = true
	};
	struct buf head;
	struct buf body;

	request_free(conn->req);
	conn->req = NULL;
	conn->close = conn->body_due = true;
	buf_init(&head, REFUSAL_MAX);
	buf_init(&body, REFUSAL_MAX);
	if (problem_write(&body, &p) < 0)
		goto fail;
	h.body_size = body.len;
	if (reply_head_write(&head, &h) < 0 ||
	    conn_send(conn, buf_span(&head)) < 0 ||
	    conn_send(conn, buf_span(&body)) < 0)
		goto fail;
	conn_flush(conn);
	goto done;
fail:
	conn_kill(conn);
done:
	buf_done(&head);
	buf_done(&body);
}

/* --- a request ------------------------------------------------------------ */

void
conn_problem(
    struct conn *conn, unsigned status, const char *type, const char *detail)
{
	request_problem(conn->req, status, type, NULL, detail, NULL, 0);
}

static void
conn_no_route(struct conn *conn)
{
	const struct server_options *o = &conn->server->options;
	struct request *req = conn->req;
	struct buf allow;

	if (!req->match.path_exists) {
		conn_problem(conn, 404, "not-found", "no such path");
		return;
	}
	buf_init(&allow, 256);
	if (route_allow(o->routes, o->nroutes, req->head.path, &allow) < 0 ||
	    request_set_header(req, "Allow", buf_str(&allow)) < 0)
		request_drop(req);
	else
		conn_problem(conn, 405, "method-not-allowed",
		    "the path has no such method");
	buf_done(&allow);
}

void
conn_ask(struct conn *conn)
{
	struct request *req = conn->req;

	conn->state = CONN_ASKED;
	loop_timer_disarm(&conn->timer);
	req->match.route->handler(req, conn->server->options.arg);
}

/* Route it; false if that ended it. */
static bool
conn_admit(struct conn *conn)
{
	const struct server_options *o = &conn->server->options;
	struct request *req = conn->req;
	size_t max;

	route_match_path(o->routes, o->nroutes, req->head.method_name,
	    req->head.path, &req->match);
	if (req->match.route == NULL) {
		conn_no_route(conn);
		return false;
	}
	if (request_decode(req) < 0) {
		conn_problem(conn, 400, "bad-request",
		    "malformed path or query parameters");
		return false;
	}
	max = req->match.route->max_body;
	req->body.max = max > 0 ? max : o->max_body;
	if (o->before != NULL && !o->before(req, o->arg))
		return false;
	if (req->head.framing == FRAMING_LENGTH &&
	    req->head.length > req->body.max) {
		conn_body_too_large(conn);
		return false;
	}
	return true;
}

static void
conn_head_done(struct conn *conn)
{
	struct request *req = conn->req;

	req->conn = conn;
	req->server = conn->server;
	req->peer = conn->peer;
	list_push(&conn->server->requests, &req->link);
	conn->server->nrequests++;
	conn->counted = true;
	conn->state = CONN_ASKED;
	loop_timer_disarm(&conn->timer);
	conn->close = !req->head.keep_alive || conn->server->draining;
	conn->body_due = req->head.framing == FRAMING_CHUNKED ||
	    (req->head.framing == FRAMING_LENGTH && req->head.length > 0);
	if (exchange_open(conn) < 0) {
		request_drop(req);
		return;
	}
	if (!conn_admit(conn))
		return;
	if (conn->body_due)
		conn_expect_body(conn);
	else
		conn_ask(conn);
}

/* --- reading -------------------------------------------------------------- */

void
conn_used(struct conn *conn, size_t n)
{
	evbuffer_drain(bufferevent_get_input(conn->bev), n);
}

static void
take_head(struct conn *conn, struct span in)
{
	struct request *req = conn->req;
	size_t before = req->raw.len;

	if (in.n > req->raw.max - before)
		in.n = req->raw.max - before;
	if (buf_append(&req->raw, in.p, in.n) < 0) {
		conn_kill(conn);
		return;
	}
	switch (head_request(&req->head, buf_span(&req->raw), &req->scanned)) {
	case HEAD_MORE:
		conn_used(conn, in.n);
		break;
	case HEAD_REFUSED:
		conn_used(conn, in.n);
		conn_refuse(conn, head_refusal_status(req->head.refusal),
		    head_refusal_text(req->head.refusal));
		break;
	case HEAD_OK:
		conn_used(conn, req->head.size - before);
		req->raw.len = req->head.size;
		conn_head_done(conn);
		break;
	}
}

static void
take_first(struct conn *conn, struct span in)
{
	const struct server_options *o = &conn->server->options;

	conn->req = request_new(o->max_head, o->max_headers);
	if (conn->req == NULL) {
		conn_kill(conn);
		return;
	}
	conn->state = CONN_HEAD;
	loop_timer_arm(&conn->timer, o->head_ms);
	take_head(conn, in);
}

static void
take_lingering(struct conn *conn, struct span in)
{
	conn_used(conn, in.n);
	conn->lingered += in.n;
	if (conn->lingered > CONN_LINGER_MAX)
		conn_kill(conn);
}

/* One contiguous piece of what has arrived. False if it is not its turn. */
static bool
conn_take(struct conn *conn, struct span in)
{
	switch (conn->state) {
	case CONN_IDLE:
		take_first(conn, in);
		return true;
	case CONN_HEAD:
		take_head(conn, in);
		return true;
	case CONN_BODY:
		conn_take_body(conn, in);
		return true;
	case CONN_LINGER:
		take_lingering(conn, in);
		return true;
	case CONN_ASKED:
	case CONN_FLUSH:
	case CONN_DEAD:
		break;
	}
	return false;
}

static void
conn_work(struct conn *conn)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	struct evbuffer_iovec piece;

	while (
	    evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0)
		if (!conn_take(
			conn, (struct span){ piece.iov_base, piece.iov_len }))
			break;
}

void
on_conn_readable(struct bufferevent *bev, void *arg)
{
	struct conn *conn = arg;

	(void)bev;
	conn_work(conn);
	if (conn_body_is_bulk(conn))
		conn_read_bulk(conn);
}

void
on_conn_writable(struct bufferevent *bev, void *arg)
{
	struct conn *conn = arg;

	(void)bev;
	if (conn->state == CONN_FLUSH && conn_queued(conn) == 0)
		conn_flushed(conn);
	else if (conn->state == CONN_ASKED)
		request_has_room(conn->req);
}

void
on_conn_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *conn = arg;

	(void)bev;
	/* It has shut down its side, and still reads the whole answer. */
	if (what & BEV_EVENT_EOF && conn->state == CONN_FLUSH)
		conn->close = true;
	else
		conn_kill(conn);
}

/* --- its timer ------------------------------------------------------------ */

static void
conn_check_sending(struct conn *conn)
{
	size_t queued = conn_queued(conn);

	if (queued == 0)
		return;
	if (conn->given - queued == conn->mark)
		conn_kill(conn);
	else
		conn_arm_send(conn);
}

static void
on_timer(void *arg)
{
	struct conn *conn = arg;

	switch (conn->state) {
	case CONN_HEAD:
		conn_refuse(conn, 408, "the head took too long");
		break;
	case CONN_BODY:
		conn_problem(
		    conn, 408, "request-timeout", "the body took too long");
		break;
	case CONN_ASKED:
	case CONN_FLUSH:
		conn_check_sending(conn);
		break;
	case CONN_IDLE:
	case CONN_LINGER:
		conn_kill(conn);
		break;
	case CONN_DEAD:
		break;
	}
}

void
conn_start(struct conn *conn)
{
	const struct server_options *o = &conn->server->options;

	loop_timer_init(&conn->timer, conn->server->loop, on_timer, conn);
	bufferevent_setcb(
	    conn->bev, on_conn_readable, on_conn_writable, on_conn_event, conn);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, READ_AHEAD);
	bufferevent_setwatermark(conn->bev, EV_WRITE, o->max_queue / 2, 0);
	loop_timer_arm(&conn->timer, o->idle_ms);
}
