/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/tools/herdling.h"

extern char **environ;

static uint64_t nrequests;
static uint64_t first_us; /* when the first request with a token came */
static bool sick, unready, lossy, cutting, cutting_bodies, lying;
static char last_token[128];

/* --- answers
 * ------------------------------------------------------------------ */

static void
answer(struct conn *c, int status, const char *type, struct wire_text *body)
{
	wire_printf(&c->out,
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: "
	    "%zu\r\n%s",
	    status, status < 400 ? "OK" : "Trouble", type, body->n,
	    c->close ? "Connection: close\r\n" : "");
	if (strcmp(c->rq.method, "HEAD") == 0)
		wire_printf(&c->out, "X-Token: %s\r\n", c->rq.token);
	wire_printf(&c->out, "\r\n");
	if (strcmp(c->rq.method, "HEAD") != 0 && body->n > 0)
		wire_bytes(&c->out, body->p, body->n);
	free(body->p);
	c->due_us = wire_now_us() + opt.delay * 1000;
}

static void
answer_text(struct conn *c, int status, const char *text)
{
	struct wire_text body = { 0 };

	wire_printf(&body, "%s\n", text);
	answer(c, status, "text/plain", &body);
}

static const char *
env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value == NULL ? otherwise : value;
}

static void
who(struct conn *c, struct wire_text *body, const char *token)
{
	wire_printf(body, "{\"pid\": %ld, \"service\": ", (long)getpid());
	wire_json(body, env_or("DROVER_SERVICE", ""));
	wire_printf(body, ", \"instance\": ");
	wire_json(body, env_or("DROVER_INSTANCE", ""));
	wire_printf(body, ", \"token\": ");
	wire_json(body, token);
	wire_printf(body, ", \"method\": ");
	wire_json(body, c->rq.method);
	wire_printf(body, ", \"path\": ");
	wire_json(body, c->rq.path);
	wire_printf(body, ", \"query\": ");
	wire_json(body, c->rq.query);
	wire_printf(body,
	    ", \"requests\": %" PRIu64 ", \"bytes\": %" PRIu64
	    ", \"hash\": \"%016" PRIx64 "\", \"started_us\": %" PRIu64
	    ", \"first_us\": %" PRIu64,
	    nrequests, c->rq.body.bytes, c->rq.body.hash, started_us, first_us);
}

static bool
each(uint64_t n)
{
	return n > 0 && nrequests % n == 0;
}

static void
on_any(struct conn *c)
{
	struct wire_text body = { 0 };
	size_t n;

	who(c, &body, each(opt.swap) ? last_token : c->rq.token);
	wire_printf(&body, "}\n");
	answer(c, each(opt.fail) ? 500 : 200, "application/json", &body);
	n = c->out.n;
	if (each(opt.twice)) {
		char *twice = strndup(c->out.p, n);

		wire_bytes(&c->out, twice, n);
		free(twice);
	}
	snprintf(last_token, sizeof(last_token), "%s", c->rq.token);
	c->due_us += wire_query_number(c->rq.query, "ms", 0) * 1000;
}

static void
json_lines(struct wire_text *body, const char *lines)
{
	wire_printf(body, ", \"headers\": [");
	for (const char *p = strstr(lines, "\r\n") + 2; *p != '\r';) {
		size_t n = strcspn(p, "\r");
		char *line = strndup(p, n);

		wire_json(body, line);
		free(line);
		p += n + 2;
		wire_bytes(body, ", ", *p == '\r' ? 0 : 2);
	}
	wire_bytes(body, "]", 1);
}

static void
on_echo(struct conn *c)
{
	struct wire_text body = { 0 };

	who(c, &body, c->rq.token);
	json_lines(&body, c->rq.head);
	wire_printf(&body, "}\n");
	answer(c, 200, "application/json", &body);
}

static void
on_env(struct conn *c)
{
	struct wire_text body = { 0 };

	wire_bytes(&body, "{", 1);
	for (char **e = environ; *e != NULL; e++) {
		const char *value = strchr(*e, '=');
		char *name = strndup(*e, (size_t)(value - *e));

		wire_json(&body, name);
		free(name);
		wire_bytes(&body, ": ", 2);
		wire_json(&body, value + 1);
		wire_bytes(&body, ", ", e[1] == NULL ? 0 : 2);
	}
	wire_bytes(&body, "}\n", 2);
	answer(c, 200, "application/json", &body);
}

static void
on_ready(struct conn *c)
{
	bool early = wire_now_us() - started_us < opt.ready_after * 1000;

	answer_text(
	    c, unready || opt.never_ready || early ? 503 : 200, "ready?");
}

static void
on_health(struct conn *c)
{
	answer_text(c, sick ? 500 : 200, sick ? "sick" : "well");
}

static const struct {
	const char *path;
	bool *on;
} switches[] = {
	{ "/sick", &sick },
	{ "/unready", &unready },
	{ "/lossy", &lossy },
	{ "/cutting", &cutting },
	{ "/cutting-bodies", &cutting_bodies },
	{ "/lying", &lying },
};

static void
on_switch(struct conn *c)
{
	bool on = wire_query_number(c->rq.query, "on", 1) != 0;

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (strcmp(switches[i].path, c->rq.path) == 0)
			*switches[i].on = on;
	answer_text(c, 200, on ? "on" : "off");
}

static void
on_slow(struct conn *c)
{
	answer_text(c, 200, "slow?");
	opt.delay = wire_query_number(c->rq.query, "ms", 0);
}

static void
on_big(struct conn *c)
{
	uint64_t n = wire_query_number(c->rq.query, "bytes", 1 << 20);

	c->big_chunked = strcmp(c->rq.path, "/chunked") == 0;
	wire_printf(&c->out, "HTTP/1.1 200 OK\r\n");
	if (c->big_chunked)
		wire_printf(&c->out, "Transfer-Encoding: chunked\r\n\r\n");
	else
		wire_printf(&c->out, "Content-Length: %" PRIu64 "\r\n\r\n", n);
	c->big_left = n;
	c->big_at = 0;
	c->due_us = wire_now_us();
}

static void
on_exit_asked(struct conn *c)
{
	_exit((int)wire_query_number(c->rq.query, "code", 1));
}

static void
on_signal_asked(struct conn *c)
{
	raise((int)wire_query_number(c->rq.query, "signal", SIGSEGV));
}

/* Memory that it never gives back. */
static void
on_eat(struct conn *c)
{
	size_t n = (size_t)wire_query_number(c->rq.query, "mib", 1) << 20;
	volatile char *p = malloc(n);

	for (size_t i = 0; p != NULL && i < n; i += 4096)
		p[i] = 1;
	answer_text(c, p != NULL ? 200 : 503, "eaten");
}

static void
on_hang(struct conn *c)
{
	c->due_us = UINT64_MAX;
}

static void
on_hang_up(struct conn *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

/* Half of an answer, and the end; to a HEAD half of its head. */
static void
on_cut(struct conn *c)
{
	wire_printf(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n");
	if (strcmp(c->rq.method, "HEAD") != 0)
		wire_printf(&c->out, "\r\nhalf of it");
	c->close = true;
	c->due_us = wire_now_us();
}

static void
on_lie(struct conn *c)
{
	wire_printf(&c->out, "\x16\x03\x01 this is no HTTP\r\n\r\n");
	c->close = true;
	c->due_us = wire_now_us();
}

static void
on_say(struct conn *c)
{
	fprintf(stderr, "%s\n", c->rq.query);
	answer_text(c, 200, "said");
}

static const struct {
	const char *path;
	void (*run)(struct conn *c);
} paths[] = {
	{ "/healthz", on_health },
	{ "/readyz", on_ready },
	{ "/sick", on_switch },
	{ "/unready", on_switch },
	{ "/lossy", on_switch },
	{ "/cutting", on_switch },
	{ "/cutting-bodies", on_switch },
	{ "/lying", on_switch },
	{ "/slow", on_slow },
	{ "/echo", on_echo },
	{ "/env", on_env },
	{ "/big", on_big },
	{ "/chunked", on_big },
	{ "/exit", on_exit_asked },
	{ "/signal", on_signal_asked },
	{ "/eat", on_eat },
	{ "/hang", on_hang },
	{ "/hang-up", on_hang_up },
	{ "/say", on_say },
};

static void
serve(struct conn *c)
{
	c->asked = true;
	nrequests++;
	if (opt.crash_at > 0 && nrequests >= opt.crash_at)
		exit((int)opt.crash_code);
	if (each(opt.lose)) {
		shutdown(c->fd, SHUT_RDWR);
		return;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(paths[i].path, c->rq.path) == 0) {
			paths[i].run(c);
			return;
		}
	}
	if (lossy)
		on_hang_up(c);
	else if (cutting ||
	    (cutting_bodies && strcmp(c->rq.method, "HEAD") != 0))
		on_cut(c);
	else if (lying)
		on_lie(c);
	else
		on_any(c);
}

/* --- connections
 * -------------------------------------------------------------- */

static void
conn_end(struct conn *c)
{
	close(c->fd);
	free(c->out.p);
	c->out = (struct wire_text){ 0 };
	c->fd = -1;
}

static void
read_head(struct conn *c, size_t n)
{
	struct request *rq = &c->rq;
	char target[2048], value[64], *mark;

	memcpy(rq->head, c->in, n);
	rq->head[n] = '\0';
	memmove(c->in, c->in + n, c->nin - n);
	c->nin -= n;
	if (sscanf(rq->head, "%15s %2047s", rq->method, target) != 2)
		shutdown(c->fd, SHUT_RDWR);
	mark = strchr(target, '?');
	if (mark != NULL)
		*mark++ = '\0';
	snprintf(rq->path, sizeof(rq->path), "%.1023s", target);
	snprintf(rq->query, sizeof(rq->query), "%.1023s", mark ? mark : "");
	rq->token[0] = '\0';
	if (!wire_header(rq->head, "X-Token", rq->token, sizeof(rq->token)))
		wire_query(rq->query, "t", rq->token, sizeof(rq->token));
	if (first_us == 0 && rq->token[0] != '\0')
		first_us = wire_now_us();
	if (wire_header(rq->head, "Connection", value, sizeof(value)) &&
	    strcasecmp(value, "close") == 0)
		c->close = true;
	wire_body_init(&rq->body, rq->head, false);
	c->has_head = true;
	if (wire_header(rq->head, "Expect", value, sizeof(value)) &&
	    !rq->body.over)
		wire_printf(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* What has come in, as far as one request; the next waits for its answer. */
static void
conn_read(struct conn *c)
{
	size_t n;
	long took;

	if (c->asked)
		return;
	n = c->has_head ? 0 : wire_head_length(c->in, c->nin);
	if (n > 0)
		read_head(c, n);
	if (!c->has_head)
		return;
	took = wire_body_take(&c->rq.body, c->in, c->nin);
	if (took < 0) {
		shutdown(c->fd, SHUT_RDWR);
		return;
	}
	memmove(c->in, c->in + took, c->nin - (size_t)took);
	c->nin -= (size_t)took;
	if (c->rq.body.over)
		serve(c);
}

bool
conn_due(const struct conn *c)
{
	return c->asked && c->due_us <= wire_now_us();
}

static void
big_more(struct conn *c)
{
	char piece[16384];
	size_t n = sizeof(piece);

	if (c->big_left < n)
		n = (size_t)c->big_left;
	for (size_t i = 0; i < n; i++)
		piece[i] = (char)('a' + (c->big_at + i) % 26);
	if (c->big_chunked)
		wire_printf(&c->out, "%zx\r\n", n);
	wire_bytes(&c->out, piece, n);
	c->big_at += n;
	c->big_left -= n;
	if (c->big_chunked)
		wire_printf(&c->out, "\r\n%s", c->big_left ? "" : "0\r\n\r\n");
}

/* The rest of the answer, as far as the socket takes it. */
void
conn_writable(struct conn *c)
{
	ssize_t n;

	if (c->sent < c->out.n) {
		n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN) {
			conn_end(c);
			return;
		}
		c->sent += n > 0 ? (size_t)n : 0;
	}
	if (c->sent < c->out.n)
		return;
	c->sent = c->out.n = 0;
	if (c->big_left > 0) {
		big_more(c);
		return;
	}
	if (!conn_due(c))
		return;
	c->asked = c->has_head = false;
	if (c->close || terminated)
		conn_end(c);
	else
		conn_read(c);
}

void
conn_readable(struct conn *c)
{
	ssize_t n = recv(
	    c->fd, c->in + c->nin, sizeof(c->in) - c->nin, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		conn_end(c);
		return;
	}
	if (n > 0)
		c->nin += (size_t)n;
	conn_read(c);
}
