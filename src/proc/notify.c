/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "proc/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

/* A leading '@' is an abstract address. */
static int
address_of(const char *path, struct sockaddr_un *sun, socklen_t *n)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((path[0] != '/' && path[0] != '@') ||
	    str_copy(sun->sun_path, sizeof(sun->sun_path), span_of(path)) < 0)
		return -EINVAL;
	*n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		sun->sun_path[0] = '\0';
	return 0;
}

int
notify_send(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun;
	socklen_t n;
	int fd, r;

	if (path == NULL || path[0] == '\0')
		return 0;
	r = address_of(path, &sun, &n);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		(struct sockaddr *)&sun, n) < 0)
		r = -errno;
	fd_close(&fd);
	return r;
}

uint64_t
notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t value;

	if (usec == NULL || str_u64(span_of(usec), &value) < 0)
		return 0;
	if (pid != NULL) {
		uint64_t whose;

		if (str_u64(span_of(pid), &whose) < 0 ||
		    whose != (uint64_t)getpid())
			return 0;
	}
	return value / 1000;
}

int
notify_listen(const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un sun;
	socklen_t n;
	int fd, r, on = 1;

	r = address_of(path, &sun, &n);
	if (r < 0)
		return err_errno(err, r, "%s", path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, n) < 0 || chmod(path, mode) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
		r = -errno;
		fd_close(&fd);
		return err_errno(err, r, "cannot listen on %s", path);
	}
	return fd;
}

/* Descriptors that somebody sends along (FDSTORE=1) are closed. */
static void
read_control(struct msghdr *msg, pid_t *pid)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL;
	     h = CMSG_NXTHDR(msg, h)) {
		struct ucred cred;
		size_t n = h->cmsg_len - CMSG_LEN(0);

		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_CREDENTIALS && n == sizeof(cred)) {
			memcpy(&cred, CMSG_DATA(h), sizeof(cred));
			*pid = cred.pid;
		}
		if (h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= n; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + at, sizeof(fd));
			close(fd);
		}
	}
}

static void
read_lines(struct notify_message *m, size_t n)
{
	struct span rest = { m->text, n }, line;

	while (span_next(&rest, '\n', &line)) {
		if (span_eq(line, SPAN("READY=1")))
			m->ready = true;
		else if (span_eq(line, SPAN("STOPPING=1")))
			m->stopping = true;
		else if (span_starts(line, SPAN("STATUS=")))
			m->status = (struct span){ line.p + 7, line.n - 7 };
	}
}

int
notify_receive(int fd, struct notify_message *m)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct ucred)) +
		    CMSG_SPACE(sizeof(int) * 16)];
	} control;
	struct iovec iov = { .iov_base = m->text, .iov_len = NOTIFY_MAX };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t got;

	m->ready = m->stopping = false;
	m->status = (struct span){ NULL, 0 };
	m->pid = 0;
	do
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	read_control(&msg, &m->pid);
	m->text[got] = '\0';
	read_lines(m, (size_t)got);
	return 1;
}
