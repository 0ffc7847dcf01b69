/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image/plan.h"

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
static struct image_plan plan;
static struct svc_refusal refusal;

static struct image_source
source(enum image_format format, int width, int height)
{
	return (struct image_source){ .format = format,
		.width = width,
		.height = height,
		.frames = 1,
		.orientation = 1 };
}

static int
make(struct image_source s, struct image_params p)
{
	memset(&plan, 0, sizeof(plan));
	refusal = (struct svc_refusal){ .problem = NULL };
	return image_plan_make(&plan, &s, &p, &limits, &refusal);
}

static int
resized(int w, int h, struct image_params p)
{
	return make(source(IMAGE_PNG, w, h), p);
}

#define ASK(...) ((struct image_params){ __VA_ARGS__ })

static void
is_scaled(int width, int height)
{
	assert_int_equal(plan.width, width);
	assert_int_equal(plan.height, height);
}

static void
is_cropped(int left, int top, int width, int height)
{
	assert_int_equal(plan.left, left);
	assert_int_equal(plan.top, top);
	assert_int_equal(plan.crop_width, width);
	assert_int_equal(plan.crop_height, height);
}

static void
one_side_keeps_the_aspect(void **state)
{
	(void)state;
	assert_int_equal(resized(3000, 2000, ASK(.width = 300)), 0);
	is_scaled(300, 200);
	is_cropped(0, 0, 300, 200);
	assert_int_equal(resized(3000, 2000, ASK(.height = 100)), 0);
	is_scaled(150, 100);
	assert_int_equal(resized(3000, 2000, ASK(.width = 0)), 0);
	is_scaled(3000, 2000);
}

static void
fit_stays_inside_both(void **state)
{
	(void)state;
	assert_int_equal(
	    resized(3000, 2000, ASK(.width = 300, .height = 300)), 0);
	is_scaled(300, 200);
	assert_int_equal(
	    resized(2000, 3000, ASK(.width = 300, .height = 300)), 0);
	is_scaled(200, 300);
}

static void
fill_covers_both_and_crops_the_centre(void **state)
{
	struct image_params p = ASK(.width = 300, .height = 300,
	    .resize = IMAGE_FILL);

	(void)state;
	assert_int_equal(resized(3000, 2000, p), 0);
	is_scaled(450, 300);
	is_cropped(75, 0, 300, 300);
	assert_int_equal(resized(2000, 3000, p), 0);
	is_scaled(300, 450);
	is_cropped(0, 75, 300, 300);
}

static void
a_small_picture_grows_only_when_asked(void **state)
{
	(void)state;
	assert_int_equal(resized(30, 20, ASK(.width = 300, .height = 300)), 0);
	is_scaled(30, 20);
	assert_int_equal(
	    resized(
		30, 20, ASK(.width = 15, .height = 300, .resize = IMAGE_FILL)),
	    0);
	is_scaled(30, 20);
	is_cropped(7, 0, 15, 20);
	assert_int_equal(resized(30, 20, ASK(.width = 300, .enlarge = 1)), 0);
	is_scaled(300, 200);
	assert_int_equal(resized(30, 20,
			     ASK(.width = 300, .height = 300,
				 .resize = IMAGE_FILL, .enlarge = 1)),
	    0);
	is_scaled(450, 300);
	is_cropped(75, 0, 300, 300);
}

static void
a_side_is_never_nothing(void **state)
{
	(void)state;
	assert_int_equal(resized(8000, 2, ASK(.width = 10)), 0);
	is_scaled(10, 1);
}

static void
a_turned_picture_is_measured_upright(void **state)
{
	struct image_source s = source(IMAGE_JPEG, 3000, 2000);

	(void)state;
	s.orientation = 6;
	assert_int_equal(make(s, ASK(.width = 300)), 0);
	is_scaled(450, 300); /* as stored; upright it is 300x450 */
	is_cropped(0, 0, 300, 450);
	s.orientation = 3;
	assert_int_equal(make(s, ASK(.width = 300)), 0);
	is_scaled(300, 200);
}

static void
a_jpeg_is_decoded_at_the_coarsest_scale_that_will_do(void **state)
{
	static const struct {
		int width, shrink;
	} cases[] = { { 3000, 1 }, { 1501, 1 }, { 1500, 2 }, { 751, 2 },
		{ 750, 4 }, { 376, 4 }, { 375, 8 }, { 10, 8 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(make(source(IMAGE_JPEG, 3000, 2000),
				     ASK(.width = cases[i].width)),
		    0);
		assert_int_equal(plan.shrink, cases[i].shrink);
	}
	assert_int_equal(
	    make(source(IMAGE_PNG, 3000, 2000), ASK(.width = 10)), 0);
	assert_int_equal(plan.shrink, 1);
}

static void
the_format_and_quality_have_defaults(void **state)
{
	(void)state;
	assert_int_equal(make(source(IMAGE_PNG, 9, 9), ASK(.width = 0)), 0);
	assert_int_equal(plan.format, IMAGE_PNG);
	assert_int_equal(
	    make(source(IMAGE_PNG, 9, 9), ASK(.format = IMAGE_AVIF)), 0);
	assert_int_equal(plan.format, IMAGE_AVIF);
	assert_int_equal(plan.quality, 63);
	assert_int_equal(
	    make(source(IMAGE_PNG, 9, 9), ASK(.format = IMAGE_JPEG)), 0);
	assert_int_equal(plan.quality, 80);
	assert_int_equal(make(source(IMAGE_JPEG, 9, 9), ASK(.quality = 5)), 0);
	assert_int_equal(plan.quality, 5);
}

static void
frames_are_kept_by_formats_that_can(void **state)
{
	struct image_source s = source(IMAGE_GIF, 100, 100);

	(void)state;
	s.frames = 12;
	assert_int_equal(make(s, ASK(.format = IMAGE_WEBP)), 0);
	assert_int_equal(plan.frames, 12);
	assert_int_equal(make(s, ASK(.format = IMAGE_JPEG)), 0);
	assert_int_equal(plan.frames, 1);
}

static void
is_refused(const struct svc_problem *problem, struct image_source s,
    struct image_params p)
{
	assert_int_equal(make(s, p), -EINVAL);
	assert_ptr_equal(refusal.problem, problem);
	assert_true(refusal.detail.text[0] != '\0');
}

static void
pixels_have_a_limit_by_kind(void **state)
{
	struct image_source s = source(IMAGE_PNG, 10000, 10000);

	(void)state;
	assert_int_equal(make(s, ASK(.width = 10)), 0);
	s.width++;
	is_refused(&image_too_many_pixels, s, ASK(.width = 10));
	s = source(IMAGE_AVIF, 6000, 6000);
	assert_int_equal(make(s, ASK(.width = 10)), 0);
	s.height++;
	is_refused(&image_too_many_pixels, s, ASK(.width = 10));
	s = source(IMAGE_JPEG, 10000, 5000);
	s.interlaced = true;
	assert_int_equal(make(s, ASK(.width = 10)), 0);
	s.height++;
	is_refused(&image_too_many_pixels, s, ASK(.width = 10));
}

static void
pixels_are_counted_over_all_frames(void **state)
{
	struct image_source s = source(IMAGE_GIF, 1000, 1000);

	(void)state;
	s.frames = 100;
	assert_int_equal(make(s, ASK(.width = 10)), 0);
	s.frames = 101;
	is_refused(&image_too_many_pixels, s, ASK(.width = 10));
	s = source(IMAGE_GIF, 10, 10);
	s.frames = 256;
	assert_int_equal(make(s, ASK(.width = 10)), 0);
	s.frames = 257;
	is_refused(&image_too_many_frames, s, ASK(.width = 10));
}

static void
a_huge_header_does_not_wrap_around(void **state)
{
	struct image_source s = source(IMAGE_PNG, INT32_MAX, INT32_MAX);

	(void)state;
	is_refused(&image_too_many_pixels, s, ASK(.width = 10));
	s = source(IMAGE_PNG, 0, 10);
	is_refused(&image_invalid, s, ASK(.width = 10));
}

static void
the_result_has_a_limit_too(void **state)
{
	(void)state;
	assert_int_equal(resized(8192, 10, ASK(.width = 0)), 0);
	is_refused(&image_output_too_large, source(IMAGE_PNG, 8193, 10),
	    ASK(.width = 0));
	is_refused(&image_output_too_large, source(IMAGE_PNG, 10, 100),
	    ASK(.width = 1000, .enlarge = 1));
	/* 2x1 px that fill 1x8192 would first be made 16384x8192. */
	is_refused(&image_output_too_large, source(IMAGE_PNG, 2, 1),
	    ASK(.width = 1, .height = 8192, .resize = IMAGE_FILL,
		.enlarge = 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_side_keeps_the_aspect),
		cmocka_unit_test(fit_stays_inside_both),
		cmocka_unit_test(fill_covers_both_and_crops_the_centre),
		cmocka_unit_test(a_small_picture_grows_only_when_asked),
		cmocka_unit_test(a_side_is_never_nothing),
		cmocka_unit_test(a_turned_picture_is_measured_upright),
		cmocka_unit_test(
		    a_jpeg_is_decoded_at_the_coarsest_scale_that_will_do),
		cmocka_unit_test(the_format_and_quality_have_defaults),
		cmocka_unit_test(frames_are_kept_by_formats_that_can),
		cmocka_unit_test(pixels_have_a_limit_by_kind),
		cmocka_unit_test(pixels_are_counted_over_all_frames),
		cmocka_unit_test(a_huge_header_does_not_wrap_around),
		cmocka_unit_test(the_result_has_a_limit_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
