/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "proc/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define PACKETS_A_TURN 16
#define SNDBUF (256 << 10) /* two of the largest */

struct packet {
	struct link link;
	size_t n;
	unsigned nfds;
	int fds[PACKET_FDS];
	unsigned char data[];
};

static void
packet_free(struct packet *p)
{
	for (unsigned i = 0; i < p->nfds; i++)
		fd_close(&p->fds[i]);
	free(p);
}

/* --- plain calls ---------------------------------------------------------- */

int
packet_write(int fd, const void *data, size_t n, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
		.iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t put;

	if (n == 0 || n > PACKET_MAX || nfds > PACKET_FDS)
		return -EMSGSIZE;
	if (nfds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * nfds);
	}
	do
		put = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : 0;
}

static void
take_fds(struct msghdr *msg, int *fds, unsigned *nfds)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL;
	     h = CMSG_NXTHDR(msg, h)) {
		size_t n;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (*nfds < PACKET_FDS)
				fds[(*nfds)++] = fd;
			else
				close(fd);
		}
	}
}

ssize_t
packet_read(int fd, void *data, size_t size, int *fds, unsigned *nfds)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t got;

	*nfds = 0;
	do
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	take_fds(&msg, fds, nfds);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return got;
	while (*nfds > 0)
		fd_close(&fds[--*nfds]);
	return -EMSGSIZE;
}

static int
unix_address(struct sockaddr_un *sun, const char *path, struct err *err)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (str_copy(sun->sun_path, sizeof(sun->sun_path), span_of(path)) < 0)
		return err_errno(err, -ENAMETOOLONG, "%s", path);
	return 0;
}

int
packet_listen(const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un sun;
	mode_t saved;
	int fd, r;

	r = unix_address(&sun, path, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	unlink(path);
	saved = umask(0777 & ~mode);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	umask(saved);
	if (r == 0 && listen(fd, 16) < 0)
		r = -errno;
	if (r < 0) {
		fd_close(&fd);
		return err_errno(err, r, "cannot listen on %s", path);
	}
	return fd;
}

int
packet_connect(const char *path, struct err *err)
{
	struct sockaddr_un sun;
	int fd, r;

	r = unix_address(&sun, path, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	r = -errno;
	fd_close(&fd);
	return err_errno(err, r, "cannot connect to %s", path);
}

int
packet_peer(int fd, pid_t *pid, uid_t *uid)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	*pid = cred.pid;
	*uid = cred.uid;
	return 0;
}

/* --- on a loop ------------------------------------------------------------ */

static void
conn_closed(struct packet_conn *c, int error)
{
	packet_done(c);
	c->ops->closed(c->arg, error);
}

static void
flush(struct packet_conn *c)
{
	struct packet *p;

	while ((p = LIST_FIRST(&c->queue, struct packet, link)) != NULL) {
		int r = packet_write(c->fd, p->data, p->n, p->fds, p->nfds);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			conn_closed(c, r);
			return;
		}
		list_remove(&p->link);
		c->queued -= p->n;
		packet_free(p);
	}
	if (loop_io_want(&c->io, LOOP_READ) < 0)
		conn_closed(c, -ENOMEM);
}

static void
receive(struct packet_conn *c)
{
	/* One for all connections of the (one) thread; its pages are touched
	 * only as far as packets are long. */
	static unsigned char data[PACKET_MAX];

	for (int i = 0; i < PACKETS_A_TURN && c->fd >= 0; i++) {
		int fds[PACKET_FDS];
		unsigned nfds;
		ssize_t got = packet_read(
		    c->fd, data, sizeof(data), fds, &nfds);

		if (got == -EAGAIN)
			return;
		if (got <= 0) {
			conn_closed(c, (int)got);
			return;
		}
		c->ops->message(c->arg, data, (size_t)got, fds, nfds);
	}
}

static void
on_ready(void *arg, unsigned what)
{
	struct packet_conn *c = arg;

	if (what == LOOP_READ)
		receive(c);
	else
		flush(c);
}

int
packet_init(struct packet_conn *c, struct loop *loop, int fd, size_t max,
    const struct packet_ops *ops, void *arg)
{
	int size = SNDBUF, r;

	*c = (struct packet_conn){
		.fd = fd, .max = max, .ops = ops, .arg = arg
	};
	list_init(&c->queue);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	loop_io_init(&c->io, loop, fd, on_ready, c);
	r = fd_nonblock(fd);
	if (r == 0)
		r = loop_io_want(&c->io, LOOP_READ);
	if (r < 0)
		packet_done(c);
	return r;
}

void
packet_done(struct packet_conn *c)
{
	struct packet *p;

	if (c->fd < 0)
		return;
	loop_io_done(&c->io);
	fd_close(&c->fd);
	while ((p = LIST_FIRST(&c->queue, struct packet, link)) != NULL) {
		list_remove(&p->link);
		packet_free(p);
	}
	c->queued = 0;
}

static int
enqueue(struct packet_conn *c, const void *data, size_t n, const int *fds,
    unsigned nfds)
{
	struct packet *p;

	if (n > c->max - c->queued)
		return -ENOBUFS;
	p = malloc(sizeof(*p) + n);
	if (p == NULL)
		return -ENOMEM;
	p->link = (struct link){ 0 };
	p->n = n;
	memcpy(p->data, data, n);
	for (p->nfds = 0; p->nfds < nfds; p->nfds++) {
		int fd = fcntl(fds[p->nfds], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			int r = -errno;

			packet_free(p);
			return r;
		}
		p->fds[p->nfds] = fd;
	}
	if (loop_io_want(&c->io, LOOP_READ | LOOP_WRITE) < 0) {
		packet_free(p);
		return -ENOMEM;
	}
	list_push(&c->queue, &p->link);
	c->queued += n;
	return 0;
}

int
packet_send(struct packet_conn *c, const void *data, size_t n, const int *fds,
    unsigned nfds)
{
	int r = -EAGAIN;

	if (c->fd < 0)
		return -EPIPE;
	if (n == 0 || n > PACKET_MAX || nfds > PACKET_FDS)
		return -EMSGSIZE;
	if (list_empty(&c->queue))
		r = packet_write(c->fd, data, n, fds, nfds);
	if (r == -EAGAIN)
		return enqueue(c, data, n, fds, nfds);
	/* The loop will see a broken peer as readable, and tell. */
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}
