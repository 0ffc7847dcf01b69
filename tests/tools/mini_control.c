/* SPDX-License-Identifier: ISC */

/*
 * mini_control SOCKET - a stand-in for control, led by lines on stdin
 *
 *	listen ID ADDRESS [internal|http1|http2]	bind; says "listening ID
 *PORT" tls ID [tls13=1] [time=MS] [most=N] CERT KEY...	of a listener, from PEM
 *	tickets N...		a key of these bytes each, the newest first
 *	begin			forget the snapshot that was being written
 *	trust V6-ADDRESS/BITS
 *	limit NAME N		of link/limits.h, until the next begin
 *	service NAME CELL [key=number]... [hash=NAME] [token=TEXT] [calls=NAME]
 *	endpoint NAME CELL ADDRESS [WEIGHT [SINCE-MS [FLAGS]]]	of the last
 *service route SERVICE PATH [host=H] [rewrite=P] [flags=N] [methods=N]
 *	      [upgrade=TOKEN] and the rules of struct snapshot_route by name, as
 *	      rate_count=5 or request_set=X-A:%201%0a
 *	auth KEY=VALUE...	of the last route: mini_auth.h
 *	publish GENERATION	to every worker; then "ack INDEX GENERATION"
 *	raw GENERATION HEX	bytes instead of a snapshot
 *	endpoint? CELL		"endpoint inflight=N requests=N ..."
 *	service? CELL
 *	worker? INDEX
 *	limits? INDEX		"limits memory=N", and what was met how often
 *	bars? CELL		"bars count=N slow=N sum=US", slow: over 25 ms
 *	records? INDEX		"records {...}" for each, then "records end"
 *	texts N			1: workers keep what an access log wants
 *	handshakes? INDEX
 *	drain MS
 *	reset INDEX		a dead worker's cells
 *	hangup			close every worker's connection
 *	quit
 *
 * What workers say is printed as it comes: "hello INDEX PID GENERATION", "ack
 * INDEX GENERATION", "refused INDEX GENERATION TEXT", "down INDEX CELL ERROR",
 * "wake INDEX CELL", "gone INDEX". Single-threaded, poll(2).
 */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <fcntl.h>

#include "base/array.h"
#include "base/fd.h"
#include "link/address.h"
#include "link/scoreboard.h"
#include "link/worker_msg.h"
#include "mini_auth.h"
#include "mini_records.h"
#include "mini_route.h"
#include "mini_tls.h"

#define WORKERS 8
#define WORDS 24
#define ENDPOINTS_MAX SNAPSHOT_ENDPOINTS_MAX /* of one service */

struct peer {
	int fd;
	unsigned index;
};

static struct snapshot snap;
static struct snapshot_listener listeners[SNAPSHOT_LISTENERS_MAX];
static uint32_t listener_ids[SNAPSHOT_LISTENERS_MAX];
static int listener_fds[SNAPSHOT_LISTENERS_MAX];
static struct snapshot_network trusted[16];
static struct snapshot_service services[256];
static uint32_t calls[256][16];
static struct snapshot_endpoint endpoints[256][ENDPOINTS_MAX];
static struct snapshot_route routes[SNAPSHOT_ROUTES_MAX];
static struct peer peers[WORKERS];
static int board_fd;
static struct scoreboard *board;
static int records_fd;
static int snapshot_fd = -1;
static uint64_t published;

static void
die(const char *what)
{
	fprintf(stderr, "mini_control: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char *
copy(const char *s)
{
	char *p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

static uint32_t
number(const char *s)
{
	return (uint32_t)strtoul(s, NULL, 0);
}

/* --- the snapshot --------------------------------------------------------- */

static uint32_t
find_service(const char *name)
{
	for (uint32_t i = 0; i < snap.nservices; i++)
		if (strcmp(services[i].name, name) == 0)
			return i;
	fprintf(stderr, "mini_control: no service %s\n", name);
	exit(1);
}

static void
cmd_begin(void)
{
	snap.nservices = snap.nroutes = snap.ntrusted = 0;
	snap.limits = (struct limits){ 0 };
	snap.record_texts = 0;
	memset(services, 0, sizeof(services));
	memset(routes, 0, sizeof(routes));
}

static void
cmd_listen(char **w, int n)
{
	struct address a;
	uint32_t i = snap.nlisteners++;
	int on = 1, fd;

	if (address_parse(&a, w[2]) < 0)
		die(w[2]);
	fd = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.u.sa, a.len) < 0 || listen(fd, 1024) < 0)
		die(w[2]);
	getsockname(fd, &a.u.sa, &a.len);
	listener_fds[i] = fd;
	listener_ids[i] = number(w[1]);
	listeners[i].id = listener_ids[i];
	listeners[i].address = copy(w[2]);
	for (int k = 3; k < n; k++)
		listeners[i].flags |= strcmp(w[k], "internal") == 0
		    ? SNAPSHOT_LISTENER_INTERNAL
		    : strcmp(w[k], "http1") == 0
		    ? SNAPSHOT_LISTENER_HTTP2_NEVER
		    : SNAPSHOT_LISTENER_HTTP2_ALWAYS;
	printf("listening %s %u\n", w[1],
	    a.u.sa.sa_family == AF_INET ? ntohs(a.u.in.sin_port) : 0);
}

static void
cmd_tls(char **w, int n)
{
	uint32_t i = 0;

	while (i < snap.nlisteners && listeners[i].id != number(w[1]))
		i++;
	if (i == snap.nlisteners || mini_tls(&listeners[i], w + 2, n - 2) < 0)
		die("tls");
}

static void
cmd_tickets(char **w, int n)
{
	snap.ntickets = (uint32_t)n - 1;
	for (int k = 1; k < n; k++)
		memset(snap.tickets + (k - 1) * SNAPSHOT_TICKET,
		    (int)number(w[k]), SNAPSHOT_TICKET);
}

static void
cmd_trust(char **w)
{
	struct snapshot_network *t = &trusted[snap.ntrusted++];
	char *slash = strchr(w[1], '/');

	*slash = '\0';
	if (inet_pton(AF_INET6, w[1], t->address) != 1)
		die(w[1]);
	t->prefix = number(slash + 1);
}

static void
cmd_limit(char **w)
{
	for (unsigned i = 0; i < LIMITS_N; i++)
		if (strcmp(limits_rows[i].name, w[1]) == 0) {
			*limits_at(&snap.limits, &limits_rows[i]) = number(
			    w[2]);
			return;
		}
	die(w[1]);
}

static bool
set_number(struct snapshot_service *s, const char *key, const char *value)
{
	const struct {
		const char *key;
		uint32_t *to;
	} table[] = {
		{ "flags", &s->flags },
		{ "balance", &s->balance },
		{ "hash_kind", &s->hash },
		{ "concurrency", &s->concurrency },
		{ "queue", &s->queue },
		{ "queue_timeout", &s->queue_timeout_ms },
		{ "start_wait", &s->start_wait_ms },
		{ "wake", &s->wake },
		{ "request_timeout", &s->request_timeout_ms },
		{ "idle_timeout", &s->idle_timeout_ms },
		{ "websocket_idle", &s->websocket_idle_ms },
		{ "eject_errors", &s->eject_errors },
		{ "eject_ms", &s->eject_ms },
		{ "eject_percent", &s->eject_percent },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].key, key) == 0) {
			*table[i].to = number(value);
			return true;
		}
	return false;
}

static void
set_option(struct snapshot_service *s, char *word)
{
	char *value = strchr(word, '=');

	*value++ = '\0';
	if (set_number(s, word, value))
		return;
	if (strcmp(word, "body") == 0)
		s->body = strtoull(value, NULL, 0);
	else if (strcmp(word, "hash") == 0)
		s->hash_name = copy(value);
	else if (strcmp(word, "token") == 0)
		s->token = copy(value);
	else if (strcmp(word, "calls") == 0)
		calls[s - services][s->ncalls++] = find_service(value);
	else
		die(word);
}

static void
cmd_service(char **w, int n)
{
	uint32_t i = snap.nservices++;
	struct snapshot_service *s = &services[i];

	s->name = copy(w[1]);
	s->cell = number(w[2]);
	s->queue = 100;
	s->queue_timeout_ms = 5000;
	s->request_timeout_ms = 60000;
	s->idle_timeout_ms = 60000;
	s->websocket_idle_ms = 60000;
	s->eject_errors = 5;
	s->eject_ms = 30000;
	s->eject_percent = 50;
	s->body = 64U << 20;
	s->calls = calls[i];
	s->endpoints = endpoints[i];
	for (int k = 3; k < n; k++)
		set_option(s, w[k]);
}

static void
cmd_endpoint(char **w, int n)
{
	uint32_t i = snap.nservices - 1;
	struct snapshot_endpoint *e = &endpoints[i][services[i].nendpoints++];

	e->name = copy(w[1]);
	e->cell = number(w[2]);
	e->address = copy(w[3]);
	e->weight = n > 4 ? number(w[4]) : 100;
	e->ready_since_ms = n > 5 ? strtoull(w[5], NULL, 0) : 0;
	e->flags = n > 6 ? number(w[6]) : 0;
}

static void
cmd_route(char **w, int n)
{
	struct snapshot_route *r = &routes[snap.nroutes++];

	r->service = find_service(w[1]);
	r->path = copy(w[2]);
	r->upgrade = "websocket";
	for (int k = 3; k < n; k++) {
		char *value = strchr(w[k], '=');

		*value++ = '\0';
		if (!mini_route_set(r, w[k], value))
			die(w[k]);
	}
}

/* --- workers -------------------------------------------------------------- */

static void
tell(struct peer *p, const struct worker_msg *m, const int *fds, unsigned n)
{
	if (p->fd != -1 && worker_msg_send(p->fd, m, fds, n) < 0)
		fprintf(stderr, "mini_control: worker %u does not read\n",
		    p->index);
}

static void
send_snapshot(struct peer *p)
{
	struct worker_msg m = { .type = WORKER_SNAPSHOT,
		.generation = published };

	if (snapshot_fd != -1)
		tell(p, &m, &snapshot_fd, 1);
}

static void
welcome(struct peer *p, unsigned index)
{
	struct worker_msg m = { .type = WORKER_WELCOME,
		.version = WORKER_MSG_VERSION,
		.index = index };

	p->index = index;
	tell(p, &m, &board_fd, 1);
	m = (struct worker_msg){ .type = WORKER_RECORDS };
	tell(p, &m, &records_fd, 1);
	m = (struct worker_msg){ .type = WORKER_LISTENERS,
		.nids = snap.nlisteners };
	memcpy(m.ids, listener_ids, sizeof(m.ids));
	tell(p, &m, listener_fds, snap.nlisteners);
	send_snapshot(p);
}

static void
publish(int fd, uint64_t generation)
{
	fd_close(&snapshot_fd);
	snapshot_fd = fd;
	published = generation;
	for (int i = 0; i < WORKERS; i++)
		send_snapshot(&peers[i]);
}

static void
cmd_publish(char **w)
{
	struct err err;
	int fd;

	snap.generation = strtoull(w[1], NULL, 0);
	snap.listeners = listeners;
	snap.trusted = trusted;
	snap.services = services;
	snap.routes = routes;
	if (snapshot_memfd(&snap, &fd, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	publish(fd, snap.generation);
}

static void
cmd_raw(char **w)
{
	int fd = memfd_create("raw", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	char *hex = w[2];

	for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
		char byte[3] = { hex[0], hex[1], '\0' };
		unsigned char b = (unsigned char)strtoul(byte, NULL, 16);

		if (write(fd, &b, 1) != 1)
			die("write");
	}
	fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	publish(fd, strtoull(w[1], NULL, 0));
	snapshot_fd = -1;
}

static void
hear(struct peer *p)
{
	struct worker_msg m;
	int fds[WORKER_MSG_FDS], r;
	unsigned nfds;
	struct err err = { "" };

	r = worker_msg_recv(p->fd, &m, fds, &nfds, &err);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		printf("gone %u %s\n", p->index, err.text);
		fd_close(&p->fd);
		return;
	}
	if (m.type == WORKER_HELLO) {
		printf("hello %u %d %" PRIu64 "\n", m.index, (int)m.pid,
		    m.generation);
		welcome(p, m.index);
	} else if (m.type == WORKER_ACK) {
		printf("ack %u %" PRIu64 "\n", p->index, m.generation);
	} else if (m.type == WORKER_REFUSED) {
		printf("refused %u %" PRIu64 " %s\n", p->index, m.generation,
		    m.text);
	} else if (m.type == WORKER_ENDPOINT_DOWN) {
		printf("down %u %u %d\n", p->index, m.cell, m.error);
	} else if (m.type == WORKER_WAKE) {
		printf("wake %u %u\n", p->index, m.cell);
	}
}

static void
greet(int sock)
{
	int fd = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; i < WORKERS && fd >= 0; i++)
		if (peers[i].fd == -1) {
			peers[i].fd = fd;
			return;
		}
	fd_close(&fd);
}

/* --- questions ------------------------------------------------------------ */

static void
ask_endpoint(unsigned cell)
{
	struct scoreboard_endpoint_view v;

	scoreboard_endpoint_view(board, cell, &v);
	printf("endpoint inflight=%" PRIu64 " tunnels=%" PRIu64
	       " requests=%" PRIu64 " connects=%" PRIu64 " failures=%" PRIu64
	       " resets=%" PRIu64 " timeouts=%" PRIu64 " bad=%" PRIu64
	       " errors=%" PRIu64 " out_until=%" PRIu64 "\n",
	    v.inflight, v.tunnels, v.requests, v.connects, v.connect_failures,
	    v.resets, v.timeouts, v.bad_responses, v.errors, v.out_until_s);
}

static void
ask_service(unsigned cell)
{
	struct scoreboard_service_view v;

	scoreboard_service_view(board, cell, &v);
	printf("service queued=%" PRIu64 " inflight=%" PRIu64
	       " requests=%" PRIu64 " ok=%" PRIu64 " 4xx=%" PRIu64
	       " 5xx=%" PRIu64 " cut=%" PRIu64 " retries=%" PRIu64
	       " resends=%" PRIu64 " over=%" PRIu64 " cancelled=%" PRIu64
	       " p99=%" PRIu64 " waited=%" PRIu64 " bytes_out=%" PRIu64 "\n",
	    v.queued, v.inflight, v.requests, v.responses[2], v.responses[4],
	    v.responses[5], v.responses[0], v.retries, v.resends, v.over_budget,
	    v.cancelled, histogram_quantile(&v.latency, 990),
	    histogram_total(&v.waited), v.bytes_out);
}

static void
ask_worker(unsigned index)
{
	struct scoreboard_worker_view v;

	scoreboard_worker_view(board, index, &v);
	printf("worker pid=%d generation=%" PRIu64 " heartbeat=%" PRIu64
	       " connections=%" PRIu64 " accepted=%" PRIu64 " requests=%" PRIu64
	       " bad=%" PRIu64 " upstreams=%" PRIu64
	       " draining=%d lost=%" PRIu64 " h2=%" PRIu64 " streams=%" PRIu64
	       " protocol=%" PRIu64 " resets=%" PRIu64 " heads=%" PRIu64
	       " controls=%" PRIu64 " stalls=%" PRIu64 " malformed=%" PRIu64,
	    (int)v.pid, v.generation, v.heartbeat_ms, v.connections, v.accepted,
	    v.requests, v.bad_requests, v.upstreams, v.draining, v.buckets_lost,
	    v.http2[HTTP2_N_CONNECTIONS], v.http2_streams,
	    v.http2[HTTP2_N_PROTOCOL], v.http2[HTTP2_N_RESETS],
	    v.http2[HTTP2_N_HEADS], v.http2[HTTP2_N_CONTROLS],
	    v.http2[HTTP2_N_STALLS], v.http2[HTTP2_N_MALFORMED]);
	mini_auth_print(&v);
}

/* Only what was met. */
static void
ask_limits(unsigned index)
{
	struct scoreboard_worker_view v;

	scoreboard_worker_view(board, index, &v);
	printf("limits memory=%" PRIu64, v.memory);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		if (v.limits[i] > 0)
			printf(" %s=%" PRIu64, scoreboard_limit_name(i),
			    v.limits[i]);
	printf("\n");
}

static void
cmd_drain(char **w)
{
	struct worker_msg m = { .type = WORKER_DRAIN,
		.timeout_ms = number(w[1]) };

	for (int i = 0; i < WORKERS; i++)
		tell(&peers[i], &m, NULL, 0);
}

static void
cmd_hangup(void)
{
	for (int i = 0; i < WORKERS; i++)
		fd_close(&peers[i].fd);
}

static bool
ask(char **w)
{
	if (strcmp(w[0], "endpoint?") == 0)
		ask_endpoint(number(w[1]));
	else if (strcmp(w[0], "service?") == 0)
		ask_service(number(w[1]));
	else if (strcmp(w[0], "handshakes?") == 0)
		mini_handshakes(board, number(w[1]));
	else if (strcmp(w[0], "worker?") == 0)
		ask_worker(number(w[1]));
	else if (strcmp(w[0], "limits?") == 0)
		ask_limits(number(w[1]));
	else
		return mini_records_ask(board, w);
	return true;
}

static bool
describe(char **w, int n)
{
	if (strcmp(w[0], "begin") == 0)
		cmd_begin();
	else if (strcmp(w[0], "listen") == 0)
		cmd_listen(w, n);
	else if (strcmp(w[0], "tls") == 0)
		cmd_tls(w, n);
	else if (strcmp(w[0], "tickets") == 0)
		cmd_tickets(w, n);
	else if (strcmp(w[0], "trust") == 0)
		cmd_trust(w);
	else if (strcmp(w[0], "limit") == 0)
		cmd_limit(w);
	else if (strcmp(w[0], "texts") == 0)
		snap.record_texts = number(w[1]);
	else if (strcmp(w[0], "service") == 0)
		cmd_service(w, n);
	else if (strcmp(w[0], "endpoint") == 0)
		cmd_endpoint(w, n);
	else if (strcmp(w[0], "route") == 0)
		cmd_route(w, n);
	else if (strcmp(w[0], "auth") == 0)
		routes[snap.nroutes - 1].auth = mini_auth(
		    w + 1, n - 1, find_service);
	else
		return false;
	return true;
}

static void
obey(char **w, int n)
{
	if (n == 0 || describe(w, n) || ask(w))
		return;
	if (strcmp(w[0], "publish") == 0)
		cmd_publish(w);
	else if (strcmp(w[0], "raw") == 0)
		cmd_raw(w);
	else if (strcmp(w[0], "drain") == 0)
		cmd_drain(w);
	else if (strcmp(w[0], "reset") == 0)
		scoreboard_reset_worker(board, number(w[1]));
	else if (strcmp(w[0], "hangup") == 0)
		cmd_hangup();
	else if (strcmp(w[0], "quit") == 0)
		exit(0);
	else
		die(w[0]);
}

static void
obey_line(char *line)
{
	char *words[WORDS], *save = NULL, *at = line, *word;
	int n = 0;

	while (n < WORDS && (word = strtok_r(at, " \n", &save)) != NULL) {
		words[n++] = word;
		at = NULL;
	}
	obey(words, n);
}

/* --- the loop ------------------------------------------------------------- */

static void
read_commands(void)
{
	static char text[1 << 20];
	static size_t len;
	ssize_t n = read(0, text + len, sizeof(text) - len - 1);
	char *end;

	if (n <= 0)
		exit(0);
	len += (size_t)n;
	text[len] = '\0';
	while ((end = strchr(text, '\n')) != NULL) {
		size_t used = (size_t)(end - text) + 1;

		*end = '\0';
		obey_line(text);
		memmove(text, text + used, len - used + 1);
		len -= used;
	}
}

static int
open_control(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(un.sun_path))
		die("path too long");
	memcpy(un.sun_path, path, strlen(path));
	unlink(path);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ||
	    listen(fd, 16) < 0)
		die(path);
	return fd;
}

int
main(int argc, char **argv)
{
	struct err err;
	int sock;

	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sock = open_control(argv[1]);
	if (scoreboard_create(&board_fd, &err) < 0 ||
	    scoreboard_attach(&board, board_fd, &err) < 0)
		die(err.text);
	records_fd = mini_records_open();
	for (int i = 0; i < WORKERS; i++)
		peers[i].fd = -1;
	for (;;) {
		struct pollfd p[WORKERS + 2] = { { 0, POLLIN, 0 },
			{ sock, POLLIN, 0 } };

		for (int i = 0; i < WORKERS; i++)
			p[i + 2] = (struct pollfd){ peers[i].fd, POLLIN, 0 };
		if (poll(p, WORKERS + 2, -1) < 0)
			die("poll");
		if (p[0].revents != 0)
			read_commands();
		if (p[1].revents != 0)
			greet(sock);
		for (int i = 0; i < WORKERS; i++)
			if (p[i + 2].revents != 0 && peers[i].fd != -1)
				hear(&peers[i]);
	}
}
