/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "link/worker_msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/fd.h"
#include "link/pack.h"

#define MAGIC 0x6d775244u /* "DRwm" on a little-endian machine */

/* How many descriptors a type brings; LISTENERS as many as it has ids. */
static unsigned
fds_of(const struct worker_msg *m)
{
	switch (m->type) {
	case WORKER_WELCOME:
	case WORKER_SNAPSHOT:
	case WORKER_RECORDS:
		return 1;
	case WORKER_LISTENERS:
		return m->nids;
	default:
		return 0;
	}
}

ssize_t
worker_msg_encode(const struct worker_msg *m, void *out, size_t size)
{
	struct packer p;
	struct buf b;
	ssize_t n;

	if (m->nids > ARRAY_LEN(m->ids))
		return -EMSGSIZE;
	buf_init(&b, size);
	pack_begin(&p, &b);
	pack_u32(&p, MAGIC);
	pack_u32(&p, m->type);
	pack_u32(&p, m->version);
	pack_open(&p);
	pack_u32(&p, m->index);
	pack_u32(&p, (uint32_t)m->pid);
	pack_u64(&p, m->generation);
	pack_u64(&p, m->requests);
	pack_u64(&p, m->connections);
	pack_u32(&p, m->cell);
	pack_u32(&p, (uint32_t)m->error);
	pack_u32(&p, m->timeout_ms);
	pack_str(&p, m->text);
	pack_close(&p);
	pack_u32(&p, m->nids);
	pack_bytes(&p, m->ids, m->nids * sizeof(m->ids[0]));
	n = p.error == -ENOBUFS ? -EMSGSIZE : p.error;
	if (p.error == 0) {
		memcpy(out, b.data, b.len);
		n = (ssize_t)b.len;
	}
	buf_done(&b);
	return n;
}

static bool
known(uint32_t type)
{
	return (type >= WORKER_HELLO && type <= WORKER_WAKE) ||
	    (type >= WORKER_WELCOME && type <= WORKER_RECORDS);
}

static int
read_begin(struct unpacker *u, struct worker_msg *m, struct err *err)
{
	uint32_t magic = unpack_u32(u), type = unpack_u32(u);

	m->version = unpack_u32(u);
	if (u->error != 0 || magic != MAGIC)
		return err_set(err, -EBADMSG, "not a message of a worker");
	if ((type == WORKER_HELLO || type == WORKER_WELCOME) &&
	    (m->version > WORKER_MSG_VERSION || m->version == 0 ||
		m->version + 1 < WORKER_MSG_VERSION))
		return err_set(err, -EPROTO,
		    "peer speaks version %u, and we speak %u", m->version,
		    WORKER_MSG_VERSION);
	if (!known(type))
		return err_set(err, -EBADMSG, "message of type %u", type);
	m->type = (enum worker_msg_type)type;
	return 0;
}

static void
read_fields(struct unpacker *u, struct worker_msg *m)
{
	unpack_open(u);
	m->index = unpack_u32(u);
	m->pid = (pid_t)unpack_u32(u);
	m->generation = unpack_u64(u);
	m->requests = unpack_u64(u);
	m->connections = unpack_u64(u);
	m->cell = unpack_u32(u);
	m->error = (int)unpack_u32(u);
	m->timeout_ms = unpack_u32(u);
	if (str_copy(m->text, sizeof(m->text),
		unpack_span(u, WORKER_MSG_TEXT - 1)) < 0)
		m->text[0] = '\0';
	unpack_close(u);
	m->nids = unpack_count(u, ARRAY_LEN(m->ids));
	unpack_bytes(u, m->ids, m->nids * sizeof(m->ids[0]));
}

int
worker_msg_decode(
    struct worker_msg *m, const void *data, size_t n, struct err *err)
{
	struct unpacker u;
	int r;

	memset(m, 0, sizeof(*m));
	unpack_begin(&u, data, n);
	r = read_begin(&u, m, err);
	if (r < 0)
		return r;
	read_fields(&u, m);
	if (u.error != 0 || u.at != u.end)
		return err_set(err, -EBADMSG, "message cut short or too long");
	if (m->cell >= SNAPSHOT_ENDPOINTS_MAX || m->index >= 64 || m->pid < 0 ||
	    (m->type == WORKER_WAKE && m->cell >= SNAPSHOT_SERVICES_MAX) ||
	    (m->nids > 0 && m->type != WORKER_LISTENERS))
		return err_set(err, -EBADMSG, "message out of bounds");
	return 0;
}

/* --- the socket ----------------------------------------------------------- */

union control_room {
	char bytes[CMSG_SPACE(sizeof(int) * WORKER_MSG_FDS)];
	struct cmsghdr align;
};

static void
attach_fds(
    struct msghdr *mh, union control_room *room, const int *fds, unsigned nfds)
{
	struct cmsghdr *c;

	if (nfds == 0)
		return;
	memset(room, 0, sizeof(*room));
	mh->msg_control = room->bytes;
	mh->msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
	c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
}

int
worker_msg_send(
    int sock, const struct worker_msg *m, const int *fds, unsigned nfds)
{
	char data[WORKER_MSG_MAX];
	union control_room room;
	ssize_t n = worker_msg_encode(m, data, sizeof(data));
	struct iovec iov = { data, n < 0 ? 0 : (size_t)n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n < 0)
		return (int)n;
	if (nfds != fds_of(m) || nfds > WORKER_MSG_FDS)
		return -EINVAL;
	attach_fds(&mh, &room, fds, nfds);
	do
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void
collect_fds(struct msghdr *mh, int *fds, unsigned *nfds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL;
	     c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*nfds < WORKER_MSG_FDS)
				fds[(*nfds)++] = fd;
			else
				fd_close(&fd);
		}
	}
}

int
worker_msg_recv(int sock, struct worker_msg *m, int fds[WORKER_MSG_FDS],
    unsigned *nfds, struct err *err)
{
	char data[WORKER_MSG_MAX];
	union control_room room;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int r;

	*nfds = 0;
	mh.msg_control = room.bytes;
	mh.msg_controllen = sizeof(room.bytes);
	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	collect_fds(&mh, fds, nfds);
	if (n == 0 && *nfds == 0)
		return 0;
	r = worker_msg_decode(m, data, (size_t)n, err);
	if (r == 0 && (*nfds != fds_of(m) || mh.msg_flags & MSG_CTRUNC))
		r = err_set(
		    err, -EBADMSG, "message with %u descriptors", *nfds);
	if (r < 0) {
		while (*nfds > 0)
			fd_close(&fds[--*nfds]);
		return r;
	}
	return 1;
}
