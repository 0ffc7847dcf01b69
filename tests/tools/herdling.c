/* SPDX-License-Identifier: ISC */

/*
 * herdling - a service for the tests, as well or badly behaved as asked
 *
 * HTTP/1.1 with keep-alive on the socket that drover names (LISTEN_FDS,
 * $DROVER_SOCKET or $PORT), or on --port or --unix. Answers carry who answers
 * and the token of the request (X-Token, or t= in the query), so that a
 * checker can tell a lost, doubled or swapped response. The options, and the
 * paths that make it misbehave on demand, are the two tables below.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/tools/herdling.h"

#define CONNS 1024

struct herdling_options opt = { .crash = UINT64_MAX };
uint64_t started_us;
volatile sig_atomic_t terminated;

static struct conn *conns[CONNS];
static uint64_t term_us;

/* clang-format off */
static const struct wire_option options[] = {
	{ "--port",        &opt.port,        NULL, "listen on 127.0.0.1:N" },
	{ "--unix",        NULL, &opt.unix_path,   "listen on this path" },
	{ "--say",         NULL, &opt.say,         "a line on stderr at the start" },
	{ "--crash",       &opt.crash,       NULL, "exit N at once" },
	{ "--crash-after", &opt.crash_after, NULL, "exit after N ms" },
	{ "--crash-code",  &opt.crash_code,  NULL, "with this code" },
	{ "--ignore-term", &opt.ignore_term, NULL, "1: SIGTERM does nothing" },
	{ "--linger",      &opt.linger,      NULL, "on SIGTERM, exit N ms later" },
	{ "--forks",       &opt.forks,       NULL, "N children that only sleep" },
	{ "--setsid",      &opt.setsid,      NULL, "N more, in sessions of their own" },
	{ "--flood",       &opt.flood,       NULL, "N bytes to stdout, in lines" },
	{ "--never-ready", &opt.never_ready, NULL, "1: /readyz is 503" },
	{ "--ready-after", &opt.ready_after, NULL, "/readyz is 503 for N ms" },
	{ "--notify",      &opt.notify,      NULL, "1: READY=1 to $NOTIFY_SOCKET" },
	{ "--delay",       &opt.delay,       NULL, "each answer N ms later" },
	{ "--swap",        &opt.swap,        NULL, "each Nth answer has another's token" },
	{ "--double",      &opt.twice,       NULL, "each Nth answer comes twice" },
	{ "--lose",        &opt.lose,        NULL, "each Nth request is hung up on" },
	{ "--fail",        &opt.fail,        NULL, "each Nth answer is 500" },
	{ "--crash-at",    &opt.crash_at,    NULL, "exit instead of the Nth answer" },
	{ "--unique",      &opt.unique,      NULL, "ignored: tells copies apart" },
};
/* clang-format on */

#define NOPTIONS (sizeof(options) / sizeof(options[0]))
#define USAGE "herdling [--option value]..."

static void
on_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < CONNS; i++) {
		if (conns[i] == NULL &&
		    (conns[i] = calloc(1, sizeof(*conns[i]))))
			conns[i]->fd = -1;
		if (conns[i] == NULL)
			break;
		if (conns[i]->fd < 0) {
			memset(conns[i], 0, sizeof(*conns[i]));
			conns[i]->fd = fd;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

/* --- listening
 * ---------------------------------------------------------------- */

static int
listen_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0 ||
	    listen(fd, 512) != 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int
listen_port(uint64_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	in.sin_port = htons((uint16_t)port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    listen(fd, 512) != 0) {
		perror("bind");
		exit(1);
	}
	return fd;
}

static int
listen_as_told(void)
{
	const char *fds = getenv("LISTEN_FDS"), *port = getenv("PORT");
	const char *path = getenv("DROVER_SOCKET");

	if (opt.unix_path != NULL)
		return listen_unix(opt.unix_path);
	if (opt.port > 0)
		return listen_port(opt.port);
	if (fds != NULL && strcmp(fds, "1") == 0)
		return 3;
	if (path != NULL)
		return listen_unix(path);
	if (port == NULL || !wire_number(port, &opt.port)) {
		fprintf(stderr, "herdling: nowhere to listen\n");
		exit(2);
	}
	return listen_port(opt.port);
}

static void
say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n;

	if (path == NULL || fd < 0)
		exit(3);
	n = strlen(path);
	if (n >= sizeof(un.sun_path))
		exit(3);
	memcpy(un.sun_path, path, n);
	if (un.sun_path[0] == '@')
		un.sun_path[0] = '\0';
	sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

/* --- misbehaviour at the start
 * ------------------------------------------------ */

static void
sleepers(uint64_t n, bool apart)
{
	for (uint64_t i = 0; i < n; i++) {
		if (fork() != 0)
			continue;
		if (apart)
			setsid();
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	}
}

static void
flood(uint64_t bytes)
{
	char line[1024];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (uint64_t n = 0; n < bytes; n += sizeof(line))
		if (write(1, line, sizeof(line)) < 0)
			return;
}

static void
on_term(int signo)
{
	(void)signo;
	terminated = 1;
}

static void
begin(void)
{
	struct sigaction sa = { .sa_handler = on_term };

	started_us = wire_now_us();
	if (opt.ignore_term)
		sa.sa_handler = SIG_IGN;
	sigaction(SIGTERM, &sa, NULL);
	if (opt.say != NULL)
		fprintf(stderr, "%s\n", opt.say);
	if (opt.crash != UINT64_MAX)
		exit((int)opt.crash);
	sleepers(opt.forks, false);
	sleepers(opt.setsid, true);
	if (opt.flood > 0 && fork() == 0) {
		flood(opt.flood);
		sleep(1); /* a pipe of its own might overtake the other */
		fprintf(stderr, "flooded\n");
		_exit(0);
	}
}

/* --- the loop
 * ----------------------------------------------------------------- */

static bool
busy(void)
{
	for (size_t i = 0; i < CONNS && conns[i] != NULL; i++)
		if (conns[i]->fd >= 0 && conns[i]->has_head)
			return true;
	return false;
}

/* Whether it is time to go: what is in flight is finished first. */
static void
leave_if_due(void)
{
	uint64_t now = wire_now_us();

	if (opt.crash_after > 0 && now - started_us > opt.crash_after * 1000)
		exit((int)opt.crash_code);
	if (terminated && term_us == 0)
		term_us = now;
	if (terminated && !busy() && now - term_us >= opt.linger * 1000)
		exit(0);
}

static int
wait_ms(void)
{
	uint64_t now = wire_now_us(), least = 200000;

	if (terminated || opt.crash_after > 0)
		least = 5000;
	for (size_t i = 0; i < CONNS && conns[i] != NULL; i++) {
		const struct conn *c = conns[i];

		if (c->fd < 0 || !c->asked || c->due_us == UINT64_MAX)
			continue;
		if (c->due_us <= now)
			return 0;
		if (c->due_us - now < least)
			least = c->due_us - now;
	}
	return (int)(least / 1000) + 1;
}

static short
wants(const struct conn *c)
{
	short want = c->asked ? POLLRDHUP : POLLIN;

	if (c->sent < c->out.n && (conn_due(c) || !c->asked))
		want |= POLLOUT;
	if (c->big_left > 0)
		want |= POLLOUT;
	return want;
}

static void
turn(int listener)
{
	static struct pollfd fds[CONNS + 1];
	static struct conn *at[CONNS + 1];
	nfds_t n = 1;
	int timeout = wait_ms();

	fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (size_t i = 0; i < CONNS && conns[i] != NULL; i++) {
		if (conns[i]->fd < 0)
			continue;
		at[n] = conns[i];
		fds[n++] = (struct pollfd){ conns[i]->fd, wants(conns[i]), 0 };
	}
	if (poll(fds, n, timeout) < 0)
		return;
	for (nfds_t i = 1; i < n; i++) {
		if (fds[i].revents & ~POLLOUT)
			conn_readable(at[i]);
		if (at[i]->fd >= 0 && (!at[i]->asked || conn_due(at[i])))
			conn_writable(at[i]);
	}
	if (fds[0].revents != 0)
		on_accept(listener);
}

int
main(int argc, char **argv)
{
	int listener;

	if (wire_options(options, NOPTIONS, USAGE, argc, argv) != 0)
		return 2;
	begin();
	listener = listen_as_told();
	fcntl(listener, F_SETFL, O_NONBLOCK);
	if (opt.notify)
		say_ready();
	for (;;) {
		leave_if_due();
		turn(listener);
	}
}
