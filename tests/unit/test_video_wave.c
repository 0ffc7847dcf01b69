/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "video/wave.h"

static struct wave w;

static void
parts_are_equal_and_hold_their_extremes(void **state)
{
	static const int16_t samples[] = { 0, 256, -256, 32767, -32768, 0, 512,
		1024 };

	(void)state;
	wave_init(&w, 1000, 8, 4);
	assert_int_equal(w.part, 2);
	/* In pieces that are no parts. */
	wave_add(&w, samples, 3);
	wave_add(&w, samples + 3, 5);
	assert_int_equal(w.len, 4);
	assert_int_equal(w.point[0].low, 0);
	assert_int_equal(w.point[0].high, 1);
	assert_int_equal(w.point[1].low, -1);
	assert_int_equal(w.point[1].high, 127);
	assert_int_equal(w.point[2].low, -128);
	assert_int_equal(w.point[2].high, 0);
	assert_int_equal(w.point[3].low, 2);
	assert_int_equal(w.point[3].high, 4);
}

static void
less_or_more_than_was_said_is_well(void **state)
{
	static const int16_t samples[100];

	(void)state;
	wave_init(&w, 1000, 10, 3);
	assert_int_equal(w.part, 4);
	wave_add(&w, samples, 5);
	assert_int_equal(w.len, 2);
	wave_add(&w, samples, 19);
	assert_int_equal(w.len, 6);
	assert_int_equal(w.part, 4);
	wave_add(&w, samples, 1);
	assert_int_equal(w.len, 4);
	assert_int_equal(w.part, 8);
	wave_add(&w, samples, 100);
	assert_in_range(w.len, 3, 6);
	assert_int_equal(w.samples, 125);
	/* Fewer samples than points. */
	wave_init(&w, 1, 1000, 50);
	wave_add(&w, samples, 2);
	assert_int_equal(w.part, 1);
	assert_int_equal(w.len, 2);
	wave_init(&w, 192000, 86400000, WAVE_POINTS_MAX);
	assert_int_equal(w.part, 1658880);
}

static void
two_parts_that_become_one_keep_their_extremes(void **state)
{
	int16_t sample;

	(void)state;
	wave_init(&w, 1000, 2, 2);
	for (int i = 0; i < 5; i++) {
		sample = (int16_t)(256 * (i % 2 == 0 ? -i : i));
		wave_add(&w, &sample, 1);
	}
	assert_int_equal(w.part, 2);
	assert_int_equal(w.len, 3);
	assert_int_equal(w.point[0].low, 0);
	assert_int_equal(w.point[0].high, 1);
	assert_int_equal(w.point[1].low, -2);
	assert_int_equal(w.point[1].high, 3);
	assert_int_equal(w.point[2].low, -4);
}

static void
it_is_written_as_json_and_svg(void **state)
{
	static const int16_t samples[] = { -32768, 32767, 0, 256 };
	struct buf out;

	(void)state;
	wave_init(&w, 1000, 4, 2);
	wave_add(&w, samples, 4);
	buf_init(&out, 1000);
	assert_int_equal(wave_write_json(&w, &out), 0);
	assert_string_equal(buf_str(&out),
	    "{\"version\":2,\"channels\":1,\"sample_rate\":1000,"
	    "\"samples_per_pixel\":2,\"bits\":8,\"length\":2,"
	    "\"data\":[-128,127,0,1]}\n");
	buf_clear(&out);
	assert_int_equal(wave_write_svg(&w, 80, 20, &out), 0);
	assert_string_equal(buf_str(&out),
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"80\" "
	    "height=\"20\" viewBox=\"0 0 2 256\" "
	    "preserveAspectRatio=\"none\"><path fill=\"currentColor\" "
	    "d=\"M0 127V0H1V126H2V128H1V256H0Z\"/></svg>\n");
	out.max = 20;
	buf_clear(&out);
	assert_int_equal(wave_write_json(&w, &out), -ENOBUFS);
	assert_int_equal(wave_write_svg(&w, 1, 1, &out), -ENOBUFS);
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_equal_and_hold_their_extremes),
		cmocka_unit_test(less_or_more_than_was_said_is_well),
		cmocka_unit_test(two_parts_that_become_one_keep_their_extremes),
		cmocka_unit_test(it_is_written_as_json_and_svg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
