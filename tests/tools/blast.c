/* SPDX-License-Identifier: ISC */

/*
 * blast - load for measuring: cheap, and the same for whoever is measured
 *
 * Closed loop: each connection asks again when it has its answer. Open loop
 * (-r): requests are due at fixed times, and latency counts from then. --ws:
 * the connections are upgraded, and messages of that size go there and back.
 * --idle: they are opened and held until stdin ends. One thread, epoll; answers
 * carry a Content-Length, as those of `origin` do. One JSON object says it all;
 * the status is 0 if every answer was a 200 of the size that was expected.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/tools/wire.h"

#define CONNS_MAX 20000
#define HEAD_PART 4096
#define ASK_MAX (1U << 21)
#define FRAME_HEAD 14
#define PATIENCE_US 5000000 /* with the last answers */
#define HOLD_US 60000000    /* until all that are held have theirs */
#define HOLD_AT_ONCE 50

static struct {
	uint64_t conns, seconds_ms, rate, port, body, ws, idle, count;
	const char *unix_path, *path, *header;
} opt = { .conns = 64, .seconds_ms = 1000, .path = "/", .header = "" };

/* clang-format off */
static const struct wire_option options[] = {
	{ "--port",   &opt.port,       NULL, "to 127.0.0.1:N" },
	{ "--unix",   NULL, &opt.unix_path,  "to this socket" },
	{ "--path",   NULL, &opt.path,       "the target" },
	{ "--header", NULL, &opt.header,     "lines, divided by |" },
	{ "--body",   &opt.body,       NULL, "POST with N bytes" },
	{ "--ws",     &opt.ws,         NULL, "WebSocket messages of N bytes" },
	{ "--idle",   &opt.idle,       NULL, "1: open, ask once, hold" },
	{ "-c",       &opt.conns,      NULL, "connections (64)" },
	{ "-n",       &opt.count,      NULL, "stop after so many requests" },
	{ "-t",       &opt.seconds_ms, NULL, "for N ms (1000)" },
	{ "-r",       &opt.rate,       NULL, "N requests a second, open loop" },
};
/* clang-format on */

#define NOPTIONS (sizeof(options) / sizeof(options[0]))
#define USAGE "blast --port N | --unix PATH [option value]..."

struct conn {
	int fd;
	bool asking, upgraded, in_head;
	uint64_t since_us;
	size_t sent;
	uint64_t left; /* of the body, or of the message */
	size_t nhead;
	char *head; /* of one that came in pieces */
};

static struct conn conns[CONNS_MAX];
static char ask[ASK_MAX], upgrade[2048], *message;
static size_t ask_len, upgrade_len, message_len;
static uint64_t asked, answered, failed, start_us, end_us;
static uint32_t *took_us;
static size_t ntook, took_size;
static unsigned idle_stack[CONNS_MAX], nidle;
static int ep;

/* --- what is asked -------------------------------------------------------- */

static size_t
put_lines(char *out, size_t size, const char *lines)
{
	size_t n = 0;

	for (; *lines != '\0' && n + 4 < size; lines++) {
		if (*lines != '|') {
			out[n++] = *lines;
			continue;
		}
		out[n++] = '\r';
		out[n++] = '\n';
	}
	if (n > 0) {
		out[n++] = '\r';
		out[n++] = '\n';
	}
	return n;
}

static void
prepare(void)
{
	char lines[8192];
	size_t n = put_lines(lines, sizeof(lines), opt.header);

	ask_len = (size_t)snprintf(ask, sizeof(ask),
	    "%s %s HTTP/1.1\r\nHost: localhost\r\n%.*s",
	    opt.body > 0 ? "POST" : "GET", opt.path, (int)n, lines);
	if (opt.body > 0)
		ask_len += (size_t)snprintf(ask + ask_len,
		    sizeof(ask) - ask_len, "Content-Length: %" PRIu64 "\r\n",
		    opt.body);
	ask_len += (size_t)snprintf(
	    ask + ask_len, sizeof(ask) - ask_len, "\r\n");
	if (ask_len + opt.body > sizeof(ask) || opt.ws > ASK_MAX)
		exit(2);
	memset(ask + ask_len, 'b', opt.body);
	ask_len += opt.body;
	upgrade_len = (size_t)snprintf(upgrade, sizeof(upgrade),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	    opt.path);
}

/* A masked binary frame; what comes back are the same bytes. */
static void
prepare_message(void)
{
	size_t n = 0;

	message = calloc(1, FRAME_HEAD + opt.ws);
	if (message == NULL)
		exit(1);
	message[n++] = (char)0x82;
	if (opt.ws < 126) {
		message[n++] = (char)(0x80 | opt.ws);
	} else if (opt.ws < 65536) {
		message[n++] = (char)(0x80 | 126);
		message[n++] = (char)(opt.ws >> 8);
		message[n++] = (char)opt.ws;
	} else {
		message[n++] = (char)(0x80 | 127);
		for (int shift = 56; shift >= 0; shift -= 8)
			message[n++] = (char)(opt.ws >> shift);
	}
	message_len = n + 4 + opt.ws;
}

/* --- connections ---------------------------------------------------------- */

static int
dial(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd, rc, on = 1;

	if (opt.unix_path != NULL) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", opt.unix_path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rc = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		in.sin_port = htons((uint16_t)opt.port);
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rc = connect(fd, (struct sockaddr *)&in, sizeof(in));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	if (rc < 0) {
		fprintf(stderr, "blast: connect: %s\n", strerror(errno));
		exit(1);
	}
	return fd;
}

static void
open_conn(unsigned i)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
	struct conn *c = &conns[i];

	c->fd = dial();
	c->asking = c->upgraded = false;
	c->nhead = 0;
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static void
lose(unsigned i)
{
	failed++;
	close(conns[i].fd);
	open_conn(i);
	idle_stack[nidle++] = i;
}

static void
send_rest(unsigned i)
{
	struct conn *c = &conns[i];
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
	const char *p = opt.ws == 0 ? ask : c->upgraded ? message : upgrade;
	size_t len = opt.ws == 0 ? ask_len
	    : c->upgraded	 ? message_len
				 : upgrade_len;
	bool was = c->sent > 0;
	ssize_t n = send(
	    c->fd, p + c->sent, len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		c->sent += (size_t)n;
	if (c->sent == len && !was)
		return;
	if (c->sent < len)
		ev.events |= EPOLLOUT;
	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void
begin(unsigned i, uint64_t since_us)
{
	struct conn *c = &conns[i];

	c->asking = true;
	c->in_head = opt.ws == 0 || !c->upgraded;
	c->since_us = since_us;
	c->sent = 0;
	c->left = message_len;
	asked++;
	send_rest(i);
}

static void
finish(unsigned i)
{
	struct conn *c = &conns[i];

	c->asking = false;
	answered++;
	if (ntook == took_size) {
		took_size = took_size == 0 ? 65536 : took_size * 2;
		took_us = realloc(took_us, took_size * sizeof(*took_us));
		if (took_us == NULL)
			exit(1);
	}
	took_us[ntook++] = (uint32_t)(wire_now_us() - c->since_us);
	idle_stack[nidle++] = i;
}

/* --- answers -------------------------------------------------------------- */

/* The size of the head in p, or 0 while it is incomplete. */
static size_t
read_head(struct conn *c, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *at;
	size_t size;

	if (end == NULL)
		return 0;
	size = (size_t)(end - p) + 4;
	c->in_head = false;
	c->left = 0;
	if (memcmp(p, opt.ws > 0 ? "HTTP/1.1 101" : "HTTP/1.1 200", 12) != 0)
		failed++;
	c->upgraded = opt.ws > 0;
	for (at = p; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;)
		if (strncasecmp(++at, "content-length:", 15) == 0)
			c->left = strtoull(at + 15, NULL, 10);
	return size;
}

static void
take(unsigned i, char *p, size_t n)
{
	struct conn *c = &conns[i];

	if (c->in_head) {
		size_t head = read_head(c, p, n);

		if (head == 0) {
			if (c->head == NULL)
				c->head = malloc(HEAD_PART);
			if (c->head == NULL || n > HEAD_PART)
				exit(1);
			memcpy(c->head, p, n);
			c->nhead = n;
			return;
		}
		p += head;
		n -= head;
	}
	c->nhead = 0;
	if (n > c->left) {
		lose(i);
		return;
	}
	c->left -= n;
	if (c->left == 0)
		finish(i);
}

static void
on_readable(unsigned i)
{
	static char p[(1U << 18) + HEAD_PART];
	struct conn *c = &conns[i];
	ssize_t n;

	if (c->nhead > 0)
		memcpy(p, c->head, c->nhead);
	n = recv(c->fd, p + c->nhead, 1U << 18, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !c->asking)
		lose(i);
	else
		take(i, p, c->nhead + (size_t)n);
}

/* --- the loop ------------------------------------------------------------- */

static uint64_t
due_us(void)
{
	return opt.rate == 0 ? 0 : start_us + asked * 1000000 / opt.rate;
}

static bool
wanted(void)
{
	return wire_now_us() < end_us && (opt.count == 0 || asked < opt.count);
}

static void
ask_what_is_due(void)
{
	while (nidle > 0 && wanted()) {
		uint64_t now = wire_now_us(), due = due_us();

		if (due > now)
			return;
		begin(idle_stack[--nidle], due == 0 ? now : due);
	}
}

static void
turn(void)
{
	struct epoll_event got[256];
	struct timespec wait = { 0, 20000000 };
	uint64_t now = wire_now_us(), due = due_us();
	int n;

	if (opt.rate != 0 && nidle > 0 && wanted())
		wait.tv_nsec = due <= now ? 0
		    : due - now > 20000	  ? 20000000
					  : (long)(due - now) * 1000;
	n = epoll_pwait2(ep, got, 256, &wait, NULL);
	for (int i = 0; i < n; i++) {
		unsigned k = got[i].data.u32;

		if (got[i].events & EPOLLOUT)
			send_rest(k);
		if (got[i].events & ~(unsigned)EPOLLOUT)
			on_readable(k);
	}
}

static void
run(void)
{
	start_us = wire_now_us();
	end_us = start_us + opt.seconds_ms * 1000;
	while (wanted()) {
		ask_what_is_due();
		turn();
	}
	/* What is under way is waited for, but not for ever. */
	while (nidle < opt.conns && wire_now_us() < end_us + PATIENCE_US)
		turn();
	end_us = wire_now_us();
}

/*
 * Each asks once, so that it is past the handshake, and is then left alone. A
 * few at a time: what an idle connection costs is to be seen, not what a burst.
 */
static void
hold(void)
{
	char byte;

	end_us = wire_now_us() + HOLD_US;
	for (unsigned i = 0; i < opt.conns; i++) {
		nidle = 0;
		begin(i, wire_now_us());
		while (
		    asked - answered >= HOLD_AT_ONCE && wire_now_us() < end_us)
			turn();
	}
	while (answered < asked && wire_now_us() < end_us)
		turn();
	printf("ready %" PRIu64 "\n", answered);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static void
report(void)
{
	double seconds = (double)(end_us - start_us) / 1e6;

	printf("{\"requests\": %" PRIu64 ", \"failed\": %" PRIu64
	       ", \"rps\": %.1f, \"p50_us\": %u, \"p99_us\": %u}\n",
	    answered, failed + (asked - answered), (double)answered / seconds,
	    wire_permille(took_us, ntook, 500),
	    wire_permille(took_us, ntook, 990));
}

int
main(int argc, char **argv)
{
	struct rlimit rl;

	if (wire_options(options, NOPTIONS, USAGE, argc, argv) != 0)
		return 2;
	if (opt.conns < 1 || opt.conns > CONNS_MAX ||
	    (opt.port == 0 && opt.unix_path == NULL))
		return wire_usage(options, NOPTIONS, USAGE);
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	ep = epoll_create1(EPOLL_CLOEXEC);
	prepare();
	if (opt.ws > 0)
		prepare_message();
	for (unsigned i = 0; i < opt.conns; i++) {
		open_conn(i);
		idle_stack[nidle++] = (unsigned)opt.conns - 1 - i;
	}
	if (opt.idle) {
		hold();
		return failed == 0 ? 0 : 1;
	}
	run();
	report();
	return failed == 0 ? 0 : 1;
}
