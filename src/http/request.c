/* SPDX-License-Identifier: ISC */

#include "http/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARENA_FIRST 512
#define LINES_MAX (8 * 1024)
#define PROBLEM_MAX (64 * 1024)

/* --- its life ------------------------------------------------------------- */

struct request *
request_new(size_t max_head, size_t max_headers)
{
	struct request *req = calloc(
	    1, sizeof(*req) + max_headers * sizeof(struct head_header));

	if (req == NULL)
		return NULL;
	buf_init(&req->raw, max_head);
	buf_init(&req->body, 0);
	buf_init(&req->lines, LINES_MAX);
	/* Decoding never makes anything longer. */
	arena_init(&req->arena, ARENA_FIRST, 4 * max_head + 4 * ARENA_FIRST);
	head_init(
	    &req->head, (struct head_header *)(void *)(req + 1), max_headers);
	req->head.limits.head = max_head;
	return req;
}

void
request_free(struct request *req)
{
	if (req == NULL)
		return;
	if (req->server != NULL)
		server_request_over(req);
	list_remove(&req->link);
	buf_done(&req->raw);
	buf_done(&req->body);
	buf_done(&req->lines);
	arena_done(&req->arena);
	free(req);
}

int
request_decode(struct request *req)
{
	struct route_match *m = &req->match;

	for (size_t i = 0; i < m->nparams; i++) {
		int r = query_decode(&req->arena, m->params[i].value, false,
		    &m->params[i].value);

		if (r < 0)
			return r;
	}
	return query_parse(
	    &req->arena, req->head.query, req->query, &req->nquery);
}

void
request_lost(struct request *req)
{
	req->conn = NULL;
	if (req->on_gone != NULL)
		req->on_gone(req, req->watch_arg);
}

void
request_has_room(struct request *req)
{
	if (!req->full)
		return;
	req->full = false;
	if (req->on_room != NULL)
		req->on_room(req, req->watch_arg);
}

/* Its pointer is dead after this. */
static void
request_over(struct request *req, bool broken)
{
	struct conn *conn = req->conn;
	struct server *server = req->server;

	request_free(req);
	if (conn != NULL)
		conn_ended(conn, broken);
	if (server != NULL)
		server_request_gone(server);
}

/* --- what was asked ------------------------------------------------------- */

const struct server_route *
request_route(const struct request *req)
{
	return req->match.route;
}

const struct head *
request_head(const struct request *req)
{
	return &req->head;
}

enum method
request_method(const struct request *req)
{
	return req->head.method;
}

struct span
request_path(const struct request *req)
{
	return req->head.path;
}

struct span
request_param(const struct request *req, const char *name)
{
	for (size_t i = 0; i < req->match.nparams; i++)
		if (span_eq(req->match.params[i].name, span_of(name)))
			return req->match.params[i].value;
	return (struct span){ NULL, 0 };
}

bool
request_query(const struct request *req, const char *name, struct span *value)
{
	for (size_t i = 0; i < req->nquery; i++) {
		if (!span_eq(req->query[i].name, span_of(name)))
			continue;
		*value = req->query[i].value;
		return true;
	}
	return false;
}

size_t
request_query_count(const struct request *req)
{
	return req->nquery;
}

void
request_query_at(
    const struct request *req, size_t i, struct span *name, struct span *value)
{
	*name = req->query[i].name;
	*value = req->query[i].value;
}

struct span
request_header(const struct request *req, const char *name)
{
	const struct head_header *hd = head_find_name(
	    &req->head, span_of(name));

	return hd != NULL ? hd->value : (struct span){ NULL, 0 };
}

bool
request_header_at(
    const struct request *req, size_t i, struct span *name, struct span *value)
{
	if (i >= req->head.nheaders)
		return false;
	*name = req->head.headers[i].name;
	*value = req->head.headers[i].value;
	return true;
}

struct span
request_body(const struct request *req)
{
	return buf_span(&req->body);
}

void
request_set_sink(
    struct request *req, bool (*sink)(struct request *req, struct span data))
{
	req->sink = sink;
}

void
request_take_body(struct request *req, struct buf *body)
{
	*body = req->body;
	buf_init(&req->body, 0);
}

const struct server_peer *
request_peer(const struct request *req)
{
	return &req->peer;
}

void
request_watch(struct request *req,
    void (*on_gone)(struct request *req, void *arg),
    void (*on_room)(struct request *req, void *arg), void *arg)
{
	req->on_gone = on_gone;
	req->on_room = on_room;
	req->watch_arg = arg;
}

bool
request_gone(const struct request *req)
{
	return req->conn == NULL;
}

void
request_set_data(struct request *req, void *data)
{
	req->data = data;
}

void *
request_data(const struct request *req)
{
	return req->data;
}

/* --- the head of the answer ----------------------------------------------- */

static int
write_date(struct buf *b)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL)
		return 0;
	return buf_printf(b, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int
write_framing(struct buf *b, const struct reply_head *h)
{
	if (h->no_length)
		return 0;
	if (h->body_size != SIZE_MAX)
		return buf_printf(b, "Content-Length: %zu\r\n", h->body_size);
	return h->chunked ? buf_puts(b, "Transfer-Encoding: chunked\r\n") : 0;
}

static int
write_connection(struct buf *b, const struct reply_head *h)
{
	if (h->close)
		return buf_puts(b, "Connection: close\r\n");
	return h->keep_alive_1_0 ? buf_puts(b, "Connection: keep-alive\r\n")
				 : 0;
}

int
reply_head_write(struct buf *b, const struct reply_head *h)
{
	int r = buf_printf(
	    b, "HTTP/1.1 %u %s\r\n", h->status, http_reason(h->status));

	if (r == 0)
		r = write_date(b);
	if (r == 0 && h->type != NULL)
		r = buf_printf(b, "Content-Type: %s\r\n", h->type);
	if (r == 0)
		r = write_framing(b, h);
	if (r == 0)
		r = write_connection(b, h);
	if (r == 0)
		r = buf_append(b, h->lines.p, h->lines.n);
	return r == 0 ? buf_puts(b, "\r\n") : r;
}

int
request_set_header(struct request *req, const char *name, const char *value)
{
	if (req->started || !http_token(span_of(name)) ||
	    !http_field_value(span_of(value)))
		return -EINVAL;
	switch (hdr_of(span_of(name))) {
	case HDR_CONTENT_LENGTH:
	case HDR_CONTENT_TYPE:
	case HDR_CONNECTION:
	case HDR_TRANSFER_ENCODING:
	case HDR_DATE:
		return -EINVAL;
	default:
		return buf_printf(&req->lines, "%s: %s\r\n", name, value);
	}
}

static bool
has_no_body(unsigned status)
{
	return status < 200 || status == 204 || status == 304;
}

/* Write the head; size SIZE_MAX: a stream. 0, -ENOMEM, -EINVAL. */
static int
send_head(struct request *req, unsigned status, const char *type, size_t size)
{
	struct reply_head h = { .status = status,
		.type = type,
		.body_size = size,
		.no_length = has_no_body(status),
		.lines = buf_span(&req->lines) };
	struct buf b;
	int r;

	if (type != NULL && !http_field_value(span_of(type)))
		return -EINVAL;
	h.chunked = req->head.minor == 1;
	req->silent = h.no_length || req->head.method == METHOD_HEAD;
	if (size == SIZE_MAX && !h.chunked && !req->silent)
		conn_must_close(req->conn);
	h.close = conn_closes(req->conn);
	h.keep_alive_1_0 = req->head.minor == 0;
	buf_init(&b, LINES_MAX + 1024);
	r = reply_head_write(&b, &h);
	if (r == 0)
		r = conn_send(req->conn, buf_span(&b));
	buf_done(&b);
	req->status = status;
	req->started = true;
	req->chunked = h.chunked;
	return r;
}

/* --- whole ---------------------------------------------------------------- */

void
request_reply(
    struct request *req, unsigned status, const char *type, struct span body)
{
	int r;

	if (req->conn == NULL || req->started) {
		request_drop(req);
		return;
	}
	r = send_head(req, status, type, body.n);
	if (r == 0 && !req->silent && body.n > 0)
		r = conn_send(req->conn, body);
	request_over(req, r < 0);
}

void
request_problem(struct request *req, unsigned status, const char *type,
    const char *title, const char *detail, const struct problem_field *fields,
    size_t nfields)
{
	struct problem p = { status, type, title, detail, fields, nfields };
	struct buf b;

	buf_init(&b, PROBLEM_MAX);
	if (problem_write(&b, &p) < 0 ||
	    (!req->started &&
		request_set_header(req, "Cache-Control", "no-store") < 0))
		request_drop(req);
	else
		request_reply(req, status, PROBLEM_TYPE, buf_span(&b));
	buf_done(&b);
}

/* --- in pieces ------------------------------------------------------------ */

int
request_start(struct request *req, unsigned status, const char *type)
{
	if (req->conn == NULL)
		return -EPIPE;
	if (req->started)
		return -EINVAL;
	return send_head(req, status, type, SIZE_MAX);
}

static int
send_chunk(struct request *req, struct span data)
{
	struct buf b;
	int r;

	buf_init(&b, data.n + 32);
	r = buf_printf(&b, "%zx\r\n", data.n);
	if (r == 0)
		r = buf_append(&b, data.p, data.n);
	if (r == 0)
		r = buf_puts(&b, "\r\n");
	if (r == 0)
		r = conn_send(req->conn, buf_span(&b));
	buf_done(&b);
	return r;
}

int
request_write(struct request *req, struct span data)
{
	if (req->conn == NULL)
		return -EPIPE;
	if (!req->started)
		return -EINVAL;
	if (req->silent || data.n == 0)
		return 0;
	if (conn_queued(req->conn) + data.n > conn_max_queue(req->conn)) {
		req->full = true;
		return -ENOBUFS;
	}
	return req->chunked ? send_chunk(req, data)
			    : conn_send(req->conn, data);
}

void
request_end(struct request *req)
{
	int r = 0;

	if (req->conn == NULL || !req->started) {
		request_drop(req);
		return;
	}
	if (req->chunked && !req->silent)
		r = conn_send(req->conn, SPAN("0\r\n\r\n"));
	request_over(req, r < 0);
}

size_t
request_queued(const struct request *req)
{
	return req->conn != NULL ? conn_queued(req->conn) : 0;
}

void
request_drop(struct request *req)
{
	request_over(req, true);
}
