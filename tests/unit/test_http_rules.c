/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../fuzz/pieces.h"

#define H "Host: a\r\n"

/* A request, and why it is refused (REFUSED_NOT: it is taken). */
struct row {
	struct span in;
	enum head_refusal why;
};

/* clang-format off */
static const struct row requests[] = {
	/* taken */
	{ SPAN("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), REFUSED_NOT },
	{ SPAN("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), REFUSED_NOT },
	{ SPAN("GET / HTTP/1.0\r\n\r\n"), REFUSED_NOT },
	{ SPAN("BREW /pot HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("get / HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET //a%2Fb?x=%zz&y=/../ HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET /a/.../b/..c/.d/e.. HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET /a%2e%2eb/%2ec HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET /%252e%252e/a HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET /{a}|b\"c'<> HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET http://b:80/x HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET HTTPS://b?x HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET http://b:/x HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("OPTIONS * HTTP/1.1\r\n" H "\r\n"), REFUSED_NOT },
	{ SPAN("GET / HTTP/1.1\r\n" H "X:\r\nY: \t \r\nZ:a\tb \xff\r\n\r\n"),
	    REFUSED_NOT },
	{ SPAN("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), REFUSED_NOT },
	{ SPAN("POST / HTTP/1.1\r\n" H "content-length:9223372036854775807\r\n\r\n"),
	    REFUSED_NOT },
	{ SPAN("POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"),
	    REFUSED_NOT },
	{ SPAN("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"), REFUSED_NOT },
	{ SPAN("GET / HTTP/1.1\r\nHost: a-b.c_d~:\r\n\r\n"), REFUSED_NOT },
	{ SPAN("GET / HTTP/1.1\r\n" H "Connection: close, , x-a\r\n\r\n"),
	    REFUSED_NOT },
	{ SPAN("GET / HTTP/1.1\r\n" H "Expect: 100-Continue\r\n\r\n"), REFUSED_NOT },
	{ SPAN("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), REFUSED_NOT },
	{ SPAN("GET / HTTP/1.1\r\n" H "Expect:\r\n\r\n"), REFUSED_NOT },
	{ SPAN("GET / HTTP/1.1\r\n" H "Expect: 100-continue, 100-continue\r\n\r\n"),
	    REFUSED_NOT },

	/* lines */
	{ SPAN("GET / HTTP/1.1\nHost: a\n\n"), REFUSED_LINE },
	{ SPAN("GET / HTTP/1.1\r\nHost: a\n\r\n"), REFUSED_LINE },
	{ SPAN("GET / HTTP/1.1\r\nHost: a\r\n\n"), REFUSED_LINE },
	{ SPAN("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), REFUSED_LINE },
	{ SPAN("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET / HTTP/1.1\rHost: a\r\n\r\n"), REFUSED_LINE },
	{ SPAN("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"), REFUSED_LINE },
	{ SPAN("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), REFUSED_LINE },
	{ SPAN("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n"), REFUSED_LINE },
	{ SPAN("GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n"), REFUSED_LINE },
	{ SPAN("GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n"), REFUSED_LINE },
	{ SPAN("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), REFUSED_LINE },
	{ SPAN("\x16\x03\x01\x02"), REFUSED_LINE }, /* TLS on a plain port */
	{ SPAN("GET / HTTP/1.1\r\nHost: a\r\n\rx"
	    "\r\n\r\n"), REFUSED_LINE },

	/* request line, method, version */
	{ SPAN("GET  / HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET /  HTTP/1.1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET / HTTP/1.1 \r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN(" GET / HTTP/1.1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET\t/ HTTP/1.1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET /\tHTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET /\r\n\r\n"), REFUSED_TARGET },
	{ SPAN("GET\r\n\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("G@T / HTTP/1.1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("G\xc3T / HTTP/1.1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456 / HTTP/1.1\r\n" H "\r\n"),
	    REFUSED_METHOD },
	{ SPAN("CONNECT / HTTP/1.1\r\n" H "\r\n"), REFUSED_METHOD_FORBIDDEN },
	{ SPAN("CONNECT a:443 HTTP/1.1\r\n" H "\r\n"), REFUSED_METHOD_FORBIDDEN },
	{ SPAN("TRACE / HTTP/1.1\r\n" H "\r\n"), REFUSED_METHOD_FORBIDDEN },
	{ SPAN("GET / HTTP/1.2\r\n" H "\r\n"), REFUSED_VERSION },
	{ SPAN("GET / HTTP/2.0\r\n" H "\r\n"), REFUSED_VERSION },
	{ SPAN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), REFUSED_VERSION },
	{ SPAN("GET / HTTP/0.9\r\n" H "\r\n"), REFUSED_VERSION },
	{ SPAN("GET / http/1.1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET / HTTP/11\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET / HTTP/1.10\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET / HTTP/1,1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },
	{ SPAN("GET / FTP/1.1\r\n" H "\r\n"), REFUSED_REQUEST_LINE },

	/* target and path */
	{ SPAN("GET a HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET * HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("OPTIONS *x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET /a#b HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET ftp://b/x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http://u@b/x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http://u:p@b/x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http://:80/x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http://b:65536/x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http://b#f HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http:/b/x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET b:80 HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET ?x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http:///x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http://b:99999/x HTTP/1.1\r\n" H "\r\n"), REFUSED_TARGET },
	{ SPAN("GET http://b/../x HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /. HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /.. HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/./b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/../b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/..?b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/%2e%2e/b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/.%2E/b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/%2e HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a%2f..%2fb HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/..%5Cb HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/..;x/b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/..%3bx/b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/%2e%3B HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a/%2E./b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a%2F%2e%2E%2fb HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a%5c%2e%2e%5cb HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a//../b HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET http://b/a/%2e?x HTTP/1.1\r\n" H "\r\n"), REFUSED_DOT_SEGMENT },
	{ SPAN("GET /a\\..\\b HTTP/1.1\r\n" H "\r\n"), REFUSED_PATH },
	{ SPAN("GET /% HTTP/1.1\r\n" H "\r\n"), REFUSED_PATH },
	{ SPAN("GET /%4 HTTP/1.1\r\n" H "\r\n"), REFUSED_PATH },
	{ SPAN("GET /%4?1 HTTP/1.1\r\n" H "\r\n"), REFUSED_PATH },
	{ SPAN("GET /%g1 HTTP/1.1\r\n" H "\r\n"), REFUSED_PATH },
	{ SPAN("GET /%00 HTTP/1.1\r\n" H "\r\n"), REFUSED_PATH },

	/* headers */
	{ SPAN("GET / HTTP/1.1\r\n" H "X : a\r\n\r\n"), REFUSED_SPACE_BEFORE_COLON },
	{ SPAN("GET / HTTP/1.1\r\n" H "X\t: a\r\n\r\n"), REFUSED_SPACE_BEFORE_COLON },
	{ SPAN("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"), REFUSED_FOLD },
	{ SPAN("GET / HTTP/1.1\r\n" H "X: a\r\n\tb: c\r\n\r\n"), REFUSED_FOLD },
	{ SPAN("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), REFUSED_FOLD },
	{ SPAN("GET / HTTP/1.1\r\n" H ": a\r\n\r\n"), REFUSED_NAME },
	{ SPAN("GET / HTTP/1.1\r\n" H "X\r\n\r\n"), REFUSED_NAME },
	{ SPAN("GET / HTTP/1.1\r\n" H "X(: a\r\n\r\n"), REFUSED_NAME },
	{ SPAN("GET / HTTP/1.1\r\n" H "X\xe9: a\r\n\r\n"), REFUSED_NAME },

	/* Host */
	{ SPAN("GET / HTTP/1.1\r\n\r\n"), REFUSED_HOST_MISSING },
	{ SPAN("GET http://b/ HTTP/1.1\r\n\r\n"), REFUSED_HOST_MISSING },
	{ SPAN("GET / HTTP/1.1\r\n" H "hOST: a\r\n\r\n"), REFUSED_HOST_REPEATED },
	{ SPAN("GET / HTTP/1.0\r\n" H H "\r\n"), REFUSED_HOST_REPEATED },
	{ SPAN("GET / HTTP/1.1\r\nHost:\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: []\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET / HTTP/1.0\r\nHost: a b\r\n\r\n"), REFUSED_HOST },
	{ SPAN("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n"), REFUSED_HOST },

	/* one framing */
#define LEN(v) SPAN("POST / HTTP/1.1\r\n" H "Content-Length:" v "\r\n\r\n")
	{ LEN(""), REFUSED_LENGTH },
	{ LEN(" +5"), REFUSED_LENGTH },
	{ LEN(" -5"), REFUSED_LENGTH },
	{ LEN(" 05"), REFUSED_LENGTH },
	{ LEN(" 00"), REFUSED_LENGTH },
	{ LEN("  5"), REFUSED_LENGTH },
	{ LEN("\t5"), REFUSED_LENGTH },
	{ LEN(" 5 "), REFUSED_LENGTH },
	{ LEN(" 5, 5"), REFUSED_LENGTH },
	{ LEN(" 5 5"), REFUSED_LENGTH },
	{ LEN(" 0x5"), REFUSED_LENGTH },
	{ LEN(" 5.0"), REFUSED_LENGTH },
	{ LEN(" 5a"), REFUSED_LENGTH },
	{ LEN(" 9223372036854775808"), REFUSED_LENGTH },
	{ LEN(" 18446744073709551621"), REFUSED_LENGTH },
	{ LEN(" 5\r\nContent-Length: 5"), REFUSED_LENGTH_REPEATED },
	{ LEN(" 5\r\nContent-Length: 6"), REFUSED_LENGTH_REPEATED },
	{ LEN(" 5\r\nTransfer-Encoding: chunked"), REFUSED_BOTH_FRAMINGS },
	{ LEN(" 5\r\nTransfer-Encoding: gzip"), REFUSED_BOTH_FRAMINGS },
#define TE(v) SPAN("POST / HTTP/1.1\r\n" H "Transfer-Encoding:" v "\r\n\r\n")
	{ TE(" chunked\r\nContent-Length: 5"), REFUSED_BOTH_FRAMINGS },
	{ TE(""), REFUSED_CODING },
	{ TE(" chunked, gzip"), REFUSED_CODING },
	{ TE(" chunked, chunked"), REFUSED_CODING },
	{ TE(" chunked\r\nTransfer-Encoding: chunked"), REFUSED_CODING },
	{ TE(" chunked\r\nTransfer-Encoding: gzip"), REFUSED_CODING },
	{ TE(" chunked,"), REFUSED_CODING },
	{ TE(" ,chunked"), REFUSED_CODING },
	{ TE(" chunked;q=1"), REFUSED_CODING },
	{ TE(" \"chunked\""), REFUSED_CODING },
	{ TE(" chun ked"), REFUSED_CODING },
	{ TE("\tchunked"), REFUSED_CODING },
	{ TE("  chunked"), REFUSED_CODING },
	{ TE(" chunked\t"), REFUSED_CODING },
	{ TE(" chunked "), REFUSED_CODING },
	{ TE(" gzip, chunked"), REFUSED_CODING_UNKNOWN },
	{ TE(" gzip\r\nTransfer-Encoding: chunked"), REFUSED_CODING_UNKNOWN },
	{ TE(" gzip"), REFUSED_CODING_UNKNOWN },
	{ TE(" identity"), REFUSED_CODING_UNKNOWN },
	{ TE(" xchunked"), REFUSED_CODING_UNKNOWN },
	{ SPAN("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	    REFUSED_CODING_VERSION },

	/* Connection */
	{ SPAN("GET / HTTP/1.1\r\n" H "Connection: a b\r\n\r\n"), REFUSED_CONNECTION },
	{ SPAN("GET / HTTP/1.1\r\n" H "Connection: x;q=1\r\n\r\n"), REFUSED_CONNECTION },
	{ SPAN("GET / HTTP/1.1\r\n" H "Connection: host\r\n\r\n"), REFUSED_CONNECTION },
	{ SPAN("GET / HTTP/1.1\r\n" H "Connection: x, Content-Length\r\n\r\n"),
	    REFUSED_CONNECTION },
	{ SPAN("GET / HTTP/1.1\r\n" H "Connection: transfer-encoding\r\n\r\n"),
	    REFUSED_CONNECTION },
	{ SPAN("GET / HTTP/1.1\r\n" H "Connection: a,b,c,d,e,f,g,h,i\r\n"
	    "Connection: a,b,c,d,e,f,g,h\r\n\r\n"), REFUSED_CONNECTION },

	/* Expect */
	{ SPAN("PUT / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n"), REFUSED_EXPECT },
	{ SPAN("PUT / HTTP/1.1\r\n" H "Expect: 100-continue;a\r\n\r\n"),
	    REFUSED_EXPECT },
	{ SPAN("PUT / HTTP/1.1\r\n" H "Expect: 100-continue, x\r\n\r\n"),
	    REFUSED_EXPECT },
	{ SPAN("PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\n"
	    "Expect: x\r\n\r\n"), REFUSED_EXPECT },
};

static const struct row responses[] = {
	{ SPAN("HTTP/1.1 200 OK\r\n\r\n"), REFUSED_NOT },
	{ SPAN("HTTP/1.1 200 \r\n\r\n"), REFUSED_NOT },
	{ SPAN("HTTP/1.1 200\r\n\r\n"), REFUSED_NOT },
	{ SPAN("HTTP/1.0 999 \xe9t\xe9 fini\r\n\r\n"), REFUSED_NOT },
	{ SPAN("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), REFUSED_NOT },
	{ SPAN("\r\nHTTP/1.1 200 OK\r\n\r\n"), REFUSED_STATUS_LINE },
	{ SPAN("HTTP/1.1 099 OK\r\n\r\n"), REFUSED_STATUS_LINE },
	{ SPAN("HTTP/1.1 20 OK\r\n\r\n"), REFUSED_STATUS_LINE },
	{ SPAN("HTTP/1.1 2000 OK\r\n\r\n"), REFUSED_STATUS_LINE },
	{ SPAN("HTTP/1.1  200 OK\r\n\r\n"), REFUSED_STATUS_LINE },
	{ SPAN("HTTP/1.1\r\n\r\n"), REFUSED_STATUS_LINE },
	{ SPAN("ICY 200 OK\r\n\r\n"), REFUSED_STATUS_LINE },
	{ SPAN("HTTP/2.0 200 OK\r\n\r\n"), REFUSED_VERSION },
	{ SPAN("HTTP/1.1 200 O\0K\r\n\r\n"), REFUSED_LINE },
	{ SPAN("HTTP/1.1 200 OK\nX: a\n\n"), REFUSED_LINE },
	{ SPAN("HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n"), REFUSED_LINE },
	{ SPAN("HTTP/1.1 200 OK\r\nX : a\r\n\r\n"), REFUSED_SPACE_BEFORE_COLON },
	{ SPAN("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), REFUSED_FOLD },
	{ SPAN("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
	    REFUSED_LENGTH_REPEATED },
	{ SPAN("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n"), REFUSED_LENGTH },
	{ SPAN("HTTP/1.1 304 OK\r\nContent-Length: x\r\n\r\n"), REFUSED_LENGTH },
	{ SPAN("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), REFUSED_BOTH_FRAMINGS },
	{ SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
	    REFUSED_CODING_UNKNOWN },
	{ SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, x\r\n\r\n"),
	    REFUSED_CODING },
	{ SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
	    REFUSED_CODING },
	{ SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"),
	    REFUSED_CODING_UNKNOWN },
	{ SPAN("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
	    REFUSED_CODING_VERSION },
	{ SPAN("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), REFUSED_NOT },
	{ SPAN("HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n"),
	    REFUSED_LENGTH },
	{ SPAN("HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n"),
	    REFUSED_STATUS_BODY },
	{ SPAN("HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
	    REFUSED_STATUS_BODY },
	{ SPAN("HTTP/1.1 101 Go\r\nContent-Length: 5\r\n\r\n"),
	    REFUSED_STATUS_BODY },
	{ SPAN("HTTP/1.1 200 OK\r\nConnection: content-length\r\n\r\n"),
	    REFUSED_CONNECTION },
};
/* clang-format on */

static void
judge(const struct row *rows, size_t n, int what)
{
	for (size_t i = 0; i < n; i++) {
		struct reading r;

		reading_init(&r, NULL);
		reading_show(&r, rows[i].in.p, rows[i].in.n, what);
		if (r.head.refusal != rows[i].why)
			print_error("row %zu: %.*s", i, (int)rows[i].in.n,
			    rows[i].in.p);
		assert_int_equal(r.head.refusal, rows[i].why);
		assert_int_equal(r.verdict,
		    rows[i].why == REFUSED_NOT ? HEAD_OK : HEAD_REFUSED);
		reading_done(&r);
	}
}

static void
each_rule_for_requests_is_kept(void **state)
{
	(void)state;
	judge(requests, ARRAY_LEN(requests), READ_REQUEST);
}

static void
each_rule_for_responses_is_kept(void **state)
{
	(void)state;
	judge(responses, ARRAY_LEN(responses), METHOD_GET);
}

static void
cut(const struct row *rows, size_t n, int what)
{
	for (size_t i = 0; i < n; i++) {
		struct span in = rows[i].in;

		for (size_t at = 0; at <= in.n; at++)
			check_pieces(in.p, in.n, at, in.n, what, NULL);
		check_pieces(in.p, in.n, 1, 1, what, NULL);
		check_pieces(in.p, in.n, 3, 7, what, NULL);
	}
}

static void
no_cut_changes_a_verdict(void **state)
{
	(void)state;
	cut(requests, ARRAY_LEN(requests), READ_REQUEST);
	cut(responses, ARRAY_LEN(responses), METHOD_GET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_for_requests_is_kept),
		cmocka_unit_test(each_rule_for_responses_is_kept),
		cmocka_unit_test(no_cut_changes_a_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
