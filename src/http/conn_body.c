/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <event2/buffer.h>
#include <sys/socket.h>

#include "http/conn.h"

#define BULK_READ (64 * 1024)
#define BULK_TURN 16 /* reads before others have their turn */

void
conn_body_too_large(struct conn *conn)
{
	struct problem_field max = { .name = "max_bytes",
		.number = (int64_t)conn->req->body.max };

	request_problem(conn->req, 413, "body-too-large", NULL,
	    "the body is over its ceiling", &max, 1);
}

void
conn_expect_body(struct conn *conn)
{
	const struct head *h = &conn->req->head;

	if (h->expect_100 &&
	    conn_send(conn, SPAN("HTTP/1.1 100 Continue\r\n\r\n")) < 0) {
		conn_kill(conn);
		return;
	}
	conn->state = CONN_BODY;
	conn->left = h->length;
	chunk_init(&conn->chunk);
	loop_timer_arm(&conn->timer, conn->server->options.body_ms);
}

/* 0, or the problem was answered. */
static int
keep_body(struct conn *conn, struct span data)
{
	struct request *req = conn->req;
	int r;

	if (req->sink != NULL && data.n <= req->body.max - req->received) {
		req->received += data.n;
		return req->sink(req, data) ? 0 : -ECANCELED;
	}
	r = req->sink != NULL ? -ENOBUFS
			      : buf_append(&req->body, data.p, data.n);
	if (r == -ENOBUFS)
		conn_body_too_large(conn);
	else if (r < 0)
		conn_problem(conn, 503, "no-memory", "out of memory");
	return r;
}

static void
body_done(struct conn *conn)
{
	conn->body_due = false;
	conn_ask(conn);
}

/* in is no longer than what is left. */
static int
keep_length(struct conn *conn, struct span in)
{
	int r = keep_body(conn, in);

	if (r == 0)
		conn->left -= in.n;
	return r;
}

static void
take_length(struct conn *conn, struct span in)
{
	if (in.n > conn->left)
		in.n = (size_t)conn->left;
	if (keep_length(conn, in) < 0)
		return;
	conn_used(conn, in.n);
	if (conn->left == 0)
		body_done(conn);
}

static void
take_chunked(struct conn *conn, struct span in)
{
	struct span rest = in;
	struct span data;
	enum chunk_verdict v;

	while ((v = chunk_next(&conn->chunk, &rest, &data)) == CHUNK_DATA)
		if (keep_body(conn, data) < 0)
			return;
	conn_used(conn, in.n - rest.n);
	if (v == CHUNK_END)
		body_done(conn);
	else if (v == CHUNK_BAD)
		conn_problem(conn, 400, "bad-request", chunk_why(&conn->chunk));
}

void
conn_take_body(struct conn *conn, struct span in)
{
	if (conn->req->head.framing == FRAMING_LENGTH)
		take_length(conn, in);
	else
		take_chunked(conn, in);
}

/* --- past libevent -------------------------------------------------------- */

bool
conn_body_is_bulk(const struct conn *conn)
{
	return conn->state == CONN_BODY && conn->req->sink != NULL &&
	    conn->req->head.framing == FRAMING_LENGTH &&
	    evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0;
}

void
conn_read_bulk(struct conn *conn)
{
	char piece[BULK_READ];
	int fd = bufferevent_getfd(conn->bev);

	for (int i = 0; i < BULK_TURN && conn->left > 0; i++) {
		size_t most = conn->left < sizeof(piece) ? (size_t)conn->left
							 : sizeof(piece);
		ssize_t got = recv(fd, piece, most, MSG_DONTWAIT);

		/* An end or an error comes again, to libevent. */
		if (got <= 0 ||
		    keep_length(conn, (struct span){ piece, (size_t)got }) < 0)
			return;
	}
	if (conn->left == 0)
		body_done(conn);
}
