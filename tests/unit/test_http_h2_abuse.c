/* SPDX-License-Identifier: ISC */

/* What a client of HTTP/2 may try, and when it is enough. */

#include <errno.h>
#include <string.h>

#include "h2_world.h"

static void
ends_calmly(enum h2_fault fault)
{
	assert_int_equal(t.verdict, -EPROTO);
	assert_int_equal(h2_fault(t.h), fault);
	assert_int_equal(find(NGHTTP2_GOAWAY)->word, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_true(h2_over(t.h));
}

static void
resets_are_counted_though_answered(void **state)
{
	uint32_t id = 1;

	(void)state;
	for (int i = 0; i < H2_RESETS; i++, id += 2) {
		add_request(id, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
		add_word(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
		go();
		assert_int_equal(t.verdict, 0);
		memset(t.s, 0, sizeof(t.s));
	}
	/* A second brings some back. */
	t.now += 1000;
	for (int i = 0; i < H2_RESETS / H2_REFILL_S; i++, id += 2) {
		add_request(id, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
		add_word(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
		go();
		assert_int_equal(t.verdict, 0);
	}
	add_request(id, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	add_word(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
	go();
	ends_calmly(H2_RESET);
}

/* The client makes us reset (CVE-2025-8671): the same budget. */
static void
resets_that_it_provokes_are_its_own(void **state)
{
	uint32_t id = 1;

	(void)state;
	for (int i = 0; i <= H2_RESETS && t.verdict == 0; i++, id += 2) {
		add_request(id, "POST", 0, "1");
		add_frame(NGHTTP2_DATA, 0, id, SPAN("ab"));
		go();
		memset(t.s, 0, sizeof(t.s));
	}
	assert_int_equal(id, 2 * H2_RESETS + 3);
	assert_int_equal(h2_fault(t.h), H2_RESET);
	h2_stop(t.h);
	write_out();
	assert_int_equal(find(NGHTTP2_GOAWAY)->word, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void
floods(unsigned type, unsigned flags, uint32_t id, struct span payload)
{
	size_t n = 0;

	while (t.verdict == 0 && n < 100000) {
		add_frame(type, flags, id, payload);
		go();
		n++;
	}
	assert_int_equal(n, H2_CONTROLS - 2 + 1); /* SETTINGS, and its ACK */
	ends_calmly(H2_CONTROL);
}

/* Another session, with these limits. */
static void
begin_anew(const struct h2_limits *l)
{
	h2_free(t.h);
	t.h = h2_new(l, &ops, NULL);
	assert_non_null(t.h);
	add(&t.in, H2_PREFACE, sizeof(H2_PREFACE) - 1);
	add_frame(NGHTTP2_SETTINGS, 0, 0, SPAN(""));
	go();
}

static void
budgets_are_those_of_the_limits(void **state)
{
	struct h2_limits few = limits;
	size_t n = 0;
	uint32_t id = 1;

	(void)state;
	few.resets = 3;
	few.controls = 20;
	begin_anew(&few);
	for (; t.verdict == 0 && n < 100; n++) {
		add_frame(NGHTTP2_PING, 0, 0, SPAN("12345678"));
		go();
	}
	assert_int_equal(n, 20 - 1 + 1); /* the SETTINGS */
	ends_calmly(H2_CONTROL);
	begin_anew(&few);
	for (; t.verdict == 0 && id < 100; id += 2) {
		add_request(id, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
		add_word(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
		go();
	}
	assert_int_equal(id, 2 * (3 + 1) + 1);
	ends_calmly(H2_RESET);
	/* One a second comes back, however small the budget is. */
	begin_anew(&few);
	for (id = 1; id < 2 * 5; id += 2) {
		add_request(id, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
		add_word(NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
		t.now += 1000;
		go();
		assert_int_equal(t.verdict, 0);
		memset(t.s, 0, sizeof(t.s));
	}
}

static void
pings_are_bounded(void **state)
{
	(void)state;
	floods(NGHTTP2_PING, 0, 0, SPAN("12345678"));
}

static void
settings_are_bounded(void **state)
{
	(void)state;
	floods(NGHTTP2_SETTINGS, 0, 0, SPAN(""));
}

static void
priorities_are_bounded(void **state)
{
	(void)state;
	floods(NGHTTP2_PRIORITY, 0, 9, SPAN("\0\0\0\0\1"));
}

static void
unknown_frames_are_bounded(void **state)
{
	(void)state;
	floods(0x77, 0, 0, SPAN("x"));
}

static void
empty_data_is_bounded(void **state)
{
	(void)state;
	add_request(1, "POST", 0, NULL);
	go();
	floods(NGHTTP2_DATA, 0, 1, SPAN(""));
}

static void
window_updates_for_nothing_are_bounded(void **state)
{
	size_t n = 0;

	(void)state;
	while (t.verdict == 0 && n < 100000) {
		add_word(NGHTTP2_WINDOW_UPDATE, 0, 1);
		go();
		n++;
	}
	assert_in_range(n, H2_CONTROLS, H2_CONTROLS + 1024);
	ends_calmly(H2_CONTROL);
}

static void
continuations_are_bounded(void **state)
{
	(void)state;
	add_frame(NGHTTP2_HEADERS, 0, 1, SPAN(""));
	for (int i = 0; i <= H2_CONTINUATIONS; i++) {
		assert_int_equal(t.verdict, 0);
		add_frame(NGHTTP2_CONTINUATION, 0, 1, SPAN(""));
		go();
		if (t.verdict == 0)
			assert_true(h2_in_head(t.h));
	}
	ends_calmly(H2_HEADS);
}

static void
a_block_that_decodes_to_much_is_the_end(void **state)
{
	struct buf b;
	char value[121];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[120] = '\0';
	buf_init(&b, 4096);
	/* Indexed once, said again with one byte each (0xbe: entry 62). */
	add(&b, "\x40\x01x\x78", 4);
	add(&b, value, 120);
	for (int i = 0; i < 200; i++)
		add(&b, "\xbe", 1);
	add_frame(NGHTTP2_HEADERS, 0, 1, buf_span(&b));
	buf_done(&b);
	go();
	ends_calmly(H2_HEADS);
}

static void
a_table_over_what_we_allow_is_an_error(void **state)
{
	(void)state;
	/* A dynamic table size update to 65536 (RFC 7541, 4.2). */
	add_frame(NGHTTP2_HEADERS, 5, 1, SPAN("\x3f\xe1\xff\x03"));
	go();
	assert_int_equal(find(NGHTTP2_GOAWAY)->word, NGHTTP2_COMPRESSION_ERROR);
}

static void
streams_at_once_are_bounded(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < limits.streams; i++)
		add_request(2 * i + 1, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	assert_int_equal(t.nev, limits.streams);
	add_request(9, "GET", NGHTTP2_FLAG_END_STREAM, NULL);
	go();
	assert_int_equal(t.nev, 0);
	assert_int_equal(find(NGHTTP2_GOAWAY)->word, NGHTTP2_PROTOCOL_ERROR);
}

static void
what_is_no_preface_ends_at_once(void **state)
{
	(void)state;
	h2_free(t.h);
	t.h = h2_new(&limits, &ops, NULL);
	add(&t.in, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
	go();
	assert_int_equal(t.verdict, -EPROTO);
	assert_int_equal(h2_fault(t.h), H2_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(resets_are_counted_though_answered),
		TEST(resets_that_it_provokes_are_its_own),
		TEST(budgets_are_those_of_the_limits),
		TEST(pings_are_bounded),
		TEST(settings_are_bounded),
		TEST(priorities_are_bounded),
		TEST(unknown_frames_are_bounded),
		TEST(empty_data_is_bounded),
		TEST(window_updates_for_nothing_are_bounded),
		TEST(continuations_are_bounded),
		TEST(a_block_that_decodes_to_much_is_the_end),
		TEST(a_table_over_what_we_allow_is_an_error),
		TEST(streams_at_once_are_bounded),
		TEST(what_is_no_preface_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
