/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "redis/redis.h"
#include "redis/script.h"
#include "redis_server.h"

/* --- url ------------------------------------------------------------------ */

struct good {
	const char *text, *host, *path, *user, *password;
	unsigned port, db;
	const char *again; /* redis_url_text() */
};

/* clang-format off */
static const struct good good[] = {
	{ "redis://h", "h", "", "", "", 6379, 0, "redis://h:6379/0" },
	{ "redis://h/", "h", "", "", "", 6379, 0, "redis://h:6379/0" },
	{ "redis://10.0.0.1:7000/3", "10.0.0.1", "", "", "", 7000, 3,
	    "redis://10.0.0.1:7000/3" },
	{ "redis://[::1]:7000/3", "::1", "", "", "", 7000, 3,
	    "redis://[::1]:7000/3" },
	{ "redis://[::1]", "::1", "", "", "", 6379, 0, "redis://[::1]:6379/0" },
	{ "redis://:pw@h", "h", "", "", "pw", 6379, 0, "redis://:pw@h:6379/0" },
	{ "redis://u:p%40%3A%2f@h:1", "h", "", "u", "p@:/", 1, 0,
	    "redis://u:p%40%3A%2F@h:1/0" },
	{ "redis://u:a@b@h", "h", "", "u", "a@b", 6379, 0,
	    "redis://u:a%40b@h:6379/0" },
	{ "redis://h?db=4&user=u&pass=p", "h", "", "u", "p", 6379, 4,
	    "redis://u:p@h:6379/4" },
	{ "unix:///run/r.sock", "", "/run/r.sock", "", "", 0, 0,
	    "unix:///run/r.sock?db=0" },
	{ "redis+unix:///r.sock", "", "/r.sock", "", "", 0, 0,
	    "unix:///r.sock?db=0" },
	{ "unix://services:pw@/run/a b%3f/r.sock?db=16383", "",
	    "/run/a b?/r.sock", "services", "pw", 0, 16383,
	    "unix://services:pw@/run/a%20b%3F/r.sock?db=16383" },
};

static const struct { const char *text, *error; } bad[] = {
	{ "", "redis:// or unix://" },
	{ "h:6379", "redis:// or unix://" },
	{ "http://h", "redis:// or unix://" },
	{ "rediss://h", "TLS" },
	{ "redis://", "host" },
	{ "redis:///0", "host" },
	{ "redis://h:", "port" },
	{ "redis://h:0", "port" },
	{ "redis://h:65536", "port" },
	{ "redis://h:+1", "port" },
	{ "redis://h:1/x", "db" },
	{ "redis://h/16384", "db" },
	{ "redis://h/-1", "db" },
	{ "redis://h/1/2", "db" },
	{ "redis://[::1", "host" },
	{ "redis://[::1]x", "host" },
	{ "redis://a b", "host" },
	{ "redis://u@h", "without a password" },
	{ "redis://u:%zz@h", "hex" },
	{ "redis://u:%4@h", "hex" },
	{ "redis://u:%00@h", "control" },
	{ "redis://u:p%0a@h", "control" },
	{ "redis://h?db", "'='" },
	{ "redis://h?tls=1", "not known" },
	{ "unix://", "absolute" },
	{ "unix://r.sock", "before the path" },
	{ "unix://h/r.sock", "before the path" },
	{ "unix:///r%0", "hex" },
};
/* clang-format on */

static void
urls_are_read_and_written(void **state)
{
	struct redis_url url;
	char text[REDIS_URL_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const struct good *g = &good[i];

		assert_int_equal(
		    redis_url_parse(&url, span_of(g->text), NULL), 0);
		assert_string_equal(url.host, g->host);
		assert_string_equal(url.path, g->path);
		assert_string_equal(url.user, g->user);
		assert_string_equal(url.password, g->password);
		assert_int_equal(url.port, g->port);
		assert_int_equal(url.db, g->db);
		assert_int_equal(redis_url_text(&url, text, sizeof(text)), 0);
		assert_string_equal(text, g->again);
		assert_int_equal(redis_url_parse(&url, span_of(text), NULL), 0);
		assert_string_equal(url.password, g->password);
	}
}

static void
a_bad_url_is_refused_with_its_part(void **state)
{
	struct redis_url url;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { "" };

		if (redis_url_parse(&url, span_of(bad[i].text), &err) !=
			-EINVAL ||
		    strstr(err.text, bad[i].error) == NULL)
			fail_msg("%s: \"%s\"", bad[i].text, err.text);
	}
}

static void
a_url_too_long_is_refused_and_never_shown_with_its_password(void **state)
{
	struct redis_url url;
	struct err err;
	char text[REDIS_URL_MAX + 64], shown[512];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "unix:///", 8);
	assert_int_equal(
	    redis_url_parse(&url, (struct span){ text, 200 }, &err),
	    -ENAMETOOLONG);
	assert_int_equal(
	    redis_url_parse(&url, (struct span){ text, 7 + 107 }, &err), 0);
	assert_int_equal(
	    redis_url_parse(&url, (struct span){ text, 7 + 108 }, &err),
	    -ENAMETOOLONG);
	assert_int_equal(redis_url_parse(&url,
			     (struct span){ text, REDIS_URL_MAX + 1 }, &err),
	    -ENAMETOOLONG);
	assert_int_equal(
	    redis_url_parse(&url, SPAN("redis://u:secret@h:1x"), &err),
	    -EINVAL);
	assert_null(strstr(err.text, "secret"));
	assert_int_equal(
	    redis_url_parse(&url, SPAN("redis://u:secret@h:1"), &err), 0);
	assert_string_equal(redis_url_show(&url, shown, sizeof(shown)), "h:1");
	assert_int_equal(redis_url_text(&url, shown, 8), -ENAMETOOLONG);
	assert_string_equal(shown, "");
}

static void
a_url_that_finds_no_memory_says_so(void **state)
{
	struct redis_url url;
	char text[256];

	(void)state;
	assert_int_equal(redis_url_parse(&url, SPAN("redis://u:p@h"), NULL), 0);
	ALLOC_FAIL_EACH({
		int r = redis_url_text(&url, text, sizeof(text));

		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
	});
}

/* --- replies -------------------------------------------------------------- */

static int
next(struct redis_reader *reader, const char *bytes,
    const struct redis_reply **reply)
{
	int r = redis_reader_feed(reader, bytes, strlen(bytes));

	return r < 0 ? r : redis_reader_next(reader, reply);
}

static void
replies_come_whole_however_they_are_cut(void **state)
{
	static const char bytes[] = "*4\r\n$3\r\nabc\r\n:-7\r\n*2\r\n$-1\r\n+"
				    "OK\r\n$0\r\n\r\n-ERR x\r\n";
	const struct redis_reply *reply, *inner;
	struct redis_reader *reader = redis_reader_new(1 << 20);
	int got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		assert_int_equal(redis_reader_feed(reader, &bytes[i], 1), 0);
		got += redis_reader_next(reader, &reply);
	}
	assert_int_equal(got, 2);
	redis_reader_free(reader);
	reader = redis_reader_new(1 << 20);
	assert_int_equal(next(reader, bytes, &reply), 1);
	assert_int_equal(reply->n, 4);
	assert_string_equal(reply->item[0]->str.p, "abc");
	assert_int_equal(reply->item[1]->integer, -7);
	inner = redis_reply_at(reply, 2);
	assert_true(redis_reply_is(inner->item[0], REDIS_NIL));
	assert_true(redis_reply_is(inner->item[1], REDIS_STATUS));
	assert_null(redis_reply_at(inner, 2));
	assert_null(redis_reply_at(reply->item[0], 0));
	assert_int_equal(reply->item[3]->str.n, 0);
	assert_int_equal(redis_reader_next(reader, &reply), 1);
	assert_true(redis_reply_fails(reply, "ERR"));
	assert_false(redis_reply_fails(reply, "ER"));
	assert_int_equal(redis_reader_next(reader, &reply), 0);
	redis_reader_free(reader);
	redis_reader_free(NULL);
}

static void
a_reply_over_its_ceiling_is_refused(void **state)
{
	const struct redis_reply *reply;
	struct redis_reader *reader = redis_reader_new(1024);
	char chunk[512];

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(next(reader, "$100000\r\n", &reply), 0);
	assert_int_equal(redis_reader_feed(reader, chunk, 512), 0);
	assert_int_equal(redis_reader_next(reader, &reply), 0);
	assert_int_equal(redis_reader_feed(reader, chunk, 512), 0);
	assert_int_equal(redis_reader_next(reader, &reply), -ENOBUFS);
	redis_reader_free(reader);

	reader = redis_reader_new(1024);
	assert_int_equal(next(reader, "*100000000\r\n", &reply), -ENOBUFS);
	redis_reader_free(reader);

	/* Small ones one after another are none of it. */
	reader = redis_reader_new(64);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(
		    next(reader, "$10\r\n0123456789\r\n", &reply), 1);
		assert_int_equal(redis_reader_next(reader, &reply), 0);
	}
	redis_reader_free(reader);
}

static void
what_is_no_reply_is_refused(void **state)
{
	static const char *const bytes[] = { "hello\r\n", "$x\r\n", ":1x\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
		"HTTP/1.1 400 Bad Request\r\n" };
	const struct redis_reply *reply;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
		struct redis_reader *reader = redis_reader_new(1 << 20);

		assert_int_equal(next(reader, bytes[i], &reply), -EPROTO);
		redis_reader_free(reader);
	}
}

static void
numbers_in_replies_are_strict(void **state)
{
	struct redis_reader *reader = redis_reader_new(1 << 20);
	const struct redis_reply *r;
	uint64_t n;

	(void)state;
	assert_int_equal(
	    next(reader, "*5\r\n:7\r\n:-7\r\n$2\r\n12\r\n$2\r\n1x\r\n+1\r\n",
		&r),
	    1);
	assert_int_equal(redis_reply_u64(r->item[0], &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(redis_reply_u64(r->item[1], &n), -EINVAL);
	assert_int_equal(redis_reply_u64(r->item[2], &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(redis_reply_u64(r->item[3], &n), -EINVAL);
	assert_int_equal(redis_reply_u64(r->item[4], &n), -EINVAL);
	assert_int_equal(redis_reply_u64(NULL, &n), -EINVAL);
	redis_reader_free(reader);
}

static void
a_reader_that_finds_no_memory_says_so(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		struct redis_reader *reader = redis_reader_new(1 << 16);
		const struct redis_reply *reply = NULL;

		if (reader != NULL) {
			int r = next(reader,
			    "*3\r\n$3\r\nabc\r\n:1\r\n*1\r\n+x\r\n", &reply);

			assert_true(r == 1 || (alloc_failed() && r == -ENOMEM));
		} else
			assert_true(alloc_failed());
		redis_reader_free(reader);
	});
}

/* --- the connection ------------------------------------------------------- */

struct client {
	struct loop *loop;
	struct redis_server server;
	struct redis *redis;
	unsigned ups, downs;
	bool up;
	char reason[256];
	char answers[256]; /* of commands, joined by spaces */
	unsigned answered, errors;
	int error;
	bool free_in_answer, free_in_down;
	char url[512];
};

static void
on_up(void *arg)
{
	struct client *c = arg;

	c->ups++;
	c->up = true;
}

static void
on_down(void *arg, const char *reason)
{
	struct client *c = arg;

	c->downs++;
	c->up = false;
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
	if (c->free_in_down) {
		redis_free(c->redis);
		c->redis = NULL;
	}
}

static const struct redis_ops ops = { .up = on_up, .down = on_down };

static void
on_answer(void *arg, const struct redis_reply *reply, int error)
{
	struct client *c = arg;
	size_t n = strlen(c->answers);

	c->answered++;
	if (error < 0) {
		c->errors++;
		c->error = error;
	} else if (redis_reply_is(reply, REDIS_INTEGER))
		snprintf(c->answers + n, sizeof(c->answers) - n, "%lld ",
		    (long long)reply->integer);
	else
		snprintf(c->answers + n, sizeof(c->answers) - n, "%s ",
		    reply->str.p);
	if (c->free_in_answer) {
		redis_free(c->redis);
		c->redis = NULL;
	}
}

static int
setup(void **state)
{
	struct client *c = calloc(1, sizeof(*c));

	c->loop = loop_new(NULL);
	server_open(&c->server);
	snprintf(c->url, sizeof(c->url), "%s", c->server.url);
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	struct client *c = *state;

	redis_free(c->redis);
	loop_free(c->loop);
	server_done(&c->server);
	free(c);
	return 0;
}

static void
connect_with(struct client *c, const struct redis_limits *limits)
{
	struct redis_url url;

	assert_int_equal(redis_url_parse(&url, span_of(c->url), NULL), 0);
	c->redis = redis_new(c->loop, &url, limits, &ops, c);
	assert_non_null(c->redis);
	redis_start(c->redis);
}

static bool
is_up(void *arg)
{
	return ((struct client *)arg)->up;
}

static bool
is_down(void *arg)
{
	struct client *c = arg;

	return !c->up && c->downs > 0;
}

static bool
all_answered(void *arg)
{
	struct client *c = arg;

	return c->redis == NULL || redis_waiting(c->redis) == 0;
}

static void
come_up(struct client *c)
{
	server_start(&c->server, NULL);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_up, c, 5000));
}

static int
ask(struct client *c, const char *a, const char *b)
{
	struct span argv[] = { span_of(a), span_of(b) };

	return redis_command(c->redis, argv, b != NULL ? 2 : 1, on_answer, c);
}

static void
answers_come_in_the_order_of_commands(void **state)
{
	struct client *c = *state;

	come_up(c);
	assert_int_equal(ask(c, "ECHO", "1"), 0);
	assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_int_equal(ask(c, "NOPE", NULL), 0);
	assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_int_equal(c->answered, 0); /* never from inside */
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_int_equal(c->answered, 4);
	assert_int_equal(strncmp(c->answers, "1 1 ERR unknown", 15), 0);
	assert_string_equal(c->answers + strlen(c->answers) - 3, " 2 ");
	assert_true(redis_is_up(c->redis)); /* an error is an answer */
}

static void
arguments_are_binary_safe(void **state)
{
	struct client *c = *state;
	struct span argv[] = { SPAN("STRLEN"), SPAN("k\0\r\n") };
	struct span set[] = { SPAN("SET"), SPAN("k\0\r\n"), SPAN("\0\r\n$1") };

	come_up(c);
	assert_int_equal(redis_command(c->redis, set, 3, NULL, NULL), 0);
	assert_int_equal(redis_command(c->redis, argv, 2, on_answer, c), 0);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_string_equal(c->answers, "5 ");
}

static void
nothing_is_accepted_while_it_is_down(void **state)
{
	struct client *c = *state;

	connect_with(c, NULL);
	assert_int_equal(ask(c, "PING", NULL), -ENOTCONN);
	assert_true(loop_until(c->loop, is_down, c, 2000));
	assert_non_null(strstr(c->reason, "No such file"));
	assert_non_null(strstr(c->reason, c->server.sock));
	assert_int_equal(ask(c, "PING", NULL), -ENOTCONN);
	server_start(&c->server, NULL);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	assert_int_equal(c->ups, 1);
}

static void
the_queue_has_ceilings(void **state)
{
	struct client *c = *state;
	const struct redis_limits limits = { .waiting = 10, .out = 4096 };
	char big[8192];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	server_start(&c->server, NULL);
	connect_with(c, &limits);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	assert_int_equal(ask(c, "ECHO", big), -ENOBUFS);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_int_equal(ask(c, "INCR", "k"), -ENOBUFS);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_int_equal(c->answered, 10);
	assert_string_equal(c->answers, "1 2 3 4 5 6 7 8 9 10 ");
	assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
}

static void
a_killed_server_answers_each_command_once_with_an_error(void **state)
{
	struct client *c = *state;

	come_up(c);
	server_signal(&c->server, SIGSTOP);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(c, "INCR", "k"), 0);
	loop_for(c->loop, 20);
	server_kill(&c->server);
	assert_true(loop_until(c->loop, is_down, c, 2000));
	assert_int_equal(c->answered, 100);
	assert_int_equal(c->errors, 100);
	assert_int_equal(c->error, -ECONNRESET);
	server_start(&c->server, NULL);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_int_equal(c->answered, 101);
}

static void
a_stopped_server_is_a_timeout(void **state)
{
	struct client *c = *state;
	const struct redis_limits limits = { .command_ms = 150 };
	uint64_t began;

	server_start(&c->server, NULL);
	connect_with(c, &limits);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	server_signal(&c->server, SIGSTOP);
	began = clock_ms();
	assert_int_equal(ask(c, "PING", NULL), 0);
	assert_true(loop_until(c->loop, is_down, c, 3000));
	assert_in_range(clock_ms() - began, 140, 1500);
	assert_int_equal(c->error, -ETIMEDOUT);
	assert_non_null(strstr(c->reason, "no answer for 150 ms"));
	/* The kernel accepts for it; the greeting then times out as well. */
	loop_for(c->loop, 600);
	assert_false(c->up);
	server_signal(&c->server, SIGCONT);
	assert_true(loop_until(c->loop, is_up, c, 5000));
}

static void
a_silent_connection_is_pinged(void **state)
{
	struct client *c = *state;
	const struct redis_limits limits = { .command_ms = 100,
		.ping_ms = 100 };

	server_start(&c->server, NULL);
	connect_with(c, &limits);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	loop_for(c->loop, 500);
	assert_int_equal(c->downs, 0); /* pinged and answered */
	server_signal(&c->server, SIGSTOP);
	assert_true(loop_until(c->loop, is_down, c, 2000));
	server_signal(&c->server, SIGCONT);
}

static void
a_wrong_password_is_said(void **state)
{
	struct client *c = *state;
	const char *const extra[] = { "--user", "default", "off", "--user",
		"u", "on", ">pw", "~*", "&*", "+@all", NULL };

	server_start(&c->server, extra);
	snprintf(c->url, sizeof(c->url), "unix://u:no@%s", c->server.sock);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_down, c, 2000));
	assert_non_null(strstr(c->reason, "WRONGPASS"));
	redis_free(c->redis);
	c->downs = 0;
	snprintf(c->url, sizeof(c->url), "unix://%s", c->server.sock);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_down, c, 2000));
	assert_non_null(strstr(c->reason, "NOAUTH"));
	redis_free(c->redis);
	snprintf(c->url, sizeof(c->url), "unix://u:pw@%s?db=3", c->server.sock);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_up, c, 2000));
}

static void
a_database_is_chosen(void **state)
{
	struct client *c = *state;

	server_start(&c->server, NULL);
	snprintf(c->url, sizeof(c->url), "unix://%s?db=3", c->server.sock);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_up, c, 2000));
	assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_non_null(
	    strstr(server_ask(&c->server, "INFO keyspace"), "db3:keys=1"));
	redis_free(c->redis);
	c->downs = 0;
	snprintf(c->url, sizeof(c->url), "unix://%s?db=999", c->server.sock);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_down, c, 2000));
	assert_non_null(strstr(c->reason, "out of range"));
}

static void
tries_are_spaced_and_a_kick_does_not_wait(void **state)
{
	struct client *c = *state;
	const struct redis_limits limits = { .backoff_ms = 60000 };
	uint64_t began;

	connect_with(c, &limits);
	loop_for(c->loop, 2000);
	/* At 0, then after 100, 200, 400, 800 ms, each +-25 %. */
	assert_in_range(c->downs, 4, 6);
	loop_for(c->loop, 1500);
	assert_in_range(c->downs, 4, 7);
	server_start(&c->server, NULL);
	began = clock_ms();
	redis_kick(c->redis);
	assert_true(loop_until(c->loop, is_up, c, 2000));
	assert_in_range(clock_ms() - began, 0, 500);
}

static void
tcp_and_names_work(void **state)
{
	struct client *c = *state;
	char port[8] = "0";
	const char *extra[] = { "--port", port, "--bind", "127.0.0.1", NULL };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	snprintf(port, sizeof(port), "%u", ntohs(in.sin_port));
	fd_close(&fd);
	server_start(&c->server, extra);
	snprintf(c->url, sizeof(c->url), "redis://localhost:%s", port);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	redis_free(c->redis);
	c->up = false;
	snprintf(c->url, sizeof(c->url), "redis://127.0.0.1:%s/1", port);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	redis_free(c->redis);
	c->up = false;
	snprintf(
	    c->url, sizeof(c->url), "redis://no-such-host.invalid:%s", port);
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_down, c, 10000));
	assert_non_null(strstr(c->reason, "no-such-host.invalid"));
}

static void
freeing_a_look_up_under_way_is_safe(void **state)
{
	struct client *c = *state;

	snprintf(c->url, sizeof(c->url), "redis://no-such-host.invalid");
	for (unsigned i = 0; i < 8; i++) {
		connect_with(c, NULL);
		loop_for(c->loop, i);
		redis_free(c->redis);
		c->redis = NULL;
	}
	loop_for(c->loop, 100);
}

static void
it_may_be_freed_inside_its_own_callbacks(void **state)
{
	struct client *c = *state;

	come_up(c);
	c->free_in_answer = true;
	for (int i = 0; i < 5; i++)
		assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_null(c->redis);
	assert_int_equal(c->answered, 5); /* one answer, four -ECANCELED */
	assert_int_equal(c->errors, 4);
	assert_int_equal(c->error, -ECANCELED);

	c->free_in_answer = false;
	c->up = false;
	connect_with(c, NULL);
	assert_true(loop_until(c->loop, is_up, c, 2000));
	assert_int_equal(ask(c, "INCR", "k"), 0);
	c->free_in_down = true;
	server_kill(&c->server);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	loop_for(c->loop, 50);
	assert_null(c->redis);
}

static struct redis_script script = { .text = "return 'v' .. ARGV[1]" };

static int
eval(struct client *c, const char *arg)
{
	struct span args[] = { SPAN("k"), span_of(arg) };

	return redis_script_eval(c->redis, &script, args, 2, 1, on_answer, c);
}

static void
scripts_survive_a_flush(void **state)
{
	struct client *c = *state;

	come_up(c);
	assert_int_equal(eval(c, "1"), 0); /* not loaded: as text */
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_string_equal(script.sha, "");
	redis_script_load(c->redis, &script);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_int_equal(strlen(script.sha), 40);
	assert_int_equal(eval(c, "2"), 0);
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	server_ask(&c->server, "SCRIPT FLUSH");
	assert_int_equal(eval(c, "3"), 0); /* NOSCRIPT, then as text */
	assert_true(loop_until(c->loop, all_answered, c, 2000));
	assert_string_equal(c->answers, "v1 v2 v3 ");
	assert_int_equal(eval(c, "4"), 0);
	assert_int_equal(eval(c, "5"), 0);
	redis_free(c->redis); /* frees what they keep */
	c->redis = NULL;
	assert_int_equal(c->errors, 2);
}

static void
a_server_that_became_a_replica_is_left(void **state)
{
	struct client *c = *state;

	come_up(c);
	server_ask(&c->server, "REPLICAOF 127.0.0.1 1");
	assert_int_equal(ask(c, "INCR", "k"), 0);
	assert_true(loop_until(c->loop, is_down, c, 2000));
	assert_int_equal(strncmp(c->reason, "READONLY", 8), 0);
}

/* A server of our own, to say what Redis never would. */
static int
fake_server(struct client *c)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", c->server.sock);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void
nonsense_breaks_the_connection(void **state)
{
	static const char *const said[] = { "+PONG\r\n+PONG\r\n",
		"+PONG\r\nhello\r\n", "+PONG\r\n*9999999999999\r\n", "" };
	struct client *c = *state;
	int fd = fake_server(c);

	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		unsigned downs = c->downs;
		int peer;

		connect_with(c, NULL);
		loop_for(c->loop, 20);
		peer = accept(fd, NULL, NULL);
		assert_true(peer >= 0);
		assert_int_equal(
		    fd_write_all(peer, said[i], strlen(said[i])), 0);
		if (said[i][0] == '\0')
			fd_close(&peer);
		loop_for(c->loop, 50);
		assert_true(c->downs > downs);
		redis_free(c->redis);
		c->redis = NULL;
		fd_close(&peer);
		/* The next try may wait in the backlog already. */
		close(fd);
		unlink(c->server.sock);
		fd = fake_server(c);
	}
	fd_close(&fd);
}

static void
a_large_pipeline_arrives_whole(void **state)
{
	struct client *c = *state;
	const struct redis_limits limits = { .waiting = 20000,
		.out = 64 << 20 };
	char big[2001];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	server_start(&c->server, NULL);
	connect_with(c, &limits);
	assert_true(loop_until(c->loop, is_up, c, 5000));
	for (int i = 0; i < 10000; i++)
		assert_int_equal(ask(c, "INCR", "n"), 0);
	for (int i = 0; i < 5000; i++) {
		struct span argv[] = { SPAN("RPUSH"), SPAN("k"), span_of(big) };

		assert_int_equal(
		    redis_command(c->redis, argv, 3, on_answer, c), 0);
	}
	assert_true(loop_until(c->loop, all_answered, c, 20000));
	assert_int_equal(c->answered, 15000);
	assert_int_equal(c->errors, 0);
	assert_string_equal(server_ask(&c->server, "LLEN k"), "5000");
}

int
main(void)
{
#define P(f) cmocka_unit_test(f)
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		P(urls_are_read_and_written),
		P(a_bad_url_is_refused_with_its_part),
		P(a_url_too_long_is_refused_and_never_shown_with_its_password),
		P(a_url_that_finds_no_memory_says_so),
		P(replies_come_whole_however_they_are_cut),
		P(a_reply_over_its_ceiling_is_refused),
		P(what_is_no_reply_is_refused),
		P(numbers_in_replies_are_strict),
		P(a_reader_that_finds_no_memory_says_so),
		T(answers_come_in_the_order_of_commands),
		T(arguments_are_binary_safe),
		T(nothing_is_accepted_while_it_is_down),
		T(the_queue_has_ceilings),
		T(a_killed_server_answers_each_command_once_with_an_error),
		T(a_stopped_server_is_a_timeout),
		T(a_silent_connection_is_pinged),
		T(a_wrong_password_is_said),
		T(a_database_is_chosen),
		T(tries_are_spaced_and_a_kick_does_not_wait),
		T(tcp_and_names_work),
		T(freeing_a_look_up_under_way_is_safe),
		T(it_may_be_freed_inside_its_own_callbacks),
		T(scripts_survive_a_flush),
		T(a_server_that_became_a_replica_is_left),
		T(nonsense_breaks_the_connection),
		T(a_large_pipeline_arrives_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
