/* SPDX-License-Identifier: ISC */

/*
 * load - requests, and a verdict on every single response
 *
 * Each request carries a token that no other one has, and its response has to
 * bring it back ("token": "..." in the body, as herdling does): once, on the
 * connection that asked. A response counts as
 *
 *   ok        200 and its own token
 *   failed    another status
 *   swapped   200 and another token, or none
 *   doubled   bytes came that nobody had asked for
 *   lost      the connection ended or the time was up before it was complete
 *
 * Closed loop: each of -c connections asks again when it has its answer; with
 * --pipeline N it asks N times at once, and the answers have to come in order,
 * each with the token of its request. Open
 * loop (-r): requests are due at fixed times, and latency counts from then.
 * One JSON object says it all; the status is 0 if all were ok. The answer to a
 * HEAD has its token in X-Token.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/tools/wire.h"

#define CONNS_MAX 1000
#define PIPELINE_MAX 16
#define NAMES_MAX 16
#define STATUS_MAX 600
#define KEPT 8192 /* of a body, to look for the token in */

static struct {
	uint64_t conns, requests, seconds, rate, timeout_ms, port, body;
	uint64_t reuse, pipeline;
	const char *unix_path, *host, *path, *method, *log;
	uint64_t tokens;
} opt = { .conns = 4,
	.seconds = 60,
	.timeout_ms = 10000,
	.reuse = UINT64_MAX,
	.pipeline = 1,
	.host = "localhost",
	.path = "/",
	.method = "GET",
	.tokens = 1 };

/* clang-format off */
static const struct wire_option options[] = {
	{ "--port",    &opt.port,       NULL, "to 127.0.0.1:N" },
	{ "--unix",    NULL, &opt.unix_path,  "to this socket" },
	{ "--host",    NULL, &opt.host,       "the Host header" },
	{ "--path",    NULL, &opt.path,       "the target" },
	{ "--method",  NULL, &opt.method,     "GET" },
	{ "--body",    &opt.body,       NULL, "with N bytes" },
	{ "-c",        &opt.conns,      NULL, "connections (4)" },
	{ "-n",        &opt.requests,   NULL, "this many requests" },
	{ "-d",        &opt.seconds,    NULL, "for at most N seconds (60)" },
	{ "-r",        &opt.rate,       NULL, "N requests a second, open loop" },
	{ "--reuse",   &opt.reuse,      NULL, "requests a connection, then a new one" },
	{ "--pipeline", &opt.pipeline,  NULL, "requests at once on a connection (1)" },
	{ "--timeout", &opt.timeout_ms, NULL, "a request is lost after N ms (10000)" },
	{ "--tokens",  &opt.tokens,     NULL, "0: bodies have no token" },
	{ "--log",     NULL, &opt.log,        "a line of JSON here for each that was not ok" },
};
/* clang-format on */

#define NOPTIONS (sizeof(options) / sizeof(options[0]))
#define USAGE "load --port N | --unix PATH [option value]..."

struct conn {
	int fd; /* -1: none */
	bool asking, has_head;
	uint64_t asked;		      /* on this connection */
	uint64_t since_us;	      /* when it was due */
	uint64_t asked_us;	      /* when it was sent */
	char token[40];		      /* of the answer that is due */
	char later[PIPELINE_MAX][40]; /* of those behind it */
	uint64_t nlater;
	struct wire_text out;
	size_t sent;
	char head[WIRE_HEAD_MAX + 1];
	size_t nhead;
	struct wire_body body;
	char kept[KEPT + 1];
	size_t nkept;
	int status;
	bool close;
};

static struct conn conns[CONNS_MAX];
static uint64_t sent, ok, failed, swapped, doubled, lost, connects, refused;
static uint64_t by_status[STATUS_MAX];
static struct name {
	char name[80];
	uint64_t n;
} names[NAMES_MAX];
static uint32_t *took_us; /* each ok, for the percentiles */
static size_t ntook, took_size;
static char first_error[256];
static uint64_t start_us, end_us;
static volatile sig_atomic_t enough;
static FILE *log_file;

static void
log_line(const char *what, const struct conn *c)
{
	char id[80] = "";

	if (c->has_head)
		wire_header(c->head, "X-Request-Id", id, sizeof(id));
	fprintf(log_file,
	    "{\"what\": \"%s\", \"id\": \"%s\", \"token\": \"%s\", "
	    "\"method\": \"%s\", \"status\": %d, \"took_us\": %" PRIu64 "}\n",
	    what, id, c->token, opt.method, c->status,
	    wire_now_us() - c->asked_us);
}

static void
note(const char *what, const struct conn *c)
{
	if (log_file != NULL)
		log_line(what, c);
	if (first_error[0] == '\0')
		snprintf(first_error, sizeof(first_error),
		    "%s: token %s, status %d, %.0f ms in, body %.100s", what,
		    c->token, c->status,
		    (double)(wire_now_us() - start_us) / 1000, c->kept);
}

static void
hang_up(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->asked = 0;
}

static void
lose(struct conn *c, const char *why)
{
	if (c->asking) {
		lost += 1 + c->nlater;
		note(why, c);
	}
	c->asking = false;
	c->nlater = 0;
	hang_up(c);
}

static int
dial(struct conn *c)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int rc;

	if (opt.unix_path != NULL) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", opt.unix_path);
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rc = connect(c->fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		in.sin_port = htons((uint16_t)opt.port);
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rc = connect(c->fd, (struct sockaddr *)&in, sizeof(in));
	}
	connects++;
	return rc;
}

static void
put_request(struct conn *c, const char *token)
{
	c->asked++;
	wire_printf(&c->out, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Token: %s\r\n",
	    opt.method, opt.path, opt.host, token);
	if (opt.body > 0)
		wire_printf(
		    &c->out, "Content-Length: %" PRIu64 "\r\n", opt.body);
	wire_printf(&c->out, "%s\r\n",
	    c->asked >= opt.reuse ? "Connection: close\r\n" : "");
	for (uint64_t left = opt.body; left > 0;) {
		static const char filler[1024];
		size_t n = left < sizeof(filler) ? (size_t)left
						 : sizeof(filler);

		wire_bytes(&c->out, filler, n);
		left -= n;
	}
}

static void
new_token(char token[40])
{
	snprintf(token, 40, "%d-%" PRIu64, getpid(), sent);
	sent++;
}

/* The answer to `token` is due now. */
static void
expect(struct conn *c)
{
	c->asking = true;
	c->has_head = false;
	c->close = false;
	c->nhead = c->nkept = 0;
	c->kept[0] = '\0';
	c->status = 0;
}

static void
ask(struct conn *c, uint64_t due_us)
{
	expect(c);
	c->sent = c->out.n = 0;
	c->since_us = due_us;
	c->asked_us = wire_now_us();
	new_token(c->token);
	if (c->fd < 0 && dial(c) != 0) {
		refused++;
		lose(c, strerror(errno));
		return;
	}
	put_request(c, c->token);
	while (c->nlater + 1 < opt.pipeline && c->asked < opt.reuse &&
	    (opt.requests == 0 || sent < opt.requests)) {
		new_token(c->later[c->nlater]);
		put_request(c, c->later[c->nlater++]);
	}
}

/* Those that were asked at once are answered on one connection. */
static void
next_answer(struct conn *c)
{
	if (c->nlater == 0)
		return;
	memcpy(c->token, c->later[0], sizeof(c->token));
	c->nlater--;
	memmove(c->later[0], c->later[1], c->nlater * sizeof(c->later[0]));
	expect(c);
}

/* --- responses ------------------------------------------------------------ */

static void
count_name(const char *json)
{
	char name[80];
	size_t i;

	if (!wire_json_text(json, "instance", name, sizeof(name)))
		return;
	for (i = 0; i < NAMES_MAX - 1 && names[i].n > 0; i++)
		if (strcmp(names[i].name, name) == 0)
			break;
	memcpy(names[i].name, name, sizeof(name));
	names[i].n++;
}

static void
count_time(uint64_t us)
{
	if (ntook == took_size) {
		took_size = took_size == 0 ? 4096 : took_size * 2;
		took_us = realloc(took_us, took_size * sizeof(*took_us));
		if (took_us == NULL)
			abort();
	}
	took_us[ntook++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static bool
has_its_token(const struct conn *c)
{
	char token[40];

	if (opt.tokens == 0)
		return true;
	if (strcmp(opt.method, "HEAD") == 0)
		return wire_header(c->head, "X-Token", token, sizeof(token)) &&
		    strcmp(token, c->token) == 0;
	return wire_json_text(c->kept, "token", token, sizeof(token)) &&
	    strcmp(token, c->token) == 0;
}

static void
judge(struct conn *c)
{
	c->asking = false;
	by_status[c->status < STATUS_MAX ? c->status : 0]++;
	if (c->status != 200) {
		failed++;
		note("failed", c);
	} else if (!has_its_token(c)) {
		swapped++;
		note("swapped", c);
	} else {
		ok++;
		count_name(c->kept);
		count_time(wire_now_us() - c->since_us);
	}
	if (c->close && c->nlater > 0) {
		c->asking = true; /* those behind it */
		c->nlater--;
		lose(c, "closed before the last answer");
		return;
	}
	next_answer(c);
	if (!c->asking && (c->close || c->asked >= opt.reuse))
		hang_up(c);
}

/* More of the head; returns how many bytes it took. */
static size_t
take_head(struct conn *c, const char *p, size_t n)
{
	size_t had = c->nhead, length;
	char value[32];

	if (n > WIRE_HEAD_MAX - had)
		n = WIRE_HEAD_MAX - had;
	memcpy(c->head + had, p, n);
	length = wire_head_length(c->head, had + n);
	c->nhead = length > 0 ? length : had + n;
	c->head[c->nhead] = '\0';
	if (length == 0)
		return n;
	if (sscanf(c->head, "HTTP/1.%*c %d", &c->status) != 1)
		c->status = 0;
	if (c->status == 100) {
		c->nhead = 0;
		return length - had;
	}
	c->has_head = true;
	wire_body_init(&c->body, c->head, true);
	if (strcmp(opt.method, "HEAD") == 0 || c->status == 204 ||
	    c->status == 304)
		c->body.over = true;
	c->close = c->body.framing == WIRE_CLOSE ||
	    (wire_header(c->head, "Connection", value, sizeof(value)) &&
		strcasestr(value, "close") != NULL);
	return length - had;
}

static void
keep(struct conn *c, const char *p, size_t n)
{
	if (n > KEPT - c->nkept)
		n = KEPT - c->nkept;
	memcpy(c->kept + c->nkept, p, n);
	c->nkept += n;
	c->kept[c->nkept] = '\0';
}

static void
take(struct conn *c, const char *p, size_t n)
{
	while (n > 0 && c->asking) {
		size_t head = c->has_head ? 0 : take_head(c, p, n);
		long body = 0;

		p += head;
		n -= head;
		if (c->has_head)
			body = wire_body_take(&c->body, p, n);
		if (body < 0) {
			lose(c, "broken chunks");
			return;
		}
		keep(c, p, (size_t)body);
		p += body;
		n -= (size_t)body;
		if (c->has_head && c->body.over)
			judge(c);
		else if (head == 0 && body == 0)
			break;
	}
	if (n > 0) {
		doubled++;
		note("doubled", c);
		hang_up(c);
	}
}

static void
on_end(struct conn *c)
{
	if (c->asking && c->has_head && c->body.framing == WIRE_CLOSE)
		judge(c);
	else if (c->asking)
		lose(c, "hung up on");
	hang_up(c);
}

static void
on_readable(struct conn *c)
{
	static char p[65536];
	ssize_t n = recv(c->fd, p, sizeof(p), MSG_DONTWAIT);

	if (n > 0)
		take(c, p, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		on_end(c);
}

static void
on_writable(struct conn *c)
{
	ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent,
	    MSG_NOSIGNAL | MSG_DONTWAIT);

	/* An answer may stand in the socket of one that hung up on us. */
	if (n < 0 && errno != EAGAIN)
		c->sent = c->out.n;
	else if (n > 0)
		c->sent += (size_t)n;
}

/* --- the loop ------------------------------------------------------------- */

static bool
more_wanted(uint64_t now)
{
	return !enough && now < end_us &&
	    (opt.requests == 0 || sent < opt.requests);
}

static uint64_t
next_due(void)
{
	return opt.rate == 0 ? 0 : start_us + sent * 1000000 / opt.rate;
}

static void
ask_what_is_due(void)
{
	for (size_t i = 0; i < opt.conns; i++) {
		uint64_t now = wire_now_us(), due = next_due();

		if (!more_wanted(now) || due > now)
			return;
		if (!conns[i].asking)
			ask(&conns[i], due == 0 ? now : due);
	}
}

static void
lose_what_is_late(void)
{
	uint64_t now = wire_now_us();

	for (size_t i = 0; i < opt.conns; i++)
		if (conns[i].asking &&
		    now > conns[i].since_us + opt.timeout_ms * 1000)
			lose(&conns[i], "timed out");
}

static void
turn(void)
{
	static struct pollfd fds[CONNS_MAX];
	static struct conn *at[CONNS_MAX];
	nfds_t n = 0;
	uint64_t now = wire_now_us(), due = next_due();
	int wait = 50;

	if (opt.rate != 0 && more_wanted(now))
		wait = due <= now ? 1 : (int)((due - now) / 1000);
	for (size_t i = 0; i < opt.conns; i++) {
		short want = POLLIN;

		if (conns[i].fd < 0)
			continue;
		if (conns[i].asking && conns[i].sent < conns[i].out.n)
			want |= POLLOUT;
		at[n] = &conns[i];
		fds[n++] = (struct pollfd){ conns[i].fd, want, 0 };
	}
	if (poll(fds, n, wait > 50 ? 50 : wait) <= 0)
		return;
	for (nfds_t i = 0; i < n; i++) {
		if (fds[i].revents & POLLOUT)
			on_writable(at[i]);
		if (at[i]->fd >= 0 && (fds[i].revents & ~POLLOUT))
			on_readable(at[i]);
	}
}

static bool
waiting(void)
{
	for (size_t i = 0; i < opt.conns; i++)
		if (conns[i].asking)
			return true;
	return false;
}

/* What still stands in idle connections when all is over was doubled. */
static void
last_look(void)
{
	usleep(20000);
	for (size_t i = 0; i < opt.conns; i++)
		if (conns[i].fd >= 0)
			on_readable(&conns[i]);
}

/* --- the verdict ---------------------------------------------------------- */

static void
report(double seconds)
{
	struct wire_text t = { 0 };
	const char *sep = "";

	wire_printf(&t,
	    "{\"sent\": %" PRIu64 ", \"ok\": %" PRIu64 ", \"failed\": %" PRIu64
	    ", \"lost\": %" PRIu64 ", \"doubled\": %" PRIu64
	    ", \"swapped\": %" PRIu64 ", \"connects\": %" PRIu64
	    ", \"refused\": %" PRIu64 ", \"status\": {",
	    sent, ok, failed, lost, doubled, swapped, connects, refused);
	for (int i = 0; i < STATUS_MAX; i++) {
		if (by_status[i] == 0)
			continue;
		wire_printf(&t, "%s\"%d\": %" PRIu64, sep, i, by_status[i]);
		sep = ", ";
	}
	wire_printf(&t, "}, \"instances\": {");
	for (size_t i = 0; i < NAMES_MAX && names[i].n > 0; i++) {
		wire_printf(&t, "%s", i == 0 ? "" : ", ");
		wire_json(&t, names[i].name);
		wire_printf(&t, ": %" PRIu64, names[i].n);
	}
	wire_printf(&t,
	    "}, \"seconds\": %.3f, \"rps\": %.1f, \"p50_us\": %u, \"p99_us\": "
	    "%u, "
	    "\"max_us\": %u, \"first_error\": ",
	    seconds, (double)ok / seconds, wire_permille(took_us, ntook, 500),
	    wire_permille(took_us, ntook, 990),
	    wire_permille(took_us, ntook, 1000));
	wire_json(&t, first_error);
	printf("%s}\n", t.p);
	free(t.p);
}

/* SIGTERM: no more requests; those under way are finished and judged. */
static void
on_term(int signo)
{
	(void)signo;
	enough = 1;
}

int
main(int argc, char **argv)
{
	signal(SIGTERM, on_term);
	if (wire_options(options, NOPTIONS, USAGE, argc, argv) != 0)
		return 2;
	if (opt.conns < 1 || opt.conns > CONNS_MAX || opt.pipeline < 1 ||
	    opt.pipeline > PIPELINE_MAX ||
	    (opt.port == 0 && opt.unix_path == NULL))
		return wire_usage(options, NOPTIONS, USAGE);
	if (opt.log != NULL && (log_file = fopen(opt.log, "w")) == NULL) {
		perror(opt.log);
		return 2;
	}
	for (size_t i = 0; i < opt.conns; i++)
		conns[i].fd = -1;
	start_us = wire_now_us();
	end_us = start_us + opt.seconds * 1000000;
	while (more_wanted(wire_now_us()) || waiting()) {
		ask_what_is_due();
		turn();
		lose_what_is_late();
	}
	end_us = wire_now_us();
	last_look();
	report((double)(end_us - start_us) / 1e6);
	return ok == sent && doubled == 0 ? 0 : 1;
}
