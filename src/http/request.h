/* SPDX-License-Identifier: ISC */

/*
 * request - one request of the server, and how its answer is written
 *
 * Between server.c, which owns connections and knows libevhtp, and the
 * handlers. Only for those two files.
 */

#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "http/query.h"
#include "http/route.h"
#include "http/server.h"

struct conn;

struct request {
	struct link link;      /* on the server's list, from its head on */
	struct server *server; /* NULL: it is gone */
	struct conn *conn;     /* NULL: the client is gone */
	struct buf raw;	       /* the head */
	struct head head;      /* its array is behind this struct */
	size_t scanned;
	struct buf body; /* its max holds with a sink, too */
	bool (*sink)(struct request *req, struct span data);
	uint64_t received;  /* bytes that went to the sink */
	struct arena arena; /* what was decoded */
	struct route_match match;
	struct query_param query[QUERY_MAX];
	size_t nquery;
	struct server_peer peer;
	struct buf lines; /* headers of the answer */
	void (*on_gone)(struct request *req, void *arg);
	void (*on_room)(struct request *req, void *arg);
	void *watch_arg;
	void *data;
	unsigned status; /* of the answer; 0: none was begun */
	bool started;	 /* the head of the answer is out */
	bool chunked;	 /* its body is */
	bool silent;	 /* and has no body to send: HEAD, 204, 304 */
	bool full;	 /* a piece was refused: on_room is owed */
};

struct request *request_new(size_t max_head, size_t max_headers) MUST_CHECK;
void request_free(struct request *req); /* takes itself off the list */

/* The head is whole and has a route: 0, or -EINVAL, -E2BIG, -ENOMEM. */
int request_decode(struct request *req) MUST_CHECK;

/* The client hung up: tell who watches. The request may be freed by it. */
void request_lost(struct request *req);

void request_has_room(struct request *req);

/* Status line and headers; body_size SIZE_MAX: chunked or until close. */
struct reply_head {
	unsigned status;
	const char *type;
	size_t body_size;
	bool no_length; /* the status has no body at all */
	bool chunked;
	bool close;
	bool keep_alive_1_0;
	struct span lines;
};

int reply_head_write(struct buf *b, const struct reply_head *h) MUST_CHECK;

/* --- what server.c does for it -------------------------------------------- */

/* Queue bytes; 0 or -ENOMEM. */
int conn_send(struct conn *conn, struct span data) MUST_CHECK;
size_t conn_queued(const struct conn *conn);
size_t conn_max_queue(const struct conn *conn);

bool conn_closes(const struct conn *conn); /* behind this answer */
void conn_must_close(struct conn *conn);

/* The answer is complete; or, if broken, will never be. */
void conn_ended(struct conn *conn, bool broken);

/* It is about to be freed. */
void server_request_over(struct request *req);

/* A request that ended or was lost: the server may be drained now. */
void server_request_gone(struct server *s);

#endif /* HTTP_REQUEST_H */
