/* SPDX-License-Identifier: ISC */

/*
 * client - one HTTP/1.1 request on its own connection
 *
 * For health checks, the command line over the admin socket, and internal
 * calls; not the data plane. Addresses are numeric or Unix sockets: nothing
 * here asks DNS. Each request opens a connection and says Connection: close.
 *
 * The callbacks come from the loop, never from inside client_start(): on_head
 * once (interim 1xx are skipped), on_body for each piece of a body that is
 * already free of its framing, on_done exactly once and last. After
 * client_cancel() none comes any more; it may be called at any time, also from
 * inside a callback, but not after on_done was called: from then on the client
 * is gone.
 *
 * A body is given whole or r is not 0: an answer that breaks off never looks
 * like one that ended.
 */

#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "http/head.h"
#include "loop/loop.h"

#define CLIENT_BODY_MAX (64 * 1024 * 1024) /* where max_body is 0 */
#define CLIENT_TIMEOUT_MS 5000		   /* where connect_ms is 0 */

struct client;

struct client_header {
	const char *name;
	const char *value;
};

struct client_request {
	const char *address; /* "unix:/path", "1.2.3.4:80", "[::1]:80" */
	const char *method;  /* NULL: GET */
	const char *target;  /* "/v1/status?x=1", sent as it is */
	const char *host;    /* NULL: the address; "localhost" for unix: */
	const struct client_header *headers; /* beside Host, Content-Length, */
	size_t nheaders;		     /* Connection */
	struct span body; /* p NULL: none, and no Content-Length */
	uint32_t connect_ms;
	uint32_t total_ms; /* until on_done; 0: no limit */
	uint32_t idle_ms;  /* without a byte from the peer; 0: no limit */
	uint64_t max_body; /* ceiling; UINT64_MAX for a stream without end */
};

struct client_ops { /* each may be NULL but on_done */
	void (*on_head)(void *arg, const struct head *head);
	void (*on_body)(void *arg, struct span data);

	/*
	 * 0; or, with the reason for a person,
	 * -ECONNREFUSED, -ENOENT, -EACCES, ...	the connect failed; -EAGAIN
	 *		 is a Unix socket whose backlog is full
	 * -ETIMEDOUT	 one of the three times
	 * -ECONNRESET	 the peer closed before the end
	 * -EPROTO	 not an answer that head.h and chunk.h accept
	 * -EMSGSIZE	 the body is over max_body
	 */
	void (*on_done)(void *arg, int r, const struct err *err);
};

/*
 * Everything in the request is copied. NULL with the reason: an address, a
 * method, target or header that cannot be sent (-EINVAL), out of memory.
 */
struct client *client_start(struct loop *loop,
    const struct client_request *request, const struct client_ops *ops,
    void *arg, struct err *err) MUST_CHECK;

void client_cancel(struct client *c); /* NULL is fine */

/* --- and wait for it ------------------------------------------------------ */

struct client_answer {
	unsigned status;
	char content_type[96]; /* "" when there was none or it was longer */
	struct buf body; /* init'ed by client_call(), caller's to _done() */
};

/* One request on a loop of its own; blocks. 0 or as on_done. */
int client_call(const struct client_request *request,
    struct client_answer *answer, struct err *err) MUST_CHECK;

#endif /* HTTP_CLIENT_H */
