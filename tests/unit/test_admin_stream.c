/* SPDX-License-Identifier: ISC */

/* The admin API's streams, and its end. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_peer.h"

/* --- events --------------------------------------------------------------- */

static void
events_come_from_the_last_one_seen(void **state)
{
	int fd;

	(void)state;
	peer_start(ROLE_ADMIN);
	fake_event(&control, "image.0", "starting", "ready");
	fake_event(&control, "image.1", "starting", "ready");
	reply_clear(&reply);
	fd = peer_open("/v1/events", "Last-Event-ID: 1\r\n");
	assert_true(reply_wait(&reply, fd, "id: 2\n"));
	assert_null(strstr(reply.text, "id: 1\n"));
	fake_event(&control, "image.1", "ready", "draining");
	assert_true(reply_wait(&reply, fd, "id: 3\ndata: {\"id\":3,"));
	assert_non_null(strstr(reply.text, "text/event-stream"));
	close(fd);
	peer_run(20);
	assert_true(list_empty(&control.watches));
	peer_stop();
}

static void
events_without_follow_end(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	fake_event(&control, "image.0", "starting", "ready");
	assert_int_equal(peer_get("/v1/events?follow=false"), 200);
	assert_non_null(strstr(reply.body, "id: 1\n"));
	assert_non_null(strstr(reply.body, "\r\n0\r\n\r\n"));
	peer_stop();
}

static void
a_bad_event_id_is_400(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	peer_ask(ROLE_ADMIN, "GET", "/v1/events", "Last-Event-ID: x\r\n", "");
	assert_problem(400, "bad-value", "Last-Event-ID");
	peer_stop();
}

static void
head_of_a_stream_is_only_its_head(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	peer_ask(ROLE_ADMIN, "HEAD", "/v1/events", "", "");
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "");
	assert_true(list_empty(&control.watches));
	peer_stop();
}

/* --- logs ----------------------------------------------------------------- */

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void
logs_are_lines_of_json(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	assert_int_equal(peer_get("/v1/services/image/logs"), 200);
	assert_int_equal(count(reply.body, "\"instance\":\"image.0\""), 5);
	peer_get("/v1/services/image/logs?lines=2");
	assert_int_equal(count(reply.body, "\"instance\""), 2);
	peer_get("/v1/services/image/logs?instance=image.1");
	assert_int_equal(count(reply.body, "\"instance\":\"image.1\""), 5);
	peer_get("/v1/services/image/logs?since=10m");
	assert_int_equal(count(reply.body, "\"instance\""), 0);
	peer_get("/v1/services/image/logs?instance=video.0");
	assert_problem(400, "bad-value", "instance");
	peer_get("/v1/services/image/logs?instance=image.7");
	assert_problem(404, "not-found", NULL);
	peer_stop();
}

static void
logs_follow_until_the_reader_hangs_up(void **state)
{
	int fd;

	(void)state;
	peer_start(ROLE_ADMIN);
	reply_clear(&reply);
	fd = peer_open("/v1/services/image/logs?follow=1&lines=1", "");
	assert_true(reply_wait(&reply, fd, "\"line\""));
	fake_line(&control, "image.0", "something new");
	assert_true(reply_wait(&reply, fd, "something new"));
	assert_int_equal(control.followers, 1);
	close(fd);
	peer_run(20);
	assert_int_equal(control.followers, 0);
	peer_stop();
}

/* --- ceilings ------------------------------------------------------------- */

static uint64_t
metric(const char *name)
{
	char want[128];
	const char *at;

	assert_int_equal(peer_get("/metrics"), 200);
	snprintf(want, sizeof(want), "\n%s ", name);
	at = strstr(reply.body, want);
	assert_non_null(at);
	return strtoull(at + strlen(want), NULL, 10);
}

static void
a_reader_too_slow_is_cut_and_counted(void **state)
{
	static char line[4096];
	int fd;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	peer_start(ROLE_ADMIN);
	reply_clear(&reply);
	fd = peer_open("/v1/services/image/logs?follow=1", "");
	assert_true(reply_wait(&reply, fd, "\"line\""));
	for (unsigned i = 0; i < 1000 && control.followers > 0; i++) {
		fake_line(&control, "image.0", line);
		peer_run(i % 10 == 0);
	}
	assert_int_equal(control.followers, 0);
	assert_int_equal(metric("drover_admin_streams_cut_total"), 1);
	assert_int_equal(metric("drover_admin_streams"), 0);
	reply_clear(&reply);
	assert_true(reply_wait(&reply, fd, NULL));
	assert_null(strstr(reply.text, "\r\n0\r\n\r\n"));
	close(fd);
	peer_stop();
}

static void
a_reader_that_keeps_up_is_not_cut(void **state)
{
	static char line[4096];
	int fd;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	peer_start(ROLE_ADMIN);
	reply_clear(&reply);
	fd = peer_open("/v1/services/image/logs?follow=1", "");
	assert_true(reply_wait(&reply, fd, "\"line\""));
	for (unsigned i = 0; i < 300; i++) {
		fake_line(&control, "image.0", line);
		peer_run(0);
		reply.len = 0;
		reply_read(&reply, fd);
	}
	assert_int_equal(control.followers, 1);
	close(fd);
	peer_run(20);
	peer_stop();
}

static void
streams_have_a_ceiling(void **state)
{
	int fds[ADMIN_STREAMS];

	(void)state;
	peer_start(ROLE_ADMIN);
	for (size_t i = 0; i < ADMIN_STREAMS; i++) {
		reply_clear(&reply);
		fds[i] = peer_open("/v1/events", "");
		assert_true(reply_wait(&reply, fds[i], "retry:"));
	}
	peer_get("/v1/events");
	assert_problem(503, "too-many-streams", NULL);
	assert_int_equal(metric("drover_admin_streams"), ADMIN_STREAMS);
	assert_int_equal(metric("drover_admin_streams_refused_total"), 1);
	close(fds[0]);
	peer_run(20);
	assert_int_equal(peer_get("/v1/events?follow=0"), 200);
	for (size_t i = 1; i < ADMIN_STREAMS; i++)
		close(fds[i]);
	peer_run(20);
	peer_stop();
}

/* --- the end -------------------------------------------------------------- */

static void
drain_ends_streams_whole(void **state)
{
	int fd;

	(void)state;
	peer_start(ROLE_ADMIN);
	reply_clear(&reply);
	fd = peer_open("/v1/events", "");
	assert_true(reply_wait(&reply, fd, "retry:"));
	admin_drain(admin, NULL, NULL);
	admin_drain(admin, NULL, NULL);
	assert_true(reply_wait(&reply, fd, "\r\n0\r\n\r\n"));
	close(fd);
	assert_true(list_empty(&control.watches));
	peer_stop();
}

static void
free_lets_go_of_open_streams(void **state)
{
	int fd, fd2;

	(void)state;
	peer_start(ROLE_ADMIN);
	reply_clear(&reply);
	fd = peer_open("/v1/events", "");
	assert_true(reply_wait(&reply, fd, "retry:"));
	fd2 = peer_open("/v1/services/image/logs?follow=1", "");
	reply_clear(&reply);
	assert_true(reply_wait(&reply, fd2, "\"line\""));
	peer_stop();
	close(fd);
	close(fd2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_from_the_last_one_seen),
		cmocka_unit_test(events_without_follow_end),
		cmocka_unit_test(a_bad_event_id_is_400),
		cmocka_unit_test(head_of_a_stream_is_only_its_head),
		cmocka_unit_test(logs_are_lines_of_json),
		cmocka_unit_test(logs_follow_until_the_reader_hangs_up),
		cmocka_unit_test(a_reader_too_slow_is_cut_and_counted),
		cmocka_unit_test(a_reader_that_keeps_up_is_not_cut),
		cmocka_unit_test(streams_have_a_ceiling),
		cmocka_unit_test(drain_ends_streams_whole),
		cmocka_unit_test(free_lets_go_of_open_streams),
	};

	return cmocka_run_group_tests(tests, peer_set_up, peer_tear_down);
}
