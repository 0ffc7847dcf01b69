/* SPDX-License-Identifier: ISC */

/*
 * origin ADDRESS [BYTES] - answers every request at once, for measuring
 *
 * One thread, epoll, keep-alive. A path that ends in /N is answered with N
 * bytes, another one with BYTES (12); bodies of requests are read and dropped,
 * and an upgrade is answered with 101 and whatever comes then is sent back. It
 * knows only what the benches and tests send; a client that breaks off is
 * closed.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "link/address.h"

#define ANSWERS_MAX 16
#define FDS_MAX 65536
#define PART_MAX 8192 /* of a head that came in pieces */
#define HELD_MAX (1U << 20)

struct answer {
	size_t bytes;
	char *p;
	size_t n;
};

struct conn {
	const char *out; /* what is being sent, or NULL */
	size_t left;
	size_t body; /* of a request, to be dropped */
	size_t npart;
	char *part;
	bool echo;
	bool writing; /* EPOLLOUT is asked for */
};

static struct answer answers[ANSWERS_MAX];
static size_t nanswers, default_bytes = 12;
static struct conn *conns[FDS_MAX];
static char in[HELD_MAX];
static int ep;

static const struct answer *
answer_of(size_t bytes)
{
	struct answer *a;

	for (size_t i = 0; i < nanswers; i++)
		if (answers[i].bytes == bytes)
			return &answers[i];
	if (nanswers == ANSWERS_MAX)
		return &answers[0];
	a = &answers[nanswers++];
	a->bytes = bytes;
	a->p = malloc(bytes + 128);
	if (a->p == NULL)
		exit(1);
	a->n = (size_t)snprintf(a->p, 128,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    bytes);
	memset(a->p + a->n, 'x', bytes);
	a->n += bytes;
	return a;
}

static int
open_listener(const char *text)
{
	struct address a;
	int fd, on = 1;

	if (address_parse(&a, text) < 0)
		exit(2);
	fd = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (a.u.sa.sa_family == AF_UNIX)
		unlink(a.u.un.sun_path);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, &a.u.sa, a.len) < 0 || listen(fd, 4096) < 0)
		exit(1);
	return fd;
}

static void
hang_up(int fd)
{
	free(conns[fd]->part);
	free(conns[fd]);
	conns[fd] = NULL;
	close(fd);
}

/* Readable again when all has gone. False: it hung up. */
static bool
flush(int fd)
{
	struct conn *c = conns[fd];
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	while (c->left > 0) {
		ssize_t n = send(fd, c->out, c->left, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			hang_up(fd);
			return false;
		}
		if (n < 0)
			break;
		c->out += n;
		c->left -= (size_t)n;
	}
	if (c->writing != (c->left > 0)) {
		c->writing = c->left > 0;
		ev.events = c->writing ? EPOLLOUT : EPOLLIN;
		epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
	}
	return true;
}

static bool
say(int fd, const char *p, size_t n)
{
	conns[fd]->out = p;
	conns[fd]->left = n;
	return flush(fd);
}

static bool
has_line(const char *head, size_t n, const char *name, const char **value)
{
	size_t len = strlen(name);

	for (const char *at = head;
	     (at = memchr(at, '\n', (size_t)(head + n - at))) != NULL;) {
		at++;
		if ((size_t)(head + n - at) > len &&
		    strncasecmp(at, name, len) == 0) {
			*value = at + len;
			return true;
		}
	}
	return false;
}

/* The number behind the last slash of the path, or 0. */
static size_t
wish_of(const char *head, size_t n)
{
	const char *at = memchr(head, ' ', n), *number = NULL;

	if (at == NULL)
		return 0;
	for (at++; at < head + n && *at != ' '; at++)
		if (*at == '/')
			number = at + 1;
	return number == NULL ? 0 : strtoul(number, NULL, 10);
}

static bool
answer(int fd, const char *head, size_t n)
{
	static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\n"
				       "Upgrade: websocket\r\n"
				       "Connection: Upgrade\r\n"
				       "Sec-WebSocket-Accept: "
				       "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	const char *value;
	const struct answer *a;
	size_t bytes = wish_of(head, n);

	if (has_line(head, n, "upgrade:", &value)) {
		conns[fd]->echo = true;
		return say(fd, upgraded, sizeof(upgraded) - 1);
	}
	if (has_line(head, n, "content-length:", &value))
		conns[fd]->body = strtoul(value, NULL, 10);
	a = answer_of(bytes > 0 ? bytes : default_bytes);
	/* The answer to a body comes at its end, as from most services. */
	if (conns[fd]->body > 0) {
		conns[fd]->out = a->p;
		conns[fd]->left = a->n;
		return true;
	}
	return say(fd, a->p, a->n);
}

static void
keep_part(struct conn *c, const char *at, size_t n)
{
	if (n > PART_MAX ||
	    (c->part == NULL && (c->part = malloc(PART_MAX)) == NULL))
		exit(1);
	memmove(c->part, at, n);
	c->npart = n;
}

static void
serve(int fd, size_t n)
{
	struct conn *c = conns[fd];
	char *at = in, *stop = in + n, *end;

	while (at < stop) {
		if (c->body > 0) {
			size_t some = (size_t)(stop - at) < c->body
			    ? (size_t)(stop - at)
			    : c->body;

			at += some;
			c->body -= some;
			if (c->body > 0)
				return;
			if (!flush(fd))
				return;
			continue;
		}
		end = memmem(at, (size_t)(stop - at), "\r\n\r\n", 4);
		if (end == NULL) {
			keep_part(c, at, (size_t)(stop - at));
			return;
		}
		if (!answer(fd, at, (size_t)(end - at)))
			return;
		at = end + 4;
	}
}

/* What comes back is sent before more is read. */
static void
echo(int fd, size_t n)
{
	size_t sent = 0;

	while (sent < n) {
		ssize_t k = send(fd, in + sent, n - sent, MSG_NOSIGNAL);

		if (k < 0 && errno != EAGAIN) {
			hang_up(fd);
			return;
		}
		if (k > 0)
			sent += (size_t)k;
	}
}

static void
on_readable(int fd)
{
	struct conn *c = conns[fd];
	ssize_t n;

	memcpy(in, c->part != NULL ? c->part : in, c->npart);
	n = recv(fd, in + c->npart, sizeof(in) - c->npart, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		hang_up(fd);
		return;
	}
	n += (ssize_t)c->npart;
	c->npart = 0;
	if (c->echo)
		echo(fd, (size_t)n);
	else
		serve(fd, (size_t)n);
}

static void
on_accept(int lfd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (fd >= FDS_MAX || (conns[fd] = calloc(1, sizeof(**conns))) == NULL) {
		close(fd);
		return;
	}
	ev.data.fd = fd;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

int
main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN }, got[256];
	int lfd;

	if (argc < 2)
		return 2;
	ep = epoll_create1(0);
	if (argc > 2)
		default_bytes = strtoul(argv[2], NULL, 10);
	lfd = open_listener(argv[1]);
	ev.data.fd = lfd;
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
	for (;;) {
		int n = epoll_wait(ep, got, 256, -1);

		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;

			if (fd == lfd)
				on_accept(fd);
			else if (conns[fd] != NULL && conns[fd]->writing)
				flush(fd);
			else if (conns[fd] != NULL)
				on_readable(fd);
		}
	}
}
