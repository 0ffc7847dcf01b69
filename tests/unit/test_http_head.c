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
#include "http/chars.h"

#define H "Host: a\r\n"

static void
what_is_not_whole_asks_for_more(void **state)
{
	static const char text[] = "GET /a HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
	struct reading r;

	(void)state;
	reading_init(&r, NULL);
	for (size_t n = 0; n + 1 < sizeof(text) - 1; n++) {
		reading_show(&r, text, n, READ_REQUEST);
		assert_int_equal(r.verdict, HEAD_MORE);
		assert_int_equal(r.scanned, n);
	}
	reading_show(&r, text, sizeof(text) - 1, READ_REQUEST);
	assert_int_equal(r.verdict, HEAD_OK);
	assert_int_equal(r.head.size, sizeof(text) - 1);
	reading_done(&r);
}

static struct reading taken;

static const struct head *
take(const char *text, int what)
{
	reading_done(&taken);
	reading_init(&taken, NULL);
	reading_show(&taken, text, strlen(text), what);
	assert_int_equal(taken.verdict, HEAD_OK);
	return &taken.head;
}

static void
assert_span(struct span s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static void
a_request_is_taken_apart(void **state)
{
	const struct head *h = take("POST //a%2F?b=c?d HTTP/1.1\r\n"
				    "Host: Example.com:80\r\n"
				    "content-length: 42\r\n"
				    "X-Own:  some thing\t\r\n"
				    "\r\nbody",
	    READ_REQUEST);

	(void)state;
	assert_int_equal(h->method, METHOD_POST);
	assert_span(h->method_name, "POST");
	assert_int_equal(h->form, TARGET_ORIGIN);
	assert_span(h->target, "//a%2F?b=c?d");
	assert_span(h->path, "//a%2F");
	assert_span(h->query, "b=c?d");
	assert_span(h->host, "Example.com:80");
	assert_span(h->hostname, "Example.com");
	assert_int_equal(h->minor, 1);
	assert_int_equal(h->framing, FRAMING_LENGTH);
	assert_int_equal(h->length, 42);
	assert_true(h->keep_alive);
	assert_false(h->upgrade);
	assert_int_equal(h->size, taken.n - 4);
	assert_int_equal(h->nheaders, 3);
	assert_int_equal(h->headers[1].id, HDR_CONTENT_LENGTH);
	assert_int_equal(h->headers[2].id, HDR_OTHER);
	assert_span(h->headers[2].value, "some thing");
	assert_span(head_line(h, 2), "X-Own:  some thing\t\r\n");
	assert_span(head_line(h, 0), "Host: Example.com:80\r\n");
	assert_true(head_has(h, HDR_HOST));
	assert_false(head_has(h, HDR_COOKIE));
	assert_null(head_find(h, HDR_COOKIE));
	assert_ptr_equal(head_find(h, HDR_HOST), &h->headers[0]);
	assert_ptr_equal(head_find_name(h, SPAN("x-oWN")), &h->headers[2]);
}

static void
a_query_may_be_absent_or_empty(void **state)
{
	(void)state;
	assert_null(take("GET /a HTTP/1.0\r\n\r\n", READ_REQUEST)->query.p);
	assert_non_null(
	    take("GET /a? HTTP/1.0\r\n\r\n", READ_REQUEST)->query.p);
	assert_int_equal(taken.head.query.n, 0);
}

static void
an_absolute_target_replaces_the_host(void **state)
{
	const struct head *h = take(
	    "GET http://b:8080?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", READ_REQUEST);

	(void)state;
	assert_int_equal(h->form, TARGET_ABSOLUTE);
	assert_span(h->host, "b:8080");
	assert_span(h->hostname, "b");
	assert_span(h->path, "/");
	assert_span(h->query, "x=1");
	h = take(
	    "GET https://[::1]/p HTTP/1.1\r\nHost: a\r\n\r\n", READ_REQUEST);
	assert_span(h->hostname, "[::1]");
	assert_span(h->path, "/p");
}

/* RFC 9112, 3.2.4: the last proxy sends "*" for a target without a path. */
static void
options_without_a_path_mean_the_server(void **state)
{
	const struct head *h = take(
	    "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", READ_REQUEST);

	(void)state;
	assert_int_equal(h->form, TARGET_ASTERISK);
	assert_span(h->path, "*");
	assert_span(h->hostname, "b");
	h = take("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", READ_REQUEST);
	assert_int_equal(h->form, TARGET_ASTERISK);
	assert_span(h->hostname, "a");
	h = take(
	    "OPTIONS http://b?x HTTP/1.1\r\nHost: a\r\n\r\n", READ_REQUEST);
	assert_int_equal(h->form, TARGET_ABSOLUTE);
	assert_span(h->path, "/");
}

static void
keep_alive_follows_the_version_and_the_options(void **state)
{
#define CONN(version, v)                                             \
	take("GET / HTTP/1." version "\r\nHost: a\r\nConnection: " v \
	     "\r\n\r\n",                                             \
	    READ_REQUEST)                                            \
	    ->keep_alive
	(void)state;
	assert_true(take("GET / HTTP/1.1\r\nHost: a\r\n\r\n", READ_REQUEST)
			->keep_alive);
	assert_false(take("GET / HTTP/1.0\r\n\r\n", READ_REQUEST)->keep_alive);
	assert_true(CONN("0", "Keep-Alive"));
	assert_false(CONN("1", "x, CLOSE"));
	assert_false(CONN("1", "close, keep-alive"));
	assert_false(CONN("1", "keep-alive\r\nConnection: close"));
#undef CONN
}

static void
what_ends_at_this_hop_is_marked(void **state)
{
	const struct head *h = take("GET / HTTP/1.1\r\n"
				    "Host: a\r\n"
				    "Connection: X-Own, te, upgrade\r\n"
				    "TE: trailers\r\n"
				    "x-own: 1\r\n"
				    "X-Own: 2\r\n"
				    "X-Owner: 3\r\n"
				    "Keep-Alive: timeout=5\r\n"
				    "Proxy-Authorization: x\r\n"
				    "Upgrade: websocket, h2c\r\n"
				    "Expect: 100-Continue\r\n"
				    "Cookie: a=b\r\n\r\n",
	    READ_REQUEST);
	static const bool hop[] = { false, true, true, true, true, false, true,
		true, true, true, false };

	(void)state;
	assert_int_equal(h->nheaders, ARRAY_LEN(hop));
	for (size_t i = 0; i < ARRAY_LEN(hop); i++)
		assert_int_equal(h->headers[i].hop, hop[i]);
	assert_true(h->upgrade);
	assert_true(head_lists(h, HDR_UPGRADE, SPAN("WebSocket")));
	assert_true(head_lists(h, HDR_UPGRADE, SPAN("h2c")));
	assert_false(head_lists(h, HDR_UPGRADE, SPAN("h2")));
	assert_false(h->expect_100); /* no body */
}

static void
upgrade_must_be_nominated(void **state)
{
	(void)state;
	assert_false(take("GET / HTTP/1.1\r\nHost: a\r\n"
			  "Upgrade: websocket\r\n\r\n",
	    READ_REQUEST)
			 ->upgrade);
	assert_false(take("GET / HTTP/1.1\r\nHost: a\r\n"
			  "Connection: upgrade\r\n\r\n",
	    READ_REQUEST)
			 ->upgrade);
	assert_false(take("GET / HTTP/1.0\r\nConnection: upgrade\r\n"
			  "Upgrade: websocket\r\n\r\n",
	    READ_REQUEST)
			 ->upgrade);
}

static void
expect_counts_only_with_a_body_in_1_1(void **state)
{
#define EXPECT(v, more)                                                       \
	take("PUT / HTTP/1." v "\r\nHost: a\r\nExpect: 100-continue\r\n" more \
	     "\r\n",                                                          \
	    READ_REQUEST)                                                     \
	    ->expect_100
	(void)state;
	assert_true(EXPECT("1", "Content-Length: 1\r\n"));
	assert_true(EXPECT("1", "Transfer-Encoding: chunked\r\n"));
	assert_false(EXPECT("1", "Content-Length: 0\r\n"));
	assert_false(EXPECT("0", "Content-Length: 1\r\n"));
	assert_true(taken.head.headers[1].hop);
#undef EXPECT
}

static void
a_response_says_how_its_body_ends(void **state)
{
	static const struct {
		const char *text;
		enum method asked;
		enum framing framing;
		uint64_t length;
		bool keep_alive;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_GET,
		    FRAMING_LENGTH, 5, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    METHOD_GET, FRAMING_CHUNKED, 0, true },
		{ "HTTP/1.1 200 OK\r\n\r\n", METHOD_GET, FRAMING_CLOSE, 0,
		    false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_GET,
		    FRAMING_LENGTH, 5, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_HEAD,
		    FRAMING_NONE, 5, true },
		{ "HTTP/1.1 200 OK\r\n\r\n", METHOD_HEAD, FRAMING_NONE, 0,
		    true },
		{ "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", METHOD_GET,
		    FRAMING_NONE, 5, true },
		{ "HTTP/1.1 204 x\r\n\r\n", METHOD_GET, FRAMING_NONE, 0, true },
		{ "HTTP/1.1 100 Continue\r\n\r\n", METHOD_GET, FRAMING_NONE, 0,
		    true },
		{ "HTTP/1.1 101 x\r\nConnection: upgrade\r\n"
		  "Upgrade: websocket\r\n\r\n",
		    METHOD_GET, FRAMING_NONE, 0, true },
		{ "HTTP/1.1 404 x\r\nContent-Length: 0\r\n"
		  "Connection: close\r\n\r\n",
		    METHOD_GET, FRAMING_LENGTH, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct head *h = take(rows[i].text, (int)rows[i].asked);

		assert_int_equal(h->framing, rows[i].framing);
		assert_int_equal(h->length, rows[i].length);
		assert_int_equal(h->keep_alive, rows[i].keep_alive);
		assert_int_equal(h->upgrade, h->status == 101);
	}
}

static void
a_length_on_204_does_not_go_on(void **state)
{
	const struct head *h = take(
	    "HTTP/1.1 204 x\r\nX: y\r\nContent-Length: 0\r\n\r\n", METHOD_GET);

	(void)state;
	assert_false(h->headers[0].hop);
	assert_true(h->headers[1].hop);
	assert_true(h->keep_alive);
}

/* RFC 9112, 6.3: the first of the rules has no exception. */
static void
a_204_with_a_body_ends_with_its_head_and_its_connection(void **state)
{
	static const char *const said[] = { "Content-Length: 5",
		"Transfer-Encoding: chunked" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		char text[128];
		const struct head *h;

		snprintf(text, sizeof(text), "HTTP/1.1 204 x\r\n%s\r\n\r\n",
		    said[i]);
		h = take(text, METHOD_GET);
		assert_int_equal(h->framing, FRAMING_NONE);
		assert_int_equal(h->length, 0);
		assert_true(h->headers[0].hop);
		assert_false(h->keep_alive);
	}
}

static void
append(struct buf *b, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		assert_int_equal(buf_puts(b, text), 0);
}

static void
assert_verdict(const struct buf *b, const struct head_limits *limits,
    enum head_verdict verdict, enum head_refusal why)
{
	struct reading r;

	reading_init(&r, limits);
	reading_show(&r, b->data, b->len, READ_REQUEST);
	assert_int_equal(r.verdict, verdict);
	assert_int_equal(r.head.refusal, why);
	reading_done(&r);
	check_pieces(b->data, b->len, 1, 1, READ_REQUEST, limits);
	check_pieces(b->data, b->len, 5, 13, READ_REQUEST, limits);
}

static void
ceilings_hold_to_the_byte(void **state)
{
	struct head_limits limits = { .head = 120, .target = 20 };
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	append(&b, "GET /2345678901234567890 HTTP/1.1\r\n", 1);
	append(&b, H "\r\n", 1);
	assert_verdict(&b, &limits, HEAD_OK, REFUSED_NOT);
	limits.target = 19;
	assert_verdict(&b, &limits, HEAD_REFUSED, REFUSED_TARGET_SIZE);
	limits.target = 20;
	limits.head = b.len;
	assert_verdict(&b, &limits, HEAD_OK, REFUSED_NOT);
	limits.head = b.len - 1;
	assert_verdict(&b, &limits, HEAD_REFUSED, REFUSED_HEAD_SIZE);
	buf_clear(&b);
	append(&b, "GET / HTTP/1.1\r\nHost: ", 1);
	append(&b, "a", 200);
	limits.head = 120;
	assert_verdict(&b, &limits, HEAD_REFUSED, REFUSED_HEAD_SIZE);
	buf_done(&b);
}

static void
a_target_over_the_default_is_414(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	append(&b, "GET /", 1);
	append(&b, "a", HEAD_TARGET_MAX - 1);
	append(&b, " HTTP/1.1\r\n" H "\r\n", 1);
	assert_verdict(&b, NULL, HEAD_OK, REFUSED_NOT);
	buf_clear(&b);
	append(&b, "GET /", 1);
	append(&b, "a", HEAD_TARGET_MAX);
	append(&b, " HTTP/1.1\r\n" H "\r\n", 1);
	assert_verdict(&b, NULL, HEAD_REFUSED, REFUSED_TARGET_SIZE);
	assert_int_equal(head_refusal_status(REFUSED_TARGET_SIZE), 414);
	buf_done(&b);
}

static void
too_many_headers_are_431(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	append(&b, "GET / HTTP/1.1\r\n" H, 1);
	append(&b, "X: y\r\n", HEAD_HEADERS_MAX - 1);
	append(&b, "\r\n", 1);
	assert_verdict(&b, NULL, HEAD_OK, REFUSED_NOT);
	b.len -= 2;
	append(&b, "X: y\r\n\r\n", 1);
	assert_verdict(&b, NULL, HEAD_REFUSED, REFUSED_COUNT);
	assert_int_equal(head_refusal_status(REFUSED_COUNT), 431);
	buf_done(&b);
}

static void
a_head_in_single_bytes_takes_linear_time(void **state)
{
	struct reading r;
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	append(&b, "GET / HTTP/1.1\r\n" H, 1);
	append(&b, "X: 0123456789\r\n", 90);
	reading_init(&r, NULL);
	reading_show(&r, b.data, b.len / 2, READ_REQUEST);
	assert_int_equal(r.verdict, HEAD_MORE);
	/* What was scanned is not looked at again: spoil it and see. */
	b.data[20] = '\0';
	reading_show(&r, b.data, b.len, READ_REQUEST);
	assert_int_equal(r.verdict, HEAD_MORE);
	assert_int_equal(r.scanned, b.len);
	reading_done(&r);
	buf_done(&b);
}

static void
each_refusal_has_a_status_and_words(void **state)
{
	(void)state;
	for (unsigned i = REFUSED_NOT + 1; i < REFUSED_N; i++) {
		unsigned status = head_refusal_status((enum head_refusal)i);

		assert_true(*head_refusal_text((enum head_refusal)i) != '\0');
		assert_true(status == 400 || status == 405 || status == 414 ||
		    status == 417 || status == 431 || status == 501 ||
		    status == 505);
	}
	assert_int_equal(head_refusal_status(REFUSED_METHOD_FORBIDDEN), 405);
	assert_int_equal(head_refusal_status(REFUSED_CODING_UNKNOWN), 501);
	assert_int_equal(head_refusal_status(REFUSED_VERSION), 505);
	assert_int_equal(head_refusal_status(REFUSED_HEAD_SIZE), 431);
	assert_int_equal(head_refusal_status(REFUSED_BOTH_FRAMINGS), 400);
}

static void
each_name_finds_its_id_in_any_case(void **state)
{
	char upper[64];

	(void)state;
	for (unsigned id = HDR_OTHER + 1; id < HDR_N; id++) {
		const char *name = hdr_name((enum hdr)id);
		size_t n = strlen(name);

		assert_true(n > 0 && n < sizeof(upper));
		assert_int_equal(hdr_of(span_of(name)), id);
		for (size_t i = 0; i < n; i++)
			upper[i] = name[i] >= 'a' && name[i] <= 'z'
			    ? (char)(name[i] - 32)
			    : name[i];
		assert_int_equal(hdr_of((struct span){ upper, n }), id);
		upper[n - 1] = '!';
		assert_int_equal(hdr_of((struct span){ upper, n }), HDR_OTHER);
		assert_true(id == HDR_OTHER + 1 ||
		    n >= strlen(hdr_name((enum hdr)(id - 1))));
	}
	assert_int_equal(hdr_of(SPAN("x")), HDR_OTHER);
	assert_int_equal(hdr_of(SPAN("hos")), HDR_OTHER);
	assert_int_equal(hdr_of((struct span){ NULL, 0 }), HDR_OTHER);
	memset(upper, 'a', sizeof(upper));
	for (size_t n = 0; n <= sizeof(upper); n++)
		assert_int_equal(hdr_of((struct span){ upper, n }), HDR_OTHER);
}

static void
methods_are_known_by_their_exact_name(void **state)
{
	(void)state;
	for (unsigned m = METHOD_GET; m < METHOD_N; m++)
		assert_int_equal(
		    method_of(span_of(method_name((enum method)m))), m);
	assert_int_equal(method_of(SPAN("get")), METHOD_OTHER);
	assert_int_equal(method_of(SPAN("GETS")), METHOD_OTHER);
	assert_true(method_idempotent(METHOD_PUT));
	assert_false(method_idempotent(METHOD_POST));
	assert_false(method_idempotent(METHOD_PATCH));
	assert_false(method_idempotent(METHOD_OTHER));
}

/* Each byte at each place of a word, in a span of each length. */
static void
the_wide_scans_agree_with_the_rules(void **state)
{
	char bytes[40];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool value = c == '\t' || (c >= 0x20 && c != 0x7f);
		bool target = c > 0x20 && c < 0x7f && c != '#';

		for (size_t at = 0; at < sizeof(bytes); at++) {
			const char *end = bytes + sizeof(bytes) - at % 9;
			const char *stop = bytes + at < end ? bytes + at : end;

			memset(bytes, 'a', sizeof(bytes));
			bytes[at] = (char)c;
			assert_ptr_equal(
			    chars_skip_value(bytes, end), value ? end : stop);
			assert_ptr_equal(
			    chars_skip_target(bytes, end), target ? end : stop);
			assert_ptr_equal(chars_skip(bytes, end, CHAR_VALUE),
			    value ? end : stop);
			assert_ptr_equal(chars_skip(bytes, end, CHAR_TARGET),
			    target ? end : stop);
			memset(bytes, '\t', at);
			assert_ptr_equal(
			    chars_skip_value(bytes, end), value ? end : stop);
		}
	}
}

static void
a_token_is_what_rfc_9110_says(void **state)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;
		bool token = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') ||
		    (c != 0 && c < 128 && strchr(marks, (int)c) != NULL);

		assert_int_equal(http_token((struct span){ &byte, 1 }), token);
	}
	assert_false(http_token((struct span){ NULL, 0 }));
}

static void
statuses_have_their_names(void **state)
{
	(void)state;
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(299), "");
}

static int
teardown(void **state)
{
	(void)state;
	reading_done(&taken);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_whole_asks_for_more),
		cmocka_unit_test(a_request_is_taken_apart),
		cmocka_unit_test(a_query_may_be_absent_or_empty),
		cmocka_unit_test(an_absolute_target_replaces_the_host),
		cmocka_unit_test(options_without_a_path_mean_the_server),
		cmocka_unit_test(
		    keep_alive_follows_the_version_and_the_options),
		cmocka_unit_test(what_ends_at_this_hop_is_marked),
		cmocka_unit_test(upgrade_must_be_nominated),
		cmocka_unit_test(expect_counts_only_with_a_body_in_1_1),
		cmocka_unit_test(a_response_says_how_its_body_ends),
		cmocka_unit_test(a_length_on_204_does_not_go_on),
		cmocka_unit_test(
		    a_204_with_a_body_ends_with_its_head_and_its_connection),
		cmocka_unit_test(ceilings_hold_to_the_byte),
		cmocka_unit_test(a_target_over_the_default_is_414),
		cmocka_unit_test(too_many_headers_are_431),
		cmocka_unit_test(a_head_in_single_bytes_takes_linear_time),
		cmocka_unit_test(each_refusal_has_a_status_and_words),
		cmocka_unit_test(each_name_finds_its_id_in_any_case),
		cmocka_unit_test(methods_are_known_by_their_exact_name),
		cmocka_unit_test(the_wide_scans_agree_with_the_rules),
		cmocka_unit_test(a_token_is_what_rfc_9110_says),
		cmocka_unit_test(statuses_have_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
