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

#include "base/clock.h"
#include "base/fd.h"
#include "redis/redis.h"
#include "redis/script.h"
#include "redis_server.h"

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
	const char *const extra[] = { "--user", "default", "off", "--user", "u",
		"on", ">pw", "~*", "&*", "+@all", NULL };

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
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
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
