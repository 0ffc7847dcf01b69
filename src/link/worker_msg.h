/* SPDX-License-Identifier: ISC */

/*
 * worker_msg - control and a worker, over $RUNTIME/control.sock
 *
 * A SOCK_SEQPACKET socket: one message is one packet, descriptors travel with
 * it. The worker connects, says HELLO, and connects again when the socket
 * breaks; without control it serves on with what it has.
 *
 *	worker			control
 *	HELLO ----------------->
 *	   <-------------------	WELCOME	   scoreboard; this is your index
 *	   <-------------------	RECORDS	   where requests are recorded
 *	   <-------------------	LISTENERS  accept on these, and on no others
 *	   <-------------------	SNAPSHOT   a sealed memfd
 *	ACK ------------------->	   it is in force here
 *	ENDPOINT_DOWN --------->	   a hint: connect was refused
 *	WAKE ------------------>	   somebody waits for an idle service
 *	   <-------------------	DRAIN	   stop accepting, finish, exit 0
 *
 * A worker that reconnects keeps its listeners and its snapshot until it is
 * told otherwise, so a new control may send LISTENERS and SNAPSHOT at leisure;
 * the scoreboard of WELCOME must be the one that it has (or it drains).
 *
 * Version: a HELLO from a newer version is -EPROTO; from N-1 it is read.
 * Control answers in the version of the HELLO; RECORDS came with version 2,
 *WAKE with 3: a worker does not say it to a control that welcomed it in
 *another.
 */

#ifndef LINK_WORKER_MSG_H
#define LINK_WORKER_MSG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "link/snapshot.h"

#define WORKER_MSG_VERSION 3
#define WORKER_MSG_MAX 4096 /* bytes of one message */
#define WORKER_MSG_FDS SNAPSHOT_LISTENERS_MAX
#define WORKER_MSG_TEXT 256

enum worker_msg_type {
	WORKER_HELLO = 1,	  /* worker -> control */
	WORKER_ACK = 2,		  /* generation */
	WORKER_REFUSED = 3,	  /* generation, text: it is not in force */
	WORKER_ENDPOINT_DOWN = 4, /* cell, generation, error */
	WORKER_WAKE = 5,	  /* cell: the service's; it is still so */
	WORKER_WELCOME = 16,	  /* control -> worker; fd: the scoreboard */
	WORKER_LISTENERS = 17,	  /* ids; as many fds, in that order */
	WORKER_SNAPSHOT = 18,	  /* generation; fd: the memfd */
	WORKER_DRAIN = 19,	  /* timeout_ms; 0: as long as it takes */
	WORKER_RECORDS = 20,	  /* fd: the records; before a snapshot */
};

/* Only the members that the type speaks of have a meaning. */
struct worker_msg {
	enum worker_msg_type type;
	uint32_t version;     /* HELLO, WELCOME: the sender's */
	uint32_t index;	      /* HELLO, WELCOME */
	pid_t pid;	      /* HELLO */
	uint64_t generation;  /* HELLO (applied; 0: none), ACK, REFUSED, ... */
	uint64_t requests;    /* HELLO: since the worker started */
	uint64_t connections; /* HELLO: now */
	uint32_t cell;	      /* ENDPOINT_DOWN, WAKE */
	int error;	      /* ENDPOINT_DOWN: a positive errno */
	uint32_t timeout_ms;  /* DRAIN */
	char text[WORKER_MSG_TEXT]; /* REFUSED */
	uint32_t nids;		    /* LISTENERS */
	uint32_t ids[SNAPSHOT_LISTENERS_MAX];
};

/* -EMSGSIZE; the number of bytes in out otherwise (WORKER_MSG_MAX is enough) */
ssize_t worker_msg_encode(
    const struct worker_msg *m, void *out, size_t size) MUST_CHECK;

/* -EBADMSG, or -EPROTO for a HELLO or WELCOME of a newer version. */
int worker_msg_decode(struct worker_msg *m, const void *data, size_t n,
    struct err *err) MUST_CHECK;

/*
 * One message over a non-blocking socket. fds are duplicated by the kernel:
 * yours stay. 0; -EAGAIN: the peer does not read; other negative errnos: it is
 * gone.
 */
int worker_msg_send(int sock, const struct worker_msg *m, const int *fds,
    unsigned nfds) MUST_CHECK;

/*
 * 1: a message; its descriptors are yours (close-on-exec), *nfds <=
 * WORKER_MSG_FDS, and as many as the type wants. 0: the peer hung up. -EAGAIN,
 * -EBADMSG, -EPROTO (then err says why), or another negative errno.
 */
int worker_msg_recv(int sock, struct worker_msg *m, int fds[WORKER_MSG_FDS],
    unsigned *nfds, struct err *err) MUST_CHECK;

#endif /* LINK_WORKER_MSG_H */
