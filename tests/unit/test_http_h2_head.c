/* SPDX-License-Identifier: ISC */

/* What a block of fields becomes, one row for each rule of h2.h. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "http/h2_head.h"

#define GET ":method", "GET", ":scheme", "http", ":path", "/"
#define AT ":authority", "a"

struct row {
	const char *fields[24]; /* name, value, name, value, ... */
	int verdict;
	enum head_refusal refusal;
	const char *text; /* NULL: not looked at */
};

static int
read_row(struct h2_head *hh, const char *const *f, bool trailers, bool end)
{
	h2_head_begin(hh, trailers);
	for (; f[0] != NULL; f += 2)
		if (h2_head_field(hh, span_of(f[0]), span_of(f[1])) < 0)
			return -EFBIG;
	return h2_head_end(hh, end);
}

static void
check(const struct row *rows, size_t n, bool trailers, bool end)
{
	struct h2_head hh;

	h2_head_init(&hh, 512, 6, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		int v = read_row(&hh, r->fields, trailers, end);

		if (v != r->verdict || (v == 0 && hh.refusal != r->refusal))
			fail_msg("row %zu: %d, %s", i, v,
			    head_refusal_text(hh.refusal));
		if (r->text != NULL)
			assert_true(
			    span_eq(buf_span(&hh.text), span_of(r->text)));
	}
	h2_head_done(&hh);
}

/* clang-format off */
static void
a_head_becomes_the_text_of_http1(void **state)
{
	static const struct row rows[] = {
		{ { GET, AT }, 0, 0, "GET / HTTP/1.1\r\nhost: a\r\n\r\n" },
		{ { AT, ":path", "/x?y", ":scheme", "https", ":method", "PUT", "x", "1" },
		    0, 0, "PUT /x?y HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n" },
		{ { GET, "host", "b" }, 0, 0, "GET / HTTP/1.1\r\nhost: b\r\n\r\n" },
		{ { GET, AT, "host", "A" }, 0, 0, "GET / HTTP/1.1\r\nhost: a\r\n\r\n" },
		{ { GET, AT, "cookie", "a=1", "x", "2", "cookie", "b=2" },
		    0, 0, "GET / HTTP/1.1\r\nhost: a\r\nx: 2\r\ncookie: a=1; b=2\r\n\r\n" },
		{ { GET, AT, "te", "trailers" }, 0, 0, "GET / HTTP/1.1\r\nhost: a\r\n\r\n" },
		{ { ":method", "OPTIONS", ":scheme", "http", ":path", "*", AT },
		    0, 0, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n" },
		{ { GET, AT, "x", "" }, 0, 0, "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n" },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), false, true);
}

static void
a_body_without_a_length_is_chunked(void **state)
{
	static const struct row rows[] = {
		{ { GET, AT }, 0, 0,
		    "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" },
		{ { GET, AT, "content-length", "3" }, 0, 0,
		    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n" },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), false, false);
}

static void
what_http1_cannot_say_is_malformed(void **state)
{
	static const struct row rows[] = {
		{ { GET, AT, "X", "1" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "", "1" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "a b", "1" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "a:", "1" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "a", "x\r\nb: 1" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "a", "x\x7f" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "a", " x" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "a", "x\t" }, -EBADMSG, 0, NULL },
		{ { GET, AT, ":other", "1" }, -EBADMSG, 0, NULL },
		{ { GET, AT, ":protocol", "websocket" }, -EBADMSG, 0, NULL },
		{ { GET, AT, ":status", "200" }, -EBADMSG, 0, NULL },
		{ { GET, AT, AT }, -EBADMSG, 0, NULL },
		{ { GET, AT, ":path", "/" }, -EBADMSG, 0, NULL },
		{ { GET, "x", "1", AT }, -EBADMSG, 0, NULL },
		{ { ":scheme", "http", ":path", "/", AT }, -EBADMSG, 0, NULL },
		{ { ":method", "GET", ":path", "/", AT }, -EBADMSG, 0, NULL },
		{ { ":method", "GET", ":scheme", "http", AT }, -EBADMSG, 0, NULL },
		{ { ":method", "GET", ":scheme", "http", ":path", "", AT }, -EBADMSG, 0, NULL },
		{ { ":method", "GE T", ":scheme", "http", ":path", "/", AT }, -EBADMSG, 0, NULL },
		{ { ":method", "CONNECT", ":scheme", "http", ":path", "/", AT }, -EBADMSG, 0, NULL },
		{ { ":method", "CONNECT" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "connection", "x" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "keep-alive", "x" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "proxy-connection", "x" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "transfer-encoding", "chunked" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "upgrade", "h2c" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "te", "gzip" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "te", "trailers, gzip" }, -EBADMSG, 0, NULL },
		{ { GET, AT, "content-length", "1" }, -EBADMSG, 0, NULL },
		{ { NULL }, -EBADMSG, 0, NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), false, true);
}

static void
what_can_be_answered_is_refused(void **state)
{
	static const struct row rows[] = {
		{ { ":method", "CONNECT", ":authority", "a:1" }, 0, REFUSED_METHOD_FORBIDDEN, NULL },
		{ { GET, AT, "host", "b" }, 0, REFUSED_HOST, NULL },
		{ { GET, AT, "host", "a", "host", "a" }, 0, REFUSED_HOST_REPEATED, NULL },
		{ { ":method", "GET", ":scheme", "ftp", ":path", "/", AT }, 0, REFUSED_TARGET, NULL },
		{ { ":method", "GET", ":scheme", "http", ":path", "http://b/", AT }, 0, REFUSED_TARGET, NULL },
		{ { ":method", "GET", ":scheme", "http", ":path", "x", AT }, 0, REFUSED_TARGET, NULL },
		{ { ":method", "GET", ":scheme", "http", ":path", "/a b", AT }, 0, REFUSED_TARGET, NULL },
		{ { GET, AT, "a", "1", "b", "1", "c", "1", "d", "1", "e", "1", "f", "1" },
		    0, REFUSED_COUNT, NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), false, true);
}

static void
trailers_are_lines_alone(void **state)
{
	static const struct row rows[] = {
		{ { "x-sum", "1" }, 0, 0, "x-sum: 1\r\n" },
		{ { "cookie", "a=1" }, 0, 0, "cookie: a=1\r\n" }, /* chunk.h refuses it */
		{ { ":path", "/" }, -EBADMSG, 0, NULL },
		{ { "X", "1" }, -EBADMSG, 0, NULL },
		{ { "connection", "1" }, -EBADMSG, 0, NULL },
	};
	static const struct row open[] = {
		{ { "x-sum", "1" }, -EBADMSG, 0, NULL },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), true, true);
	check(open, ARRAY_LEN(open), true, false);
}
/* clang-format on */

static void
a_head_over_the_ceiling_is_431_and_a_bomb_the_end(void **state)
{
	static const char *const get[] = { GET, AT, NULL };
	struct h2_head hh;
	char big[300];
	int n = 0;

	(void)state;
	memset(big, 'a', sizeof(big));
	h2_head_init(&hh, 512, 100, NULL);
	h2_head_begin(&hh, false);
	for (const char *const *f = get; *f != NULL; f += 2)
		assert_int_equal(
		    h2_head_field(&hh, span_of(f[0]), span_of(f[1])), 0);
	while (h2_head_field(
		   &hh, SPAN("x"), (struct span){ big, sizeof(big) }) == 0)
		n++;
	/* 4 * 512 bytes of fields; these here are 333 each. */
	assert_int_equal(n, 5);
	assert_int_equal(hh.refusal, REFUSED_HEAD_SIZE);
	assert_true(hh.text.len <= 512);
	h2_head_done(&hh);
}

static void
many_empty_fields_are_a_bomb_too(void **state)
{
	struct h2_head hh;
	int n = 0;

	(void)state;
	h2_head_init(&hh, 512, 100, NULL);
	h2_head_begin(&hh, false);
	while (h2_head_field(&hh, SPAN("x"), SPAN("")) == 0)
		n++;
	assert_int_equal(n, 4 * 512 / 33);
	h2_head_done(&hh);
}

static void
each_allocation_may_fail(void **state)
{
	static const char *const f[] = { GET, AT, "x", "1", "cookie", "a=1",
		"cookie", "b=2", NULL };

	(void)state;
	ALLOC_FAIL_EACH({
		struct h2_head hh;
		int r;

		h2_head_init(&hh, 512, 100, NULL);
		r = read_row(&hh, f, false, true);
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		h2_head_done(&hh);
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_becomes_the_text_of_http1),
		cmocka_unit_test(a_body_without_a_length_is_chunked),
		cmocka_unit_test(what_http1_cannot_say_is_malformed),
		cmocka_unit_test(what_can_be_answered_is_refused),
		cmocka_unit_test(trailers_are_lines_alone),
		cmocka_unit_test(
		    a_head_over_the_ceiling_is_431_and_a_bomb_the_end),
		cmocka_unit_test(many_empty_fields_are_a_bomb_too),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
