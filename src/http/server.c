/* SPDX-License-Identifier: ISC */

/*
 * libevhtp listens, accepts, and keeps the connections and their requests.
 *
 * It is given a head of our own making for each request that head.h accepted:
 * its parser is lenient, and must see nothing that could be read in two ways.
 * Its callbacks may free the connection under whoever calls back into it;
 * therefore ours stand in front of them on the bufferevent, and its own are
 * called at two places only: to open a request and to finish a flushed one.
 */

#define _GNU_SOURCE

#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/listener.h>
#include <evhtp/evhtp.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/conn.h"

#define LOG_SUBSYSTEM "http"
#include "base/log.h"

#define BACKLOG 511
#define ACCEPT_RETRY_MS 100

struct listener {
	struct link link;
	struct server *server;
	evhtp_t *htp;
	struct loop_timer retry; /* accept failed: out of descriptors */
};

/* --- requests in libevhtp ------------------------------------------------- */

int
exchange_open(struct conn *conn)
{
	static const char keep[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char last[] = "GET / HTTP/1.1\r\nHost: a\r\n"
				   "Connection: close\r\n\r\n";
	const char *head = conn->req->head.keep_alive ? keep : last;
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	struct evbuffer *rest = evbuffer_new();
	int r = -EIO;

	/* It takes all that is in the buffer: put the rest aside. */
	if (rest == NULL || evbuffer_add_buffer(rest, input) < 0 ||
	    evbuffer_prepend(input, head, strlen(head)) < 0)
		goto done;
	conn->evhtp_read(conn->bev, conn->ev);
	if (conn->ev != NULL && conn->ev->request != NULL &&
	    evbuffer_get_length(input) == 0)
		r = evbuffer_prepend_buffer(input, rest) < 0 ? -EIO : 0;
done:
	if (rest != NULL)
		evbuffer_free(rest);
	return r;
}

void
exchange_end(struct conn *conn)
{
	evhtp_send_reply_end(conn->ev->request);
}

void
exchange_flushed(struct conn *conn)
{
	conn->evhtp_write(conn->bev, conn->ev);
}

static void
on_evhtp_request(evhtp_request_t *request, void *arg)
{
	(void)request; /* conn.c goes on from where it opened it */
	(void)arg;
}

/* It frees a connection by itself only where it fails. */
static evhtp_res
on_evhtp_connection_fini(evhtp_connection_t *ev, void *arg)
{
	struct conn *conn = arg;

	(void)ev;
	conn->ev = NULL;
	conn_kill(conn);
	return EVHTP_RES_OK;
}

/* --- connections ---------------------------------------------------------- */

static void
server_check_drained(struct server *s)
{
	if (!s->draining || s->on_drained == NULL || s->nconns > 0 ||
	    s->nrequests > 0)
		return;
	loop_defer(s->loop, &s->drained_later, s->on_drained, s->drained_arg);
	s->on_drained = NULL;
}

void
server_request_over(struct request *req)
{
	const struct server_options *o = &req->server->options;

	if (o->after != NULL)
		o->after(req, req->status, o->arg);
}

void
server_request_gone(struct server *s)
{
	s->nrequests--;
	server_check_drained(s);
}

void
server_conn_dead(struct conn *conn)
{
	struct server *s = conn->server;

	list_remove(&conn->link);
	if (conn->ev != NULL)
		evhtp_connection_free(conn->ev);
	free(conn);
	s->nconns--;
	server_check_drained(s);
}

static void
peer_unix(int fd, struct server_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return;
	*peer = (struct server_peer){
		.local = true, .pid = cred.pid, .uid = cred.uid, .gid = cred.gid
	};
	snprintf(peer->text, sizeof(peer->text), "uid %u", cred.uid);
}

static void
peer_of(int fd, struct server_peer *peer)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	} a;
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN] = "";

	memset(peer, 0, sizeof(*peer));
	if (getpeername(fd, &a.any, &len) < 0)
		return;
	if (a.any.sa_family == AF_UNIX)
		peer_unix(fd, peer);
	if (a.any.sa_family == AF_INET &&
	    inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host)) != NULL)
		snprintf(peer->text, sizeof(peer->text), "%s:%u", host,
		    (unsigned)ntohs(a.in.sin_port));
	if (a.any.sa_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host)) != NULL)
		snprintf(peer->text, sizeof(peer->text), "[%s]:%u", host,
		    (unsigned)ntohs(a.in6.sin6_port));
}

static evhtp_res
on_pre_accept(evhtp_connection_t *ev, void *arg)
{
	struct server *s = arg;

	(void)ev;
	return s->draining || s->nconns >= s->options.max_connections
	    ? EVHTP_RES_ERROR
	    : EVHTP_RES_OK;
}

static evhtp_res
on_post_accept(evhtp_connection_t *ev, void *arg)
{
	struct server *s = arg;
	struct conn *conn = calloc(1, sizeof(*conn));
	int fd = bufferevent_getfd(ev->bev);
	int one = 1;
	bufferevent_event_cb event;
	void *cb_arg;

	if (conn == NULL ||
	    evhtp_connection_set_hook(ev, evhtp_hook_on_connection_fini,
		(evhtp_hook)on_evhtp_connection_fini, conn) < 0) {
		free(conn);
		return EVHTP_RES_ERROR;
	}
	peer_of(fd, &conn->peer);
	(void)!fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (!conn->peer.local)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn->server = s;
	conn->ev = ev;
	conn->bev = ev->bev;
	bufferevent_getcb(
	    ev->bev, &conn->evhtp_read, &conn->evhtp_write, &event, &cb_arg);
	list_push(&s->conns, &conn->link);
	s->nconns++;
	conn_start(conn);
	return EVHTP_RES_OK;
}

/* --- listeners ------------------------------------------------------------ */

static void
on_accept_retry(void *arg)
{
	struct listener *l = arg;

	evconnlistener_enable(l->htp->server);
}

/* Out of descriptors or memory: the same error would come in each turn. */
static void
on_accept_error(struct evconnlistener *server, void *arg)
{
	evhtp_t *htp = arg;
	struct listener *l = htp->arg;

	log_warn("server", "cannot accept: %s", strerror(errno));
	evconnlistener_disable(server);
	loop_timer_arm(&l->retry, ACCEPT_RETRY_MS);
}

static void
listener_free(struct listener *l)
{
	list_remove(&l->link);
	loop_timer_done(&l->retry);
	if (l->htp->server != NULL)
		evhtp_unbind_socket(l->htp);
	evhtp_free(l->htp);
	free(l);
}

static void
listener_close(struct listener *l)
{
	loop_timer_done(&l->retry);
	if (l->htp->server != NULL)
		evhtp_unbind_socket(l->htp);
}

int
server_listen(struct server *s, int fd, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l != NULL)
		l->htp = evhtp_new(loop_base(s->loop), l);
	if (l == NULL || l->htp == NULL) {
		free(l);
		return err_set(err, -ENOMEM, "out of memory");
	}
	l->server = s;
	loop_timer_init(&l->retry, s->loop, on_accept_retry, l);
	evhtp_set_gencb(l->htp, on_evhtp_request, NULL);
	evhtp_set_pre_accept_cb(l->htp, on_pre_accept, s);
	evhtp_set_post_accept_cb(l->htp, on_post_accept, s);
	list_push(&s->listeners, &l->link);
	if (evutil_make_socket_nonblocking(fd) < 0 ||
	    evhtp_accept_socket(l->htp, fd, BACKLOG) < 0) {
		listener_free(l);
		return err_set(err, -EIO, "cannot listen");
	}
	evconnlistener_set_error_cb(l->htp->server, on_accept_error);
	return 0;
}

/* --- the server ----------------------------------------------------------- */

static void
fill_defaults(struct server_options *o)
{
#define DEFAULT(field, value) \
	if (o->field == 0)    \
	o->field = value
	DEFAULT(max_head, HEAD_SIZE_MAX);
	DEFAULT(max_headers, HEAD_HEADERS_MAX);
	DEFAULT(max_body, 1024 * 1024);
	DEFAULT(max_queue, 1024 * 1024);
	DEFAULT(max_connections, 256);
	DEFAULT(head_ms, 10 * 1000);
	DEFAULT(body_ms, 30 * 1000);
	DEFAULT(idle_ms, 60 * 1000);
	DEFAULT(send_ms, 30 * 1000);
#undef DEFAULT
}

struct server *
server_new(
    struct loop *loop, const struct server_options *options, struct err *err)
{
	struct server *s;

	if (route_check(options->routes, options->nroutes, err) < 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	s->loop = loop;
	s->options = *options;
	fill_defaults(&s->options);
	list_init(&s->conns);
	list_init(&s->requests);
	list_init(&s->listeners);
	return s;
}

void
server_drain(struct server *s, void (*on_drained)(void *arg), void *arg)
{
	s->draining = true;
	s->on_drained = on_drained;
	s->drained_arg = arg;
	LIST_EACH_SAFE (l, &s->listeners, struct listener, link)
		listener_close(l);
	LIST_EACH_SAFE (conn, &s->conns, struct conn, link)
		conn_drain(conn);
	server_check_drained(s);
}

size_t
server_inflight(const struct server *s)
{
	return s->nrequests;
}

size_t
server_connections(const struct server *s)
{
	return s->nconns;
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	s->draining = false;
	loop_defer_cancel(&s->drained_later);
	LIST_EACH_SAFE (conn, &s->conns, struct conn, link)
		conn_kill(conn);
	LIST_EACH_SAFE (conn, &s->conns, struct conn, link) {
		loop_defer_cancel(&conn->free_later);
		server_conn_dead(conn);
	}
	LIST_EACH_SAFE (req, &s->requests, struct request, link) {
		list_remove(&req->link);
		req->server = NULL;
	}
	LIST_EACH_SAFE (l, &s->listeners, struct listener, link)
		listener_free(l);
	free(s);
}
