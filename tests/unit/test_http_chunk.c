/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/pieces.h"
#include "base/buf.h"

struct row {
	struct span in;
	enum chunk_verdict verdict;
	const char *data;
	size_t left_over; /* bytes behind what belongs to the body */
};

/* clang-format off */
static const struct row rows[] = {
	{ SPAN("0\r\n\r\n"), CHUNK_END, "", 0 },
	{ SPAN("5\r\nhello\r\n0\r\n\r\nGET /"), CHUNK_END, "hello", 5 },
	{ SPAN("5\r\nhello\r\n00A\r\n, my world\r\n000\r\n\r\n"), CHUNK_END,
	    "hello, my world", 0 },
	{ SPAN("a;x=y;z=\"q\"\r\n0123456789\r\n0;last\r\n\r\n"), CHUNK_END,
	    "0123456789", 0 },
	{ SPAN("0\r\nX-Sum: abc\r\nY:\r\n\r\n"), CHUNK_END, "", 0 },
	{ SPAN("1\r\n\n\r\n0\r\n\r\n"), CHUNK_END, "\n", 0 },
	{ SPAN("7fffffffffffffff\r\nhell"), CHUNK_MORE, "hell", 0 },
	{ SPAN("000000000000000F\r\n"), CHUNK_MORE, "", 0 },
	{ SPAN("5\r\nhel"), CHUNK_MORE, "hel", 0 },
	{ SPAN("0\r\n\r"), CHUNK_MORE, "", 0 },
	{ SPAN("0\r\n"), CHUNK_MORE, "", 0 },

	{ SPAN("\r\n0\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN(";x\r\n"), CHUNK_BAD, "", 4 },
	{ SPAN("x\r\n"), CHUNK_BAD, "", 3 },
	{ SPAN(" 5\r\nhello"), CHUNK_BAD, "", 9 },
	{ SPAN("5 \r\nhello"), CHUNK_BAD, "", 8 },
	{ SPAN("+5\r\nhello"), CHUNK_BAD, "", 9 },
	{ SPAN("-1\r\nhello"), CHUNK_BAD, "", 9 },
	{ SPAN("0x5\r\nhello"), CHUNK_BAD, "", 9 },
	{ SPAN("5\nhello"), CHUNK_BAD, "", 6 },
	{ SPAN("5\rhello"), CHUNK_BAD, "", 5 },
	{ SPAN("5\r\nhello\n0\r\n\r\n"), CHUNK_BAD, "hello", 6 },
	{ SPAN("5\r\nhello\rx"), CHUNK_BAD, "hello", 1 },
	{ SPAN("5\r\nhelloX\r\n"), CHUNK_BAD, "hello", 3 },
	{ SPAN("8000000000000000\r\n"), CHUNK_BAD, "", 3 },
	{ SPAN("ffffffffffffffff\r\n"), CHUNK_BAD, "", 3 },
	{ SPAN("10000000000000005\r\n"), CHUNK_BAD, "", 3 },
	{ SPAN("00000000000000005\r\n"), CHUNK_BAD, "", 3 },
	{ SPAN("5;a\nhello"), CHUNK_BAD, "", 6 },
	{ SPAN("5;a\0\r\n"), CHUNK_BAD, "", 3 },
	{ SPAN("0\r\n\n"), CHUNK_BAD, "", 1 },
	{ SPAN("0\r\n\rx"), CHUNK_BAD, "", 1 },
	{ SPAN("0\r\nX: a\n\r\n"), CHUNK_BAD, "", 3 },
	{ SPAN("0\r\nX : a\r\n\r\n"), CHUNK_BAD, "", 8 },
	{ SPAN("0\r\n X: a\r\n\r\n"), CHUNK_BAD, "", 9 },
	{ SPAN("0\r\nX: a\r\n b\r\n\r\n"), CHUNK_BAD, "", 6 },
	{ SPAN("0\r\n: a\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN("0\r\nX\r\n\r\n"), CHUNK_BAD, "", 4 },
	{ SPAN("0\r\nX: a\0b\r\n\r\n"), CHUNK_BAD, "", 6 },
	{ SPAN("0\r\nContent-length: 5\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN("0\r\nTransfer-Encoding: chunked\r\n\r\n"), CHUNK_BAD, "", 13 },
	{ SPAN("0\r\nhost: a\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN("0\r\nAuthorization: a\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN("0\r\nConnection: a\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN("0\r\nTrailer: a\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN("0\r\nSet-Cookie: a\r\n\r\n"), CHUNK_BAD, "", 7 },
	{ SPAN("5;a\x01\r\nhello"), CHUNK_BAD, "", 8 },
	{ SPAN("5;a\x7f\r\nhello"), CHUNK_BAD, "", 8 },
	{ SPAN("5;a\rb\r\nhello"), CHUNK_BAD, "", 8 },
	{ SPAN("5;a=\"\n\"\r\nhello"), CHUNK_BAD, "", 9 },
};

/* RFC 9110, 6.5.1; in any case, and with '_' for '-'. */
static const char *const head_only[] = { "content-length", "Transfer_Encoding",
	"TRAILER", "Content-Type", "Content-Encoding", "connection",
	"Keep-Alive", "Proxy-Connection", "te", "Upgrade", "HTTP2-Settings",
	"Host", "Via", "Forwarded", "X-Real-Ip", "X_Forwarded_For",
	"X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto",
	"X-Forwarded-Prefix", "X-Request-Id", "Traceparent", "Tracestate",
	"Drover-Caller", "drover_caller", "Drover-Deadline-Ms", "Drover-Error",
	"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie",
	"X-Api-Key", "WWW-Authenticate", "Proxy-Authenticate", "Expect",
	"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since",
	"Origin", "Cache-Control", "Expires", "Age", "Date", "Location",
	"Retry-After", "Vary", "Access-Control-Allow-Origin" };
static const char *const trailers[] = { "ETag", "Server-Timing", "Digest",
	"Grpc-Status", "X-Checksum", "X", "Content-Lengths", "Content-Lengt",
	"A-Name-That-Is-Longer-Than-What-Is-Kept-Of-It" };
/* clang-format on */

static void
each_rule_is_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct unchunked u;

		unchunk(&u, rows[i].in.p, rows[i].in.n, rows[i].in.n, 1);
		if (u.verdict != rows[i].verdict)
			print_error("row %zu: %s\n", i, chunk_why(&u.c));
		assert_int_equal(u.verdict, rows[i].verdict);
		assert_int_equal(u.n, strlen(rows[i].data));
		assert_memory_equal(u.data, rows[i].data, u.n);
		if (rows[i].in.n - u.used != rows[i].left_over)
			print_error(
			    "row %zu leaves %zu\n", i, rows[i].in.n - u.used);
		assert_int_equal(rows[i].in.n - u.used, rows[i].left_over);
		free(u.data);
	}
}

static enum chunk_verdict
verdict_on_trailer(const char *name)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "0\r\n%s: a\r\n\r\n", name);
	struct unchunked u;

	unchunk(&u, text, (size_t)n, (size_t)n, 1);
	free(u.data);
	return u.verdict;
}

static void
what_only_a_head_may_say_is_no_trailer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(head_only); i++) {
		if (verdict_on_trailer(head_only[i]) != CHUNK_BAD)
			print_error("%s\n", head_only[i]);
		assert_int_equal(verdict_on_trailer(head_only[i]), CHUNK_BAD);
	}
	for (size_t i = 0; i < ARRAY_LEN(trailers); i++)
		assert_int_equal(verdict_on_trailer(trailers[i]), CHUNK_END);
}

static void
no_cut_changes_a_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = rows[i].in;

		for (size_t at = 1; at <= in.n; at++)
			check_chunk_pieces(in.p, in.n, at, in.n);
		check_chunk_pieces(in.p, in.n, 1, 1);
		check_chunk_pieces(in.p, in.n, 2, 3);
	}
}

static void
the_end_and_the_refusal_are_final(void **state)
{
	struct chunk c;
	size_t used;

	(void)state;
	chunk_init(&c);
	assert_int_equal(chunk_follow(&c, SPAN("0\r\n\r\n"), &used), CHUNK_END);
	assert_int_equal(chunk_follow(&c, SPAN("x"), &used), CHUNK_END);
	assert_int_equal(used, 0);
	chunk_init(&c);
	assert_int_equal(chunk_follow(&c, SPAN("x"), &used), CHUNK_BAD);
	assert_int_equal(chunk_follow(&c, SPAN("0\r\n\r\n"), &used), CHUNK_BAD);
	assert_int_equal(used, 0);
	assert_string_equal(chunk_why(&c), "chunk size is missing");
}

static void
append(struct buf *b, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		assert_int_equal(buf_puts(b, text), 0);
}

static enum chunk_verdict
follow(const struct buf *b)
{
	struct chunk c;
	size_t used;

	chunk_init(&c);
	check_chunk_pieces(b->data, b->len, 1, 1);
	return chunk_follow(&c, buf_span(b), &used);
}

static void
extensions_have_a_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	append(&b, "1;", 1);
	append(&b, "x", CHUNK_EXT_MAX);
	append(&b, "\r\na\r\n0\r\n\r\n", 1);
	assert_int_equal(follow(&b), CHUNK_END);
	buf_clear(&b);
	append(&b, "1;", 1);
	append(&b, "x", CHUNK_EXT_MAX + 1);
	assert_int_equal(follow(&b), CHUNK_BAD);
	buf_clear(&b);
	append(&b, "1;0123456789abcdef\r\na\r\n", CHUNK_EXT_TOTAL / 16);
	assert_int_equal(follow(&b), CHUNK_MORE);
	append(&b, "1;0\r\n", 1);
	assert_int_equal(follow(&b), CHUNK_BAD);
	buf_done(&b);
}

static void
trailers_have_a_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	append(&b, "0\r\n", 1);
	append(&b, "X-A: 012345678\r\n", (CHUNK_TRAILER_MAX - 16) / 16);
	append(&b, "X-A: 01234567\r\n", 1);
	append(&b, "\r", 1);
	assert_int_equal(follow(&b), CHUNK_MORE);
	b.len--;
	append(&b, "\r\n", 1);
	assert_int_equal(follow(&b), CHUNK_BAD);
	buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_is_kept),
		cmocka_unit_test(what_only_a_head_may_say_is_no_trailer),
		cmocka_unit_test(no_cut_changes_a_verdict),
		cmocka_unit_test(the_end_and_the_refusal_are_final),
		cmocka_unit_test(extensions_have_a_ceiling),
		cmocka_unit_test(trailers_have_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
