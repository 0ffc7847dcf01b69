/* SPDX-License-Identifier: ISC */

/*
 * origin ADDRESS [BYTES] - answers every request at once, for measuring
 *
 * One thread, epoll, keep-alive; looks for the empty line and nothing else.
 */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "link/address.h"

static char *answer;
static size_t answer_len;

static void
make_answer(size_t bytes)
{
	answer = malloc(bytes + 128);
	if (answer == NULL)
		exit(1);
	answer_len = (size_t)snprintf(answer, 128,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    bytes);
	memset(answer + answer_len, 'x', bytes);
	answer_len += bytes;
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
	if (bind(fd, &a.u.sa, a.len) < 0 || listen(fd, 1024) < 0)
		exit(1);
	return fd;
}

static void
serve(int fd)
{
	char in[65536];
	ssize_t n = read(fd, in, sizeof(in));
	char *at = in, *end;

	if (n <= 0) {
		close(fd);
		return;
	}
	while (
	    (end = memmem(at, (size_t)(in + n - at), "\r\n\r\n", 4)) != NULL) {
		if (write(fd, answer, answer_len) != (ssize_t)answer_len) {
			close(fd);
			return;
		}
		at = end + 4;
	}
}

int
main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN }, got[64];
	int ep = epoll_create1(0), lfd;

	if (argc < 2)
		return 2;
	make_answer(argc > 2 ? strtoul(argv[2], NULL, 10) : 12);
	lfd = open_listener(argv[1]);
	ev.data.fd = lfd;
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
	for (;;) {
		int n = epoll_wait(ep, got, 64, -1);

		for (int i = 0; i < n; i++) {
			if (got[i].data.fd != lfd) {
				serve(got[i].data.fd);
				continue;
			}
			ev.data.fd = accept(lfd, NULL, NULL);
			if (ev.data.fd >= 0)
				epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
		}
	}
}
