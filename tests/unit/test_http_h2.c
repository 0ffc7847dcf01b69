/* SPDX-License-Identifier: ISC */

/* What goes through a session of HTTP/2, and how it ends. */

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "h2_world.h"

static void
the_first_word_says_our_limits(void **state)
{
	(void)state;
	assert_int_equal(find(NGHTTP2_SETTINGS)->n, 24);
	assert_int_equal(find(NGHTTP2_WINDOW_UPDATE)->word,
	    H2_WINDOW_ALL - NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE);
}

static void
a_request_is_told_and_answered(void **state)
{
	(void)state;
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	assert_int_equal(t.nev, 1);
	assert_true(t.ev[0].end);
	t.nsent = 0;
	assert_int_equal(
	    answer(&t.s[0],
		"HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\n"
		"Content-Length: 5\r\n\r\n",
		"hello"),
	    0);
	note_sent();
	assert_int_equal(t.nsent, 2);
	assert_int_equal(t.sent[0].type, NGHTTP2_HEADERS);
	assert_int_equal(t.sent[1].n, 5);
	assert_int_equal(t.sent[1].flags, NGHTTP2_FLAG_END_STREAM);
	assert_int_equal(t.closed, 1);
}

static void
no_body_goes_with_head_204_and_304(void **state)
{
	static const char *const heads[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		add_request(2 * i + 1, i == 0 ? "HEAD" : "GET",
		    NGHTTP2_FLAG_END_STREAM, NULL);
		go();
		t.nsent = 0;
		assert_int_equal(answer(&t.s[i], heads[i], ""), 0);
		note_sent();
		assert_int_equal(t.nsent, 1);
		assert_true(t.sent[0].flags & NGHTTP2_FLAG_END_STREAM);
	}
}

static void
interim_answers_go_before_the_final_one(void **state)
{
	(void)state;
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	t.nsent = 0;
	assert_int_equal(
	    answer(&t.s[0], "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", ""),
	    0);
	assert_int_equal(
	    answer(&t.s[0], "HTTP/1.1 204 No Content\r\n\r\n", ""), 0);
	note_sent();
	assert_int_equal(t.nsent, 2);
	assert_false(t.sent[0].flags & NGHTTP2_FLAG_END_STREAM);
	assert_true(t.sent[1].flags & NGHTTP2_FLAG_END_STREAM);
}

static void
what_no_window_is_open_for_is_kept(void **state)
{
	struct h2_stream *s = &t.s[0];
	struct iovec iov;
	char big[4096];

	(void)state;
	memset(big, 'x', sizeof(big));
	/* SETTINGS_INITIAL_WINDOW_SIZE = 1000 */
	add_frame(NGHTTP2_SETTINGS, 0, 0, SPAN("\0\4\0\0\3\xe8"));
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	t.nsent = 0;
	assert_int_equal(answer(s, "HTTP/1.1 200 OK\r\n\r\n", ""), 0);
	iov = (struct iovec){ big, sizeof(big) };
	assert_int_equal(h2_body(t.h, s, &iov, 1), 0);
	note_sent();
	assert_int_equal(find(NGHTTP2_DATA)->n, 1000);
	assert_int_equal(s->tail.len, sizeof(big) - 1000);
	h2_end(t.h, s, false);
	add_word(NGHTTP2_WINDOW_UPDATE, 1, 5000);
	go();
	assert_int_equal(find(NGHTTP2_DATA)->n, sizeof(big) - 1000);
	assert_true(find(NGHTTP2_DATA)->flags & NGHTTP2_FLAG_END_STREAM);
	assert_int_equal(t.closed, 1);
}

static void
nothing_of_a_body_goes_to_a_client_that_takes_nothing(void **state)
{
	(void)state;
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	t.nsent = 0;
	t.shut = true;
	assert_int_equal(
	    answer(
		&t.s[0], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ab"),
	    0);
	note_sent();
	assert_int_equal(count(NGHTTP2_DATA), 0);
	assert_int_equal(t.s[0].tail.len, 2);
	t.shut = false;
	h2_wake(t.h, &t.s[0]);
	write_out();
	assert_int_equal(count(NGHTTP2_DATA), 1);
}

static void
windows_open_by_credit_alone(void **state)
{
	static char big[16384];

	(void)state;
	add_request(1, "POST", 0, NULL);
	for (int i = 0; i < 7; i++)
		add_frame(NGHTTP2_DATA, 0, 1, (struct span){ big, 16384 });
	go();
	assert_int_equal(t.bodies.len, 7 * 16384);
	assert_int_equal(count(NGHTTP2_WINDOW_UPDATE), 0);
	h2_credit(t.h, &t.s[0], 7 * 16384);
	write_out();
	assert_int_equal(find(NGHTTP2_WINDOW_UPDATE)->word, 7 * 16384);
	assert_int_equal(find(NGHTTP2_WINDOW_UPDATE)->id, 1);
}

static void
a_window_that_is_overrun_costs_the_stream(void **state)
{
	static char big[16384];

	(void)state;
	add_request(1, "POST", 0, NULL);
	for (int i = 0; i < 9; i++)
		add_frame(NGHTTP2_DATA, 0, 1, (struct span){ big, 16384 });
	go();
	assert_int_equal(
	    find(NGHTTP2_RST_STREAM)->word, NGHTTP2_FLOW_CONTROL_ERROR);
	assert_int_equal(t.closed, 1);
	assert_in_range(t.bodies.len, H2_WINDOW, H2_WINDOW + 16384);
}

static void
a_window_that_is_used_up_is_told(void **state)
{
	static char big[16384];
	struct h2_limits few = limits;

	(void)state;
	few.window = 20000;
	h2_free(t.h);
	t.h = h2_new(&few, &ops, NULL);
	assert_non_null(t.h);
	add(&t.in, H2_PREFACE, sizeof(H2_PREFACE) - 1);
	add_frame(NGHTTP2_SETTINGS, 0, 0, SPAN(""));
	add_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SPAN(""));
	for (uint32_t id = 1; id < 4; id += 2) {
		add_request(id, "POST", 0, NULL);
		add_frame(NGHTTP2_DATA, 0, id, (struct span){ big, 16384 });
		add_frame(NGHTTP2_DATA, id == 3, id,
		    (struct span){ big, 20000 - 16384 });
	}
	go();
	assert_int_equal(t.verdict, 0);
	assert_int_equal(t.nev, 6);
	assert_false(t.ev[1].shut);
	assert_true(t.ev[2].shut);
	/* Nothing more has to come of this one. */
	assert_false(t.ev[4].shut || t.ev[5].shut);
	add_frame(NGHTTP2_DATA, 0, 1, SPAN("x"));
	go();
	assert_int_equal(
	    find(NGHTTP2_RST_STREAM)->word, NGHTTP2_FLOW_CONTROL_ERROR);
}

static void
a_window_over_its_range_is_refused(void **state)
{
	(void)state;
	add_word(NGHTTP2_WINDOW_UPDATE, 0, 0x7fffffff);
	go();
	assert_int_equal(
	    find(NGHTTP2_GOAWAY)->word, NGHTTP2_FLOW_CONTROL_ERROR);
	assert_int_equal(h2_fault(t.h), H2_PROTOCOL);
}

static void
a_body_keeps_to_its_length(void **state)
{
	(void)state;
	add_request(1, "POST", 0, "3");
	add_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, SPAN("abc"));
	add_request(3, "POST", 0, "3");
	add_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, SPAN("ab"));
	add_request(5, "POST", 0, "3");
	add_frame(NGHTTP2_DATA, 0, 5, SPAN("abcd"));
	go();
	assert_int_equal(count(NGHTTP2_RST_STREAM), 2);
	assert_int_equal(find(NGHTTP2_RST_STREAM)->id, 3);
	assert_int_equal(
	    find(NGHTTP2_RST_STREAM)->word, NGHTTP2_PROTOCOL_ERROR);
	assert_int_equal(t.closed, 2);
	assert_memory_equal(t.bodies.data, "abc", 3);
}

static void
trailers_end_the_body(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	add_field(&b, "x-sum", "1");
	add_request(1, "POST", 0, NULL);
	add_frame(NGHTTP2_DATA, 0, 1, SPAN("abc"));
	add_frame(NGHTTP2_HEADERS, 5, 1, buf_span(&b));
	buf_done(&b);
	go();
	assert_int_equal(t.nev, 3);
	assert_true(t.ev[2].end);
	assert_true(span_eq(t.ev[2].trailers, SPAN("x-sum: 1\r\n")));
}

static void
an_answer_ends_with_its_trailers(void **state)
{
	(void)state;
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	t.nsent = 0;
	assert_int_equal(answer(&t.s[0], "HTTP/1.1 200 OK\r\n\r\n", "ab"), 0);
	assert_int_equal(h2_trailers(t.h, &t.s[0],
			     SPAN("X-Sum: 1\r\nConnection: x\r\ny:2 \r\n")),
	    0);
	h2_end(t.h, &t.s[0], false);
	write_out();
	assert_int_equal(find(NGHTTP2_DATA)->n, 2);
	for (size_t i = 0; i + 1 < t.nsent; i++)
		assert_false(t.sent[i].flags & NGHTTP2_FLAG_END_STREAM);
	assert_int_equal(t.sent[t.nsent - 1].type, NGHTTP2_HEADERS);
	assert_true(t.sent[t.nsent - 1].flags & NGHTTP2_FLAG_END_STREAM);
	assert_int_equal(t.closed, 1);
}

static void
trailers_wait_for_the_window_of_the_body(void **state)
{
	(void)state;
	/* SETTINGS_INITIAL_WINDOW_SIZE = 0 */
	add_frame(NGHTTP2_SETTINGS, 0, 0, SPAN("\0\4\0\0\0\0"));
	add_request(1, "POST", 0, NULL);
	go();
	t.nsent = 0;
	assert_int_equal(answer(&t.s[0], "HTTP/1.1 200 OK\r\n\r\n", "x"), 0);
	assert_int_equal(h2_trailers(t.h, &t.s[0], SPAN("X-Sum: 1\r\n")), 0);
	h2_end(t.h, &t.s[0], true);
	write_out();
	assert_int_equal(count(NGHTTP2_HEADERS), 1);
	assert_int_equal(count(NGHTTP2_RST_STREAM), 0);
	add_word(NGHTTP2_WINDOW_UPDATE, 1, 1);
	go();
	assert_int_equal(t.nsent, 3);
	assert_int_equal(t.sent[0].type, NGHTTP2_DATA);
	assert_int_equal(t.sent[0].flags, 0);
	assert_int_equal(t.sent[1].type, NGHTTP2_HEADERS);
	assert_true(t.sent[1].flags & NGHTTP2_FLAG_END_STREAM);
	/* The rest of the request is not wanted, once that is out. */
	assert_int_equal(t.sent[2].type, NGHTTP2_RST_STREAM);
	assert_int_equal(t.sent[2].word, NGHTTP2_NO_ERROR);
}

static void
trailers_keep_to_the_ceilings_of_a_head(void **state)
{
	static char lines[20 * 4 + 4], large[1025];

	(void)state;
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	assert_int_equal(answer(&t.s[0], "HTTP/1.1 200 OK\r\n\r\n", "x"), 0);
	for (size_t i = 0; i < sizeof(lines); i += 4)
		memcpy(lines + i, "a:\r\n", 4);
	memset(large, 'a', sizeof(large));
	assert_int_equal(
	    h2_trailers(t.h, &t.s[0], (struct span){ lines, sizeof(lines) }),
	    -ENOBUFS);
	assert_int_equal(
	    h2_trailers(t.h, &t.s[0], (struct span){ large, sizeof(large) }),
	    -ENOBUFS);
	assert_int_equal(h2_trailers(t.h, &t.s[0],
			     (struct span){ lines, sizeof(lines) - 4 }),
	    0);
	h2_cut(t.h, &t.s[0], true);
	write_out();
	assert_int_equal(
	    h2_trailers(t.h, &t.s[0], SPAN("X-Sum: 1\r\n")), -EPIPE);
}

static void
an_early_answer_drops_the_rest_without_an_error(void **state)
{
	(void)state;
	add_request(1, "POST", 0, NULL);
	go();
	t.nsent = 0;
	assert_int_equal(
	    answer(
		&t.s[0], "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "x"),
	    0);
	h2_end(t.h, &t.s[0], true);
	write_out();
	assert_int_equal(t.nsent, 3);
	assert_true(t.sent[1].flags & NGHTTP2_FLAG_END_STREAM);
	assert_int_equal(t.sent[2].type, NGHTTP2_RST_STREAM);
	assert_int_equal(t.sent[2].word, NGHTTP2_NO_ERROR);
	assert_int_equal(t.closed, 1);
}

static void
an_early_answer_that_waits_for_a_window_is_told_whole(void **state)
{
	(void)state;
	/* SETTINGS_INITIAL_WINDOW_SIZE = 0 */
	add_frame(NGHTTP2_SETTINGS, 0, 0, SPAN("\0\4\0\0\0\0"));
	add_request(1, "POST", 0, NULL);
	go();
	assert_int_equal(answer(&t.s[0], "HTTP/1.1 200 OK\r\n\r\n", "x"), 0);
	h2_end(t.h, &t.s[0], true);
	write_out();
	assert_int_equal(count(NGHTTP2_RST_STREAM), 0);
	add_word(NGHTTP2_WINDOW_UPDATE, 1, 1);
	go();
	assert_int_equal(t.sent[0].flags, NGHTTP2_FLAG_END_STREAM);
	assert_int_equal(t.sent[1].type, NGHTTP2_RST_STREAM);
	assert_int_equal(t.sent[1].word, NGHTTP2_NO_ERROR);
}

static void
a_cut_answer_is_reset(void **state)
{
	(void)state;
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	t.nsent = 0;
	assert_int_equal(
	    answer(
		&t.s[0], "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "x"),
	    0);
	h2_cut(t.h, &t.s[0], true);
	write_out();
	assert_int_equal(
	    find(NGHTTP2_RST_STREAM)->word, NGHTTP2_INTERNAL_ERROR);
	assert_int_equal(t.closed, 1);
}

static void
malformed_heads_are_reset(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	add_field(&b, ":method", "GET");
	add_frame(NGHTTP2_HEADERS, 5, 1, buf_span(&b));
	buf_done(&b);
	go();
	assert_int_equal(t.nev, 1);
	assert_int_equal(t.ev[0].kind, H2_MALFORMED);
	assert_int_equal(
	    find(NGHTTP2_RST_STREAM)->word, NGHTTP2_PROTOCOL_ERROR);
}

static void
goaway_comes_twice_and_lets_streams_end(void **state)
{
	(void)state;
	add_request(1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	t.nsent = 0;
	h2_notice(t.h);
	write_out();
	assert_int_equal(find(NGHTTP2_GOAWAY)->word, NGHTTP2_NO_ERROR);
	/* One that was on its way is still taken up. */
	add_request(3, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	assert_int_equal(t.nev, 1);
	h2_goaway(t.h);
	write_out();
	add_request(5, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	assert_int_equal(t.nev, 0);
	assert_false(h2_over(t.h));
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    answer(&t.s[i], "HTTP/1.1 204 No Content\r\n\r\n", ""), 0);
	assert_true(h2_over(t.h));
}

/* A whole answer, with trailers. */
static int
answer_all(struct h2 *h, struct h2_stream *s)
{
	char text[] = "HTTP/1.1 200 OK\r\n\r\n", body[] = "hello";
	struct iovec iov[2] = { { text, sizeof(text) - 1 }, { body, 5 } };
	int r = h2_answer(h, s, iov, 2);

	if (r == 0)
		r = h2_trailers(h, s, SPAN("X-Sum: 1\r\n"));
	if (r == 0)
		h2_end(h, s, false);
	return r;
}

static void
each_allocation_may_fail(void **state)
{
	(void)state;
	for (size_t nth = 1, failed = 1; failed; nth++) {
		struct span in;
		struct h2_event ev;
		struct h2 *h;
		struct h2_stream s = { 0 };
		int r = 0;

		buf_clear(&t.in);
		add(&t.in, H2_PREFACE, sizeof(H2_PREFACE) - 1);
		add_frame(NGHTTP2_SETTINGS, 0, 0, SPAN(""));
		add_request(1, "POST", 0, NULL);
		add_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, SPAN("a"));
		in = buf_span(&t.in);
		alloc_fail_at(nth);
		h = h2_new(&limits, &ops, NULL);
		while (h != NULL && in.n > 0 && r == 0) {
			r = h2_read(h, 0, &in, &ev);
			if (r == 0 && ev.kind == H2_REQUEST)
				r = h2_open(h, &s, &ev);
		}
		if (s.id != 0 && r == 0)
			r = answer_all(h, &s);
		if (h != NULL && r == 0)
			r = h2_write(h);
		failed = alloc_failed();
		alloc_fail_at(0);
		if (!failed) {
			assert_int_equal(r, 0);
			assert_true(s.closed);
		}
		h2_free(h);
		h2_stream_done(&s);
		buf_clear(&t.out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_word_says_our_limits),
		TEST(a_request_is_told_and_answered),
		TEST(no_body_goes_with_head_204_and_304),
		TEST(interim_answers_go_before_the_final_one),
		TEST(what_no_window_is_open_for_is_kept),
		TEST(nothing_of_a_body_goes_to_a_client_that_takes_nothing),
		TEST(windows_open_by_credit_alone),
		TEST(a_window_that_is_overrun_costs_the_stream),
		TEST(a_window_that_is_used_up_is_told),
		TEST(a_window_over_its_range_is_refused),
		TEST(a_body_keeps_to_its_length),
		TEST(trailers_end_the_body),
		TEST(an_answer_ends_with_its_trailers),
		TEST(trailers_wait_for_the_window_of_the_body),
		TEST(trailers_keep_to_the_ceilings_of_a_head),
		TEST(an_early_answer_drops_the_rest_without_an_error),
		TEST(an_early_answer_that_waits_for_a_window_is_told_whole),
		TEST(a_cut_answer_is_reset),
		TEST(malformed_heads_are_reset),
		TEST(goaway_comes_twice_and_lets_streams_end),
		TEST(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
