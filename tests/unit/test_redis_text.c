/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "redis/reply.h"
#include "redis/url.h"

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

int
main(void)
{
#define P(f) cmocka_unit_test(f)
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
