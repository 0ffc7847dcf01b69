/* SPDX-License-Identifier: ISC */

/*
 * downstream - one client's connection
 *
 * It reads heads, hands each to an exchange, one at a time and in order, and
 * closes as it should: what a client may still be reading is never cut off by
 * a reset, and what is broken never looks complete. Freed at the end of the
 * turn in which it was closed.
 */

#ifndef PROXY_DOWNSTREAM_H
#define PROXY_DOWNSTREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/list.h"
#include "loop/loop.h"
#include "proxy/deadline.h"
#include "proxy/wire.h"

#define DOWNSTREAM_IN_MAX (64U * 1024)
#define DOWNSTREAM_HEAD_MS                                                    \
	10000			 /* from the first byte of a head to its last \
				  */
#define DOWNSTREAM_IDLE_MS 75000 /* between requests */
#define DOWNSTREAM_GONE_MS 5000	 /* for the answer, after a FIN */
#define DOWNSTREAM_LINGER_MS 2000
#define DOWNSTREAM_LINGER_MAX (1024U * 1024)
#define DOWNSTREAM_PEER 46 /* an address as text, with a NUL */

struct exchange;
struct gate_listener;
struct worker;

enum downstream_state {
	DOWNSTREAM_HEAD,   /* idle, or with a part of a head */
	DOWNSTREAM_BUSY,   /* x has it */
	DOWNSTREAM_FLUSH,  /* the answer is complete, not all of it sent */
	DOWNSTREAM_LINGER, /* our side is shut; reading what still comes */
};

struct downstream {
	struct worker *w;
	struct wire wire;
	struct link link; /* on the gate's list */
	struct deadline dl;
	struct loop_later next, later;
	struct exchange *x;
	enum downstream_state state;
	bool internal;
	bool trusted;	  /* in trusted_proxies, as of `checked` */
	bool eof;	  /* the client has shut its side */
	bool keep;	  /* after FLUSH */
	bool clean;	  /* after FLUSH: nothing more is coming */
	uint64_t checked; /* generation */
	struct buf in;	  /* a part of a head, or later requests */
	size_t in_off;	  /* of `in`, used up */
	size_t scanned;
	size_t lingered;
	unsigned char address[16]; /* v4 mapped; zero for a Unix socket */
	bool local;		   /* a Unix socket */
	char peer[DOWNSTREAM_PEER];
	size_t peer_len;
};

/* fd becomes its own. -ENOMEM: it was closed. */
int downstream_open(struct worker *w, int fd, const struct sockaddr *sa,
    bool internal) MUST_CHECK;
void downstream_close(struct downstream *d); /* and its exchange */
void downstream_abort(struct downstream *d); /* so that it looks broken */

/* For the exchange. -errno: the client is gone. */
int downstream_send(struct downstream *d, struct iovec *iov, int n) MUST_CHECK;

/*
 * The answer is complete and x is gone: go on if keep. clean: the request was
 * read to its end.
 */
void downstream_done(struct downstream *d, bool keep, bool clean);

/* Bytes behind the request that is being answered. */
int downstream_stash(struct downstream *d, struct span s) MUST_CHECK;

/* Whether it waits for a request and has nothing of one. */
bool downstream_is_idle(const struct downstream *d);

#endif /* PROXY_DOWNSTREAM_H */
