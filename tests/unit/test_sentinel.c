/* SPDX-License-Identifier: ISC */

/* Sentinels that are right, late, wrong, hostile, or not there. */

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "redis/redis.h"
#include "redis/sentinel.h"
#include "redis_server.h"

#define PEERS 16
#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define SLAVE "*3\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n"
#define SENTINEL "*2\r\n$8\r\nsentinel\r\n*0\r\n"

/* --- a server that answers what it is told to ----------------------------- */

struct fake {
	struct loop *loop;
	struct loop_io accept;
	int listener;
	uint16_t port;
	struct peer {
		struct fake *fake;
		int fd;
		struct loop_io io;
		struct redis_reader *reader;
	} peers[PEERS];
	const char *role, *master; /* answers, as they go over the wire */
	bool mute;		   /* connects, and never says anything */
	char auth[64];		   /* the last password */
	unsigned asked, connected;
};

static void
peer_done(struct peer *p)
{
	loop_io_done(&p->io);
	redis_reader_free(p->reader);
	p->reader = NULL;
	fd_close(&p->fd);
}

static void
answer(struct peer *p, const struct redis_reply *cmd)
{
	const struct redis_reply *word = redis_reply_at(cmd, 0);
	struct fake *f = p->fake;
	const char *text = "+OK\r\n";

	assert_non_null(word);
	if (span_eq(word->str, SPAN("ROLE")))
		text = f->role;
	else if (span_eq(word->str, SPAN("AUTH")))
		snprintf(f->auth, sizeof(f->auth), "%s",
		    redis_reply_at(cmd, cmd->n - 1)->str.p);
	else if (span_eq(word->str, SPAN("SENTINEL"))) {
		f->asked++;
		assert_string_equal(redis_reply_at(cmd, 2)->str.p, "m");
		text = f->master;
	}
	if (!f->mute)
		assert_true(send(p->fd, text, strlen(text), MSG_NOSIGNAL) > 0);
}

static void
on_peer(void *arg, unsigned what)
{
	struct peer *p = arg;
	const struct redis_reply *cmd;
	char bytes[4096];
	ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);

	(void)what;
	if (n <= 0) {
		peer_done(p);
		return;
	}
	assert_int_equal(redis_reader_feed(p->reader, bytes, (size_t)n), 0);
	while (p->fd >= 0 && redis_reader_next(p->reader, &cmd) > 0)
		answer(p, cmd);
}

static void
on_accept(void *arg, unsigned what)
{
	struct fake *f = arg;

	(void)what;
	for (size_t i = 0; i < PEERS; i++) {
		struct peer *p = &f->peers[i];

		if (p->fd >= 0)
			continue;
		p->fd = accept(f->listener, NULL, NULL);
		assert_true(p->fd >= 0);
		f->connected++;
		p->fake = f;
		p->reader = redis_reader_new(1 << 16);
		loop_io_init(&p->io, f->loop, p->fd, on_peer, p);
		assert_int_equal(loop_io_want(&p->io, LOOP_READ), 0);
		return;
	}
	fail_msg("more connections than there should be");
}

static void
fake_open(struct fake *f, struct loop *loop)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sin);

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < PEERS; i++)
		f->peers[i].fd = -1;
	f->loop = loop;
	f->role = MASTER;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(f->listener, (const struct sockaddr *)&sin, n), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	getsockname(f->listener, (struct sockaddr *)&sin, &n);
	f->port = ntohs(sin.sin_port);
	loop_io_init(&f->accept, loop, f->listener, on_accept, f);
	assert_int_equal(loop_io_want(&f->accept, LOOP_READ), 0);
}

static void
fake_close(struct fake *f)
{
	for (size_t i = 0; i < PEERS; i++)
		if (f->peers[i].fd >= 0)
			peer_done(&f->peers[i]);
	loop_io_done(&f->accept);
	fd_close(&f->listener);
}

/* --- the client ----------------------------------------------------------- */

struct client {
	struct loop *loop;
	struct fake sentinel[2], server[2];
	char names[2][64]; /* what names server 0 and 1 */
	struct redis *redis;
	unsigned ups, downs;
	char reason[256];
};

static void
on_up(void *arg)
{
	((struct client *)arg)->ups++;
}

static void
on_down(void *arg, const char *reason)
{
	struct client *c = arg;

	c->downs++;
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
}

static const struct redis_ops ops = { .up = on_up, .down = on_down };

static int
setup(void **state)
{
	struct client *c = calloc(1, sizeof(*c));

	c->loop = loop_new(NULL);
	assert_non_null(c->loop);
	for (int i = 0; i < 2; i++) {
		char port[8];

		fake_open(&c->sentinel[i], c->loop);
		fake_open(&c->server[i], c->loop);
		snprintf(port, sizeof(port), "%u", c->server[i].port);
		snprintf(c->names[i], sizeof(c->names[i]),
		    "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port),
		    port);
	}
	c->sentinel[0].master = c->sentinel[1].master = c->names[0];
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	struct client *c = *state;

	redis_free(c->redis);
	loop_for(c->loop, 20);
	for (int i = 0; i < 2; i++) {
		fake_close(&c->sentinel[i]);
		fake_close(&c->server[i]);
	}
	loop_free(c->loop);
	free(c);
	return 0;
}

static void
start(struct client *c, const char *query)
{
	struct redis_sentinels list;
	struct redis_url url;
	char text[256];
	struct err err;

	snprintf(text, sizeof(text),
	    "sentinel://:pw@127.0.0.1:%u,127.0.0.1:%u?master=m%s",
	    c->sentinel[0].port, c->sentinel[1].port, query);
	assert_int_equal(
	    redis_sentinels_parse(&list, &url, span_of(text), &err), 0);
	c->redis = redis_new(c->loop, &url,
	    &(struct redis_limits){ .backoff_ms = 150, .command_ms = 300 },
	    &ops, c);
	assert_int_equal(redis_follow(c->redis, &list), 0);
	redis_start(c->redis);
}

static bool
is_up(void *arg)
{
	return redis_is_up(((struct client *)arg)->redis);
}

static bool
was_down(void *arg)
{
	return ((struct client *)arg)->downs > 0;
}

static bool
second_is_up(void *arg)
{
	struct client *c = arg;

	return redis_is_up(c->redis) && c->server[1].connected > 0;
}

static void
the_master_that_they_name_is_taken(void **state)
{
	struct client *c = *state;

	start(c, "&sentinel_pass=spw");
	assert_true(loop_until(c->loop, is_up, c, 3000));
	assert_int_equal(c->downs, 0);
	assert_int_equal(c->server[0].connected, 1);
	assert_int_equal(c->sentinel[1].connected, 0);
	/* Each gets the password that is its own. */
	assert_string_equal(c->sentinel[0].auth, "spw");
	assert_string_equal(c->server[0].auth, "pw");
}

/* Each of these is passed by: the second Sentinel is right. */
static void
a_sentinel_that_is_no_use_is_passed_by(void **state)
{
	static const char *const answers[] = { "*-1\r\n",
		"-NOAUTH Authentication required.\r\n",
		"-IDONTKNOW No such master\r\n", "+OK\r\n", ":1\r\n", "*0\r\n",
		"*1\r\n$1\r\na\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
		"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n",
		"*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n",
		"*2\r\n$9\r\n127.0.0.1\r\n$2\r\n-1\r\n",
		"*2\r\n:1\r\n$1\r\n1\r\n", "*2\r\n*0\r\n*0\r\n",
		"*2\r\n$3\r\na b\r\n$1\r\n1\r\n", "*2\r\n$3\r\na/b\r\n:1\r\n",
		"*x\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "$9999999\r\nx" };

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct client *c;

		if (i > 0)
			setup(state);
		c = *state;
		c->sentinel[0].master = answers[i];
		start(c, "");
		if (!loop_until(c->loop, is_up, c, 3000))
			fail_msg("%zu: %s", i, c->reason);
		assert_int_equal(c->downs, 0);
		assert_int_equal(c->sentinel[1].asked, 1);
		if (i + 1 < ARRAY_LEN(answers))
			teardown(state);
	}
}

static void
a_sentinel_that_is_gone_or_mute_is_passed_by(void **state)
{
	struct client *c = *state;

	c->sentinel[0].mute = true;
	start(c, "");
	assert_true(loop_until(c->loop, is_up, c, 3000));
	redis_free(c->redis);
	c->ups = 0;
	loop_io_done(&c->sentinel[0].accept);
	fd_close(&c->sentinel[0].listener);
	start(c, "");
	assert_true(loop_until(c->loop, is_up, c, 3000));
	assert_int_equal(c->downs, 0);
}

/* A stale Sentinel names what is a replica by now, or itself. */
static void
who_is_no_master_is_not_believed(void **state)
{
	struct client *c = *state;

	c->server[0].role = SLAVE;
	c->sentinel[1].master = c->names[1];
	start(c, "");
	assert_true(loop_until(c->loop, second_is_up, c, 3000));
	assert_int_equal(c->downs, 1);
	assert_non_null(strstr(c->reason, "it is not the master"));
	redis_free(c->redis);
	c->redis = NULL;

	c->server[0].role = SENTINEL;
	c->server[1].connected = c->downs = 0;
	start(c, "");
	assert_true(loop_until(c->loop, second_is_up, c, 3000));
	assert_int_equal(c->downs, 1);
}

static void
a_replica_is_waited_for_until_it_is_promoted(void **state)
{
	struct client *c = *state;

	c->server[0].role = SLAVE;
	start(c, "");
	assert_true(loop_until(c->loop, was_down, c, 3000));
	loop_for(c->loop, 300);
	assert_int_equal(c->ups, 0);
	c->server[0].role = MASTER;
	assert_true(loop_until(c->loop, is_up, c, 3000));
}

static void
nobody_who_knows_is_down_with_the_last_reason(void **state)
{
	struct client *c = *state;

	c->sentinel[0].master = c->sentinel[1].master = "*-1\r\n";
	start(c, "");
	assert_true(loop_until(c->loop, was_down, c, 3000));
	assert_non_null(strstr(c->reason, "Sentinel 127.0.0.1:"));
	assert_non_null(strstr(c->reason, "knows no m"));
	assert_int_equal(c->sentinel[0].asked + c->sentinel[1].asked, 2);
	c->sentinel[1].master = c->names[0]; /* and then one does */
	assert_true(loop_until(c->loop, is_up, c, 3000));
}

static void
a_failover_is_noticed_while_the_old_one_still_answers(void **state)
{
	struct client *c = *state;

	start(c, "");
	assert_true(loop_until(c->loop, is_up, c, 3000));
	c->sentinel[0].master = c->sentinel[1].master = c->names[1];
	assert_true(loop_until(c->loop, second_is_up, c, 5000));
	assert_int_equal(c->downs, 1);
	assert_non_null(strstr(c->reason, "no longer the master"));
}

static void
sentinels_that_die_are_not_missed(void **state)
{
	struct client *c = *state;

	start(c, "");
	assert_true(loop_until(c->loop, is_up, c, 3000));
	c->sentinel[0].mute = c->sentinel[1].mute = true;
	loop_for(c->loop, 3500); /* asked once, and no answer */
	assert_int_equal(c->downs, 0);
	assert_true(c->sentinel[0].asked + c->sentinel[1].asked > 1 ||
	    c->sentinel[0].connected + c->sentinel[1].connected > 2);
}

static void
it_may_be_freed_at_any_moment(void **state)
{
	struct client *c = *state;

	for (uint64_t ms = 0; ms < 8; ms++) {
		start(c, "");
		loop_for(c->loop, ms);
		redis_free(c->redis);
		c->redis = NULL;
		loop_for(c->loop, 5);
	}
}

/* --- the text ------------------------------------------------------------- */

static void
urls_are_read_and_written(void **state)
{
	static const char text[] =
	    "sentinel://me:p%40w@a:1,[::1]:26379,b.c:3/5?master=m-1"
	    "&sentinel_user=su&sentinel_pass=s%2Fp";
	struct redis_sentinels s;
	struct redis_url url;
	char out[REDIS_URL_MAX];
	struct err err;

	(void)state;
	assert_true(redis_sentinels_are_in(span_of(text)));
	assert_false(redis_sentinels_are_in(SPAN("redis://a")));
	assert_int_equal(
	    redis_sentinels_parse(&s, &url, span_of(text), &err), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.at[1].host, "::1");
	assert_int_equal(s.at[1].port, 26379);
	assert_string_equal(s.at[2].host, "b.c");
	assert_string_equal(s.at[2].user, "su");
	assert_string_equal(s.at[2].password, "s/p");
	assert_string_equal(s.master, "m-1");
	assert_string_equal(url.password, "p@w");
	assert_string_equal(url.host, "");
	assert_int_equal(url.db, 5);
	assert_int_equal(redis_sentinels_text(&s, &url, out, sizeof(out)), 0);
	assert_string_equal(out, text);
	assert_int_equal(redis_sentinels_parse(
			     &s, &url, SPAN("sentinel://a?master=m"), &err),
	    0);
	assert_int_equal(s.at[0].port, 26379);
}

static void
bad_urls_are_refused(void **state)
{
	static const struct {
		const char *url, *why;
	} rows[] = {
		{ "sentinel://a", "no master=NAME" },
		{ "sentinel://?master=m", "host: " },
		{ "sentinel://a,,b?master=m", "host: " },
		{ "sentinel://a:x?master=m", "port: " },
		{ "sentinel://a/x?master=m", "db: " },
		{ "sentinel://a?master=a/b", "master: not a name" },
		{ "sentinel://a?master=m&x=1", "not known after '?'" },
		{ "sentinel://u@a?master=m", "a user without a password" },
		{ "sentinel://a?master=m&sentinel_user=u",
		    "a user without a password" },
		{ "sentinel://a,b,c,d,e,f,g,h,i?master=m", "more than 8" },
	};
	struct redis_sentinels s;
	struct redis_url url;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(redis_sentinels_parse(
				&s, &url, span_of(rows[i].url), &err) < 0);
		if (strstr(err.text, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].url, err.text);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read_and_written),
		cmocka_unit_test(bad_urls_are_refused),
		T(the_master_that_they_name_is_taken),
		T(a_sentinel_that_is_no_use_is_passed_by),
		T(a_sentinel_that_is_gone_or_mute_is_passed_by),
		T(who_is_no_master_is_not_believed),
		T(a_replica_is_waited_for_until_it_is_promoted),
		T(nobody_who_knows_is_down_with_the_last_reason),
		T(a_failover_is_noticed_while_the_old_one_still_answers),
		T(sentinels_that_die_are_not_missed),
		T(it_may_be_freed_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
