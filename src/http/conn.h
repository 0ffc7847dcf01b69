/* SPDX-License-Identifier: ISC */

/*
 * conn - one connection of the server, from bytes to requests and back
 *
 * It reads by itself from libevent's buffer and judges with head.h and chunk.h;
 * only when a head is accepted does server.c open the request in libevhtp, and
 * when its answer is complete, end it there. Everything a handler does thus
 * happens outside of libevhtp's own callbacks, which do not stand it. Only for
 * server.c and conn.c.
 */

#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <event2/bufferevent.h>

#include "http/chunk.h"
#include "http/request.h"

#define CONN_LINGER_MS 2000
#define CONN_LINGER_MAX (1024 * 1024)

struct evhtp_connection;

enum conn_state {
	CONN_IDLE,   /* no byte of a request yet */
	CONN_HEAD,   /* reading it */
	CONN_BODY,   /* reading it */
	CONN_ASKED,  /* the handler has the request */
	CONN_FLUSH,  /* the answer is complete, not all sent */
	CONN_LINGER, /* all sent; what still comes is dropped */
	CONN_DEAD    /* freed at the end of the turn */
};

struct conn {
	struct link link;
	struct server *server;
	struct evhtp_connection *ev; /* libevhtp's; NULL when it is freed */
	struct bufferevent *bev;     /* its */
	bufferevent_data_cb evhtp_read;
	bufferevent_data_cb evhtp_write;
	enum conn_state state;
	struct request *req; /* being read, or with the handler */
	struct chunk chunk;
	uint64_t left; /* of a body with a length */
	bool counted;  /* req is among the server's requests */
	bool body_due; /* not all of the body was read */
	bool close;    /* behind this answer */
	size_t lingered;
	uint64_t given; /* bytes to the output buffer, ever */
	uint64_t mark;	/* of those, sent when the timer was armed */
	struct loop_timer timer;
	struct loop_later flush_later;
	struct loop_later free_later;
	struct server_peer peer;
};

struct server {
	struct loop *loop;
	struct server_options options; /* with the defaults filled in */
	struct list conns;
	struct list requests; /* from the head on, until they are ended */
	struct list listeners;
	size_t nconns;
	size_t nrequests;
	bool draining;
	void (*on_drained)(void *arg);
	void *drained_arg;
	struct loop_later drained_later;
};

void conn_start(struct conn *conn); /* after server.c has filled it in */

/* Close at once; it is freed at the end of the turn. */
void conn_kill(struct conn *conn);

/* No more than what it has now. */
void conn_drain(struct conn *conn);

/* Answer what is being read with a problem. */
void conn_problem(
    struct conn *conn, unsigned status, const char *type, const char *detail);
void conn_ask(struct conn *conn); /* the handler; the body is whole */
void conn_used(struct conn *conn, size_t n); /* of the input buffer */

/* --- bodies (conn_body.c) ------------------------------------------------- */

void conn_expect_body(struct conn *conn);
void conn_body_too_large(struct conn *conn);
void conn_take_body(struct conn *conn, struct span in);

/*
 * A body that is not kept is read past libevent, whose buffers take 4 KiB at a
 * time: when its own is empty, so that the order stays.
 */
bool conn_body_is_bulk(const struct conn *conn);
void conn_read_bulk(struct conn *conn);

/* bufferevent callbacks */
void on_conn_readable(struct bufferevent *bev, void *arg);
void on_conn_writable(struct bufferevent *bev, void *arg);
void on_conn_event(struct bufferevent *bev, short what, void *arg);

/* --- what server.c does for it -------------------------------------------- */

/* libevhtp opens a request: 0 or -EIO. */
int exchange_open(struct conn *conn) MUST_CHECK;
void exchange_end(struct conn *conn);	  /* its answer is complete */
void exchange_flushed(struct conn *conn); /* and sent: on to the next */

void server_conn_dead(struct conn *conn); /* free it */

#endif /* HTTP_CONN_H */
