/* SPDX-License-Identifier: ISC */

/*
 * packet - messages and descriptors over a Unix SOCK_SEQPACKET socket
 *
 * A connection on a loop: packets that the peer does not take at once wait in
 * a queue with a ceiling, in order, their descriptors duplicated. A turn of
 * the loop reads a bounded number of packets, so that a busy peer starves
 * nobody. No callback is called from inside packet_send().
 */

#ifndef PROC_PACKET_H
#define PROC_PACKET_H

#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"
#include "loop/loop.h"

#define PACKET_MAX (128u << 10) /* bytes; a larger one ends the connection */
#define PACKET_FDS 16u		/* descriptors beside it */

struct packet_ops {
	/*
	 * One arrived. fds are the callee's from here: what it does not want
	 * it closes. data is valid until return. packet_done() is allowed.
	 */
	void (*message)(
	    void *arg, const void *data, size_t n, int *fds, unsigned nfds);

	/* The connection broke: 0 at its end, else a negative errno. */
	void (*closed)(void *arg, int error);
};

struct packet_conn {
	int fd; /* owned; -1 when done */
	struct loop_io io;
	const struct packet_ops *ops;
	void *arg;
	struct list queue;
	size_t queued; /* bytes */
	size_t max;    /* the ceiling of queued */
};

/* fd becomes the connection's, also on failure (-ENOMEM, ...). */
int packet_init(struct packet_conn *c, struct loop *loop, int fd, size_t max,
    const struct packet_ops *ops, void *arg) MUST_CHECK;
void packet_done(struct packet_conn *c); /* drops the queue; twice is fine */

/*
 * Send, or queue. 0, -ENOBUFS (the queue is full), -ENOMEM, -EMSGSIZE, or
 * -EPIPE when the connection is done. A broken peer is told by closed().
 */
int packet_send(struct packet_conn *c, const void *data, size_t n,
    const int *fds, unsigned nfds) MUST_CHECK;

/* --- without a loop ------------------------------------------------------- */

/* One packet, now: 0 or a negative errno (-EAGAIN). */
int packet_write(
    int fd, const void *data, size_t n, const int *fds, unsigned nfds);

/*
 * One packet: its bytes, 0 at the end, or a negative errno (-EMSGSIZE for one
 * over size or with more than PACKET_FDS; all its descriptors are closed).
 * Descriptors arrive close-on-exec; fds has room for PACKET_FDS.
 */
ssize_t packet_read(int fd, void *data, size_t size, int *fds, unsigned *nfds);

/* A listening socket at path (replaced), or connected to path; or -errno. */
int packet_listen(const char *path, mode_t mode, struct err *err);
int packet_connect(const char *path, struct err *err);

/* Who is at the other end (SO_PEERCRED). */
int packet_peer(int fd, pid_t *pid, uid_t *uid) MUST_CHECK;

#endif /* PROC_PACKET_H */
