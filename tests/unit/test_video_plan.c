/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/array.h"
#include "video/board.h"
#include "video/plan.h"
#include "video/tone.h"

#define ONE 65536

static const struct video_turn upright = { .swap = false };
static const struct video_turn quarter = { .swap = true };

/* --- turns ---------------------------------------------------------------- */

/* As ISO 14496-12 writes them: x' = a x + c y, y' = b x + d y. */
static struct video_turn
turn(int32_t a, int32_t b, int32_t c, int32_t d)
{
	const int32_t m[9] = { a, b, 0, c, d, 0, 0, 0, 1 << 30 };

	return video_turn_of(m);
}

static void
is(struct video_turn t, bool swap, bool flip_x, bool flip_y)
{
	assert_int_equal(t.swap, swap);
	assert_int_equal(t.flip_x, flip_x);
	assert_int_equal(t.flip_y, flip_y);
}

static void
a_matrix_is_one_of_eight_turns(void **state)
{
	(void)state;
	is(turn(ONE, 0, 0, ONE), false, false, false);
	is(turn(-ONE, 0, 0, -ONE), false, true, true);
	is(turn(-ONE, 0, 0, ONE), false, true, false);
	is(turn(ONE, 0, 0, -ONE), false, false, true);
	is(turn(0, ONE, -ONE, 0), true, true, false);
	is(turn(0, -ONE, ONE, 0), true, false, true);
	is(turn(0, ONE, ONE, 0), true, false, false);
	is(turn(0, -ONE, -ONE, 0), true, true, true);
}

static void
a_matrix_of_nonsense_is_some_turn(void **state)
{
	(void)state;
	is(turn(0, 0, 0, 0), false, false, false);
	is(turn(INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN), false, true, true);
	is(turn(60000, 10000, -10000, 60000), false, false, false);
}

/* --- sizes ---------------------------------------------------------------- */

static void
sizes_follow_what_is_asked(void **state)
{
	static const struct {
		int width, height, sar_num, sar_den, want_width, want_height;
		int out_width, out_height;
	} rows[] = {
		{ 1920, 1080, 1, 1, 0, 0, 1920, 1080 },
		{ 1920, 1080, 1, 1, 640, 0, 640, 360 },
		{ 1920, 1080, 1, 1, 0, 270, 480, 270 },
		{ 1920, 1080, 1, 1, 100, 100, 100, 56 },
		{ 1080, 1920, 1, 1, 100, 100, 56, 100 },
		{ 320, 180, 1, 1, 4096, 4096, 320, 180 },
		{ 321, 179, 0, 1, 160, 0, 160, 89 },
		{ 720, 576, 64, 45, 0, 0, 1024, 576 },
		{ 720, 576, 16, 15, 384, 0, 384, 288 },
		{ 320, 180, 1, 1, 1, 1, 1, 1 },
		{ 8192, 1, 1, 1, 16, 0, 16, 1 },
		{ 320, 180, 1000, 1, 0, 0, 320, 180 },
		{ 320, 180, -1, -1, 0, 0, 320, 180 },
		{ 8192, 4320, 2, 1, 0, 0, 8192, 2160 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct video_shape s = video_shape_of(rows[i].width,
		    rows[i].height, rows[i].sar_num, rows[i].sar_den, upright,
		    rows[i].want_width, rows[i].want_height);

		assert_int_equal(s.out_width, rows[i].out_width);
		assert_int_equal(s.out_height, rows[i].out_height);
		assert_int_equal(s.width, s.out_width);
		assert_int_equal(s.height, s.out_height);
	}
}

static void
what_is_asked_is_meant_upright(void **state)
{
	struct video_shape s = video_shape_of(
	    1920, 1080, 1, 1, quarter, 270, 0);

	(void)state;
	assert_int_equal(s.out_width, 270);
	assert_int_equal(s.out_height, 480);
	assert_int_equal(s.width, 480);
	assert_int_equal(s.height, 270);
	s = video_shape_of(1920, 1080, 1, 1, quarter, 0, 480);
	assert_int_equal(s.out_width, 270);
}

/* --- storyboards ---------------------------------------------------------- */

static struct board board;
static struct svc_refusal refusal;

static int
lays(int tiles, int columns, int width, int height)
{
	const struct video_board_params p = { .tiles = tiles,
		.columns = columns };
	struct video_shape shape = { .width = width,
		.height = height,
		.out_width = width,
		.out_height = height };

	return board_make(&board, &p, &shape, 10000, &refusal);
}

static void
tiles_fill_rows(void **state)
{
	static const struct {
		int tiles, columns, wide, high;
	} rows[] = { { 1, 0, 1, 1 }, { 10, 0, 4, 3 }, { 9, 0, 3, 3 },
		{ 2, 0, 2, 1 }, { 10, 5, 5, 2 }, { 10, 3, 3, 4 },
		{ 3, 100, 3, 1 }, { 200, 1, 1, 200 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
		    lays(rows[i].tiles, rows[i].columns, 16, 9), 0);
		assert_int_equal(board.columns, rows[i].wide);
		assert_int_equal(board.rows, rows[i].high);
		assert_int_equal(board.tile_width, 16);
		assert_int_equal(board.tile_height, 10);
	}
	assert_int_equal(lays(10, 4, 16, 10), 0);
	assert_int_equal(board_x(&board, 6), 32);
	assert_int_equal(board_y(&board, 6), 10);
}

static void
a_sprite_has_a_ceiling(void **state)
{
	(void)state;
	assert_int_equal(lays(2, 2, 4096, 4096), 0);
	assert_int_equal(lays(3, 3, 4096, 4096), -EINVAL);
	assert_ptr_equal(refusal.problem, &video_answer_too_large);
	assert_int_equal(lays(3, 1, 4096, 4096), -EINVAL);
}

static void
times_cover_the_whole(void **state)
{
	(void)state;
	for (int tiles = 1; tiles <= 200; tiles++) {
		assert_int_equal(lays(tiles, 0, 2, 2), 0);
		assert_int_equal(board_start_ms(&board, 0), 0);
		assert_int_equal(board_start_ms(&board, tiles), 10000);
		for (int i = 0; i < tiles; i++)
			assert_in_range(board_middle_ms(10000, tiles, i),
			    board_start_ms(&board, i),
			    board_start_ms(&board, i + 1) - 1);
	}
}

static void
a_vtt_names_the_places(void **state)
{
	struct buf out;

	(void)state;
	assert_int_equal(lays(3, 2, 160, 90), 0);
	board.duration_ms = 3 * 3600 * 1000 + 1500;
	buf_init(&out, 4096);
	assert_int_equal(board_write_vtt(&board, "s.jpg", &out), 0);
	assert_string_equal(buf_str(&out),
	    "WEBVTT\n\n"
	    "00:00:00.000 --> 01:00:00.500\ns.jpg#xywh=0,0,160,90\n\n"
	    "01:00:00.500 --> 02:00:01.000\ns.jpg#xywh=160,0,160,90\n\n"
	    "02:00:01.000 --> 03:00:01.500\ns.jpg#xywh=0,90,160,90\n");
	buf_clear(&out);
	out.max = 100;
	assert_int_equal(board_write_vtt(&board, "s.jpg", &out), -ENOBUFS);
	buf_done(&out);
}

/* --- tones ---------------------------------------------------------------- */

static void
shows(enum tone_curve curve, double code, int low, int high)
{
	static struct tone t;
	uint16_t v = (uint16_t)(code * 65535);
	const uint16_t in[3] = { v, v, v };
	uint8_t out[3];

	tone_init(&t, curve);
	tone_row(&t, in, out, 1);
	assert_in_range(out[0], low, high);
	/* Grey stays grey. */
	assert_true(abs(out[0] - out[1]) <= 1 && abs(out[0] - out[2]) <= 1);
}

/* Codes of ITU-R BT.2408: reference white, 18 % grey, peaks. */
static void
tones_are_those_of_the_standard(void **state)
{
	(void)state;
	shows(TONE_PQ, 0, 0, 0);
	shows(TONE_PQ, 0.58, 228, 234);
	shows(TONE_PQ, 0.38, 95, 110);
	shows(TONE_PQ, 0.75, 243, 252);
	shows(TONE_PQ, 1, 252, 255);
	shows(TONE_HLG, 0, 0, 0);
	shows(TONE_HLG, 0.75, 228, 234);
	shows(TONE_HLG, 0.38, 95, 132);
	shows(TONE_HLG, 1, 240, 255);
}

static void
brighter_never_gets_darker(void **state)
{
	static struct tone t;
	uint8_t out[3], last = 0;

	(void)state;
	tone_init(&t, TONE_PQ);
	for (unsigned v = 0; v < 65536; v += 16) {
		const uint16_t in[3] = { (uint16_t)v, (uint16_t)v,
			(uint16_t)v };

		tone_row(&t, in, out, 1);
		assert_true(out[1] >= last);
		last = out[1];
	}
}

static void
colours_keep_their_order(void **state)
{
	static struct tone t;
	const uint16_t red[3] = { 40000, 9000, 9000 };
	uint8_t out[3];

	(void)state;
	tone_init(&t, TONE_PQ);
	tone_row(&t, red, out, 1);
	assert_true(out[0] > 200 && out[1] < 40 && out[2] < 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_matrix_is_one_of_eight_turns),
		cmocka_unit_test(a_matrix_of_nonsense_is_some_turn),
		cmocka_unit_test(sizes_follow_what_is_asked),
		cmocka_unit_test(what_is_asked_is_meant_upright),
		cmocka_unit_test(tiles_fill_rows),
		cmocka_unit_test(a_sprite_has_a_ceiling),
		cmocka_unit_test(times_cover_the_whole),
		cmocka_unit_test(a_vtt_names_the_places),
		cmocka_unit_test(tones_are_those_of_the_standard),
		cmocka_unit_test(brighter_never_gets_darker),
		cmocka_unit_test(colours_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
