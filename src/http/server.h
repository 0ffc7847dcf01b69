/* SPDX-License-Identifier: ISC */

/*
 * server - an HTTP/1.1 server for the admin API and the tool services
 *
 * Behind the gateway and on Unix sockets, never at the edge. One loop, one
 * thread. It stands on libevhtp for listening, connections and their requests,
 * and libevhtp stops here; but no byte of a client reaches libevhtp before
 * head.h and chunk.h have judged it, so all of their rules hold.
 *
 *	static const struct server_route routes[] = {
 *		{ "GET", "/v1/services/{s}", on_service, ROLE_READ, 0, NULL },
 *		...
 *	};
 *
 * A path is made of literal segments and {name} segments; the last may be
 * {name...}, which takes the rest, slashes and all, and may be empty. Literal
 * wins over {name}, {name} over {name...}. A GET row answers HEAD, too; OPTIONS
 * needs a row. No row for the path is 404, none for the method 405 with Allow.
 *
 * The life of a request. When its body is whole, the handler gets a struct
 * request, and owns the duty to end it exactly once, then or at any later turn
 * of the loop, by request_reply(), request_problem(), request_end() or
 * request_drop(); the pointer is dead after that. A client that hangs up does
 * not end it: request_gone() becomes true, on_gone is called once, sending
 * gives -EPIPE, and the duty stays (request_drop() is what fits). A client that
 * only shuts down its sending side counts as gone. Requests on one connection
 * come one at a time: the next is read when the one before was ended and sent.
 *
 * Refused without asking a handler, as application/problem+json, and then the
 * connection is closed (2 s or 1 MiB of what still comes is read and dropped,
 * so that the answer arrives): a head that head.h refuses, with its status and
 * type "bad-request"; a slow head or body 408 "request-timeout"; a body over
 * its ceiling, told or counted, 413 "body-too-large"; broken chunks 400; 404
 * "not-found" and 405 "method-not-allowed" (these two keep the connection if
 * no body was to come). Expect: 100-continue is answered when `before` and the
 * ceiling let the body come.
 */

#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "http/head.h"
#include "http/problem.h"
#include "loop/loop.h"

struct request;
struct server;

struct server_route {
	const char *method; /* "GET" */
	const char *path;   /* "/v1/instances/{i}/restart" */
	void (*handler)(struct request *req, void *arg);
	unsigned word;	   /* the caller's: a role, flags; not looked at */
	size_t max_body;   /* 0: the server's */
	const void *extra; /* the caller's: the row's help, its arguments */
};

struct server_options {
	const struct server_route *routes; /* borrowed */
	size_t nroutes;
	void *arg; /* given to handlers and `before` */

	/*
	 * Called with the route found and the head read, before the body: true
	 * goes on. Otherwise it has ended the request (401, 403, 503); if a
	 * body was to come, the connection is closed behind that. NULL lets
	 * everybody in.
	 */
	bool (*before)(struct request *req, void *arg);

	/*
	 * Called once for each request whose head was good, when it is over:
	 * for logs, counters, and what hangs on request_data(). It may be read
	 * and nothing more. status 0: no answer was begun.
	 */
	void (*after)(struct request *req, unsigned status, void *arg);

	/* Ceilings; 0 takes the default. */
	size_t max_head;	/* bytes of request line and headers: 16 KiB */
	size_t max_headers;	/* 100 */
	size_t max_body;	/* 1 MiB */
	size_t max_queue;	/* bytes unsent of a streamed reply: 1 MiB */
	size_t max_connections; /* 256; one more is closed at once */
	uint32_t head_ms;	/* from its first byte to its last: 10 s */
	uint32_t body_ms;	/* the same for the body: 30 s */
	uint32_t idle_ms;	/* between requests: 60 s */
	uint32_t send_ms;	/* a reply that does not move: 30 s */
};

/* Who is at the other end. */
struct server_peer {
	bool local; /* a Unix socket: pid, uid and gid count (SO_PEERCRED) */
	pid_t pid;
	uid_t uid;
	gid_t gid;
	char text[64]; /* "127.0.0.1:4711" or "uid 1000" */
};

/* NULL with the reason: a table with a bad path, out of memory. */
struct server *server_new(struct loop *loop,
    const struct server_options *options, struct err *err) MUST_CHECK;

/*
 * Serve a bound and listening socket (Unix or TCP); may be called for several.
 * On success the descriptor is the server's.
 */
int server_listen(struct server *s, int fd, struct err *err) MUST_CHECK;

/*
 * Stop accepting, close idle connections, answer what is there with
 * Connection: close, and call on_drained (may be NULL) from the loop when no
 * request and no connection is left. Again: replaces the callback.
 */
void server_drain(struct server *s, void (*on_drained)(void *arg), void *arg);

size_t server_inflight(const struct server *s); /* requests not ended */
size_t server_connections(const struct server *s);

/*
 * Everything closes at once; requests not ended are told that they are gone,
 * and may be ended later. Not from inside a callback of this server.
 */
void server_free(struct server *s);

/* --- what was asked ------------------------------------------------------- */

/* Spans live until the request is ended. */
const struct server_route *request_route(const struct request *req);
const struct head *request_head(const struct request *req);
enum method request_method(const struct request *req);
struct span request_path(const struct request *req); /* as it came */

/* {name} of the path, decoded; the empty span if the route has no such. */
struct span request_param(const struct request *req, const char *name);

/*
 * Query parameters in their order, decoded ('+' is a space). The value of
 * "?a" and "?a=" is empty. At most 64; more, or a broken escape, is 400 before
 * the handler is asked.
 */
bool request_query(
    const struct request *req, const char *name, struct span *value);
size_t request_query_count(const struct request *req);
void request_query_at(
    const struct request *req, size_t i, struct span *name, struct span *value);

/* The first header of that name, whatever its case; empty span if none. */
struct span request_header(const struct request *req, const char *name);
bool request_header_at(const struct request *req, size_t i, struct span *name,
    struct span *value); /* false past the last */

struct span request_body(const struct request *req);

/*
 * From `before` alone: the body is not kept, but goes to the sink in pieces as
 * it comes; its ceiling stays. false: the sink has ended the request.
 */
void request_set_sink(
    struct request *req, bool (*sink)(struct request *req, struct span data));

/* The body becomes the caller's, to outlive the request. */
void request_take_body(struct request *req, struct buf *body);

const struct server_peer *request_peer(const struct request *req);

/* --- the answer ----------------------------------------------------------- */

/*
 * A header for the answer, before it starts. -EINVAL: it cannot be sent, or is
 * one that the server writes itself (Content-Length and -Type, Connection,
 * Transfer-Encoding, Date); -ENOBUFS: over 8 KiB of them; -ENOMEM.
 */
int request_set_header(
    struct request *req, const char *name, const char *value) MUST_CHECK;

/* Whole, whatever its size, and end. type NULL: no Content-Type. */
void request_reply(
    struct request *req, unsigned status, const char *type, struct span body);

/*
 * request_reply() with what problem_write() makes of this, and Cache-Control:
 * no-store. title NULL: the status's name; detail NULL: none.
 */
void request_problem(struct request *req, unsigned status, const char *type,
    const char *title, const char *detail, const struct problem_field *fields,
    size_t nfields);

/*
 * In pieces. Chunked to HTTP/1.1, else until close; to HEAD the head alone.
 * -EPIPE: the client is gone. -ENOBUFS: the queue would be over max_queue, and
 * this piece was not taken; on_room comes when half of it is free.
 */
int request_start(
    struct request *req, unsigned status, const char *type) MUST_CHECK;
int request_write(struct request *req, struct span data) MUST_CHECK;
void request_end(struct request *req);
size_t request_queued(const struct request *req); /* bytes not yet sent */

/*
 * End it without (the rest of) an answer: the connection is closed, so that
 * what was sent never looks whole.
 */
void request_drop(struct request *req);

/* Either may be NULL. Called from the loop, never from inside a call here. */
void request_watch(struct request *req,
    void (*on_gone)(struct request *req, void *arg),
    void (*on_room)(struct request *req, void *arg), void *arg);
bool request_gone(const struct request *req);

/* A pointer of the handler's, kept with the request; NULL at first. */
void request_set_data(struct request *req, void *data);
void *request_data(const struct request *req);

#endif /* HTTP_SERVER_H */
