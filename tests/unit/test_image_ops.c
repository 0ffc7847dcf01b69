/* SPDX-License-Identifier: ISC */

/* What comes out, pixel by pixel, against libvips' slow and plain way. */

#define _GNU_SOURCE

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <vips/vips.h>

#include "image/ops.h"

#define W 480
#define H 320

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
static struct svc_refusal refusal;
static VipsImage *scene; /* W x H, sRGB, smooth and with edges */

/* --- pictures ------------------------------------------------------------- */

static VipsImage *
from_pixels(int w, int h, int bands, const unsigned char *px)
{
	VipsImage *copy, *image = NULL;
	VipsInterpretation space = bands < 3 ? VIPS_INTERPRETATION_B_W
					     : VIPS_INTERPRETATION_sRGB;

	copy = vips_image_new_from_memory_copy(px,
	    (size_t)w * (size_t)h * (size_t)bands, w, h, bands,
	    VIPS_FORMAT_UCHAR);
	assert_non_null(copy);
	assert_int_equal(
	    vips_copy(copy, &image, "interpretation", space, NULL), 0);
	g_object_unref(copy);
	return image;
}

static VipsImage *
make_scene(void)
{
	unsigned char *px = g_malloc((size_t)W * H * 3);
	VipsImage *image;

	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			unsigned char *p = px + ((size_t)y * W + (size_t)x) * 3;
			bool in = hypot(x - 150, y - 120) < 90;

			p[0] = (unsigned char)(in ? 220 : 40 + x * 150 / W);
			p[1] = (unsigned char)(127 +
			    100 * sin(x / 23.0) * cos(y / 31.0));
			p[2] = (unsigned char)(in ? 60 : 250 - y * 200 / H);
		}
	image = from_pixels(W, H, 3, px);
	g_free(px);
	return image;
}

struct file {
	void *p;
	size_t n;
};

static struct span
bytes(const struct file *f)
{
	return (struct span){ f->p, f->n };
}

static struct file
save(VipsImage *image, const char *suffix)
{
	struct file f = { NULL, 0 };

	if (vips_image_write_to_buffer(image, suffix, &f.p, &f.n, NULL) != 0)
		fail_msg("%s: %s", suffix, vips_error_buffer());
	return f;
}

static VipsImage *
open_all(struct span in, const char *options)
{
	VipsImage *image = vips_image_new_from_buffer(
	    in.p, in.n, options, NULL);
	VipsImage *whole;

	assert_non_null(image);
	whole = vips_image_copy_memory(image);
	assert_non_null(whole);
	g_object_unref(image);
	return whole;
}

/* The bytes of one pixel of a picture in memory. */
static const unsigned char *
pixel(const VipsImage *image, int x, int y)
{
	size_t at = (size_t)y * (size_t)image->Xsize + (size_t)x;

	return image->data + at * (size_t)image->Bands;
}

/* --- the job -------------------------------------------------------------- */

static struct image_job job;

static int
run(struct span in, struct image_params params)
{
	image_job_done(&job);
	refusal = (struct svc_refusal){ .problem = NULL };
	job =
	    (struct image_job){ .in = in, .params = params, .limits = &limits };
	return image_run(&job, &refusal);
}

#define ASK(...) ((struct image_params){ __VA_ARGS__ })

static VipsImage *
result(const char *options)
{
	return open_all((struct span){ job.out, job.out_len }, options);
}

static double
psnr(VipsImage *a, VipsImage *b)
{
	VipsImage *diff = NULL, *square = NULL;
	double mean;

	assert_int_equal(vips_image_get_width(a), vips_image_get_width(b));
	assert_int_equal(vips_image_get_height(a), vips_image_get_height(b));
	assert_int_equal(vips_image_get_bands(a), vips_image_get_bands(b));
	assert_int_equal(vips_subtract(a, b, &diff, NULL), 0);
	assert_int_equal(vips_multiply(diff, diff, &square, NULL), 0);
	assert_int_equal(vips_avg(square, &mean, NULL), 0);
	g_object_unref(diff);
	g_object_unref(square);
	return mean == 0 ? 99 : 10 * log10(255.0 * 255.0 / mean);
}

static void
looks_like(VipsImage *made, VipsImage *wanted, double least)
{
	double db = psnr(made, wanted);

	if (db < least)
		fail_msg("%.1f dB, %.1f dB are wanted", db, least);
	g_object_unref(made);
	g_object_unref(wanted);
}

static VipsImage *
scaled(VipsImage *image, double scale)
{
	VipsImage *out;

	return vips_resize(image, &out, scale, NULL) == 0 ? out : NULL;
}

static VipsImage *
cropped(VipsImage *image, int x, int y, int w, int h)
{
	VipsImage *out = NULL;

	(void)vips_crop(image, &out, x, y, w, h, NULL);
	g_object_unref(image);
	return out;
}

/* --- tests ---------------------------------------------------------------- */

static void
a_jpeg_is_scaled_as_well_as_from_all_its_pixels(void **state)
{
	struct file f = save(scene, ".jpg[Q=95]");
	VipsImage *all = open_all(bytes(&f), "");

	(void)state;
	for (int width = 48; width < W; width = width * 3 / 2) {
		assert_int_equal(
		    run(bytes(&f), ASK(.width = width, .format = IMAGE_PNG)),
		    0);
		looks_like(result(""), scaled(all, (double)width / W), 32);
	}
	g_object_unref(all);
	g_free(f.p);
}

static void
each_format_in_and_out_shows_the_same(void **state)
{
	static const char *const suffixes[] = { ".jpg[Q=95]", ".png",
		".webp[Q=95]", ".avif[Q=90]", ".gif" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		for (int format = IMAGE_JPEG; format <= IMAGE_GIF; format++) {
			struct file f = save(scene, suffixes[i]);

			assert_int_equal(
			    run(bytes(&f),
				ASK(.width = W / 2, .format = format,
				    .quality = 90)),
			    0);
			assert_int_equal(job.out_format, format);
			assert_int_equal(
			    image_sniff((struct span){ job.out, job.out_len }),
			    format);
			looks_like(result(""), scaled(scene, 0.5), 25);
			g_free(f.p);
		}
}

static void
fill_keeps_the_centre(void **state)
{
	struct file f = save(scene, ".png");

	(void)state;
	assert_int_equal(
	    run(bytes(&f),
		ASK(.width = 160, .height = 160, .resize = IMAGE_FILL)),
	    0);
	looks_like(
	    result(""), cropped(scaled(scene, 0.5), 40, 0, 160, 160), 50);
	g_free(f.p);
}

static void
a_picture_is_turned_upright(void **state)
{
	for (int o = 1; o <= 8; o++) {
		VipsImage *marked = NULL, *stored, *upright = NULL;
		struct file f;

		(void)state;
		assert_int_equal(vips_copy(scene, &marked, NULL), 0);
		vips_image_set_int(marked, VIPS_META_ORIENTATION, o);
		f = save(marked, ".jpg[Q=95]");
		stored = open_all(bytes(&f), "");
		assert_int_equal(vips_autorot(stored, &upright, NULL), 0);
		assert_int_equal(
		    run(bytes(&f), ASK(.height = 160, .format = IMAGE_PNG)), 0);
		looks_like(result(""),
		    scaled(upright, 160.0 / vips_image_get_height(upright)),
		    32);
		g_object_unref(marked);
		g_object_unref(stored);
		g_object_unref(upright);
		g_free(f.p);
	}
}

static VipsImage *
half_transparent(void)
{
	unsigned char px[64 * 64 * 4];

	/* Red where it shows; green where nobody may ever see it. */
	for (size_t i = 0; i < 64 * 64; i++) {
		bool shows = (i % 64) / 7 % 2 == 0;
		const unsigned char on[4] = { 255, 0, 0, 255 };
		const unsigned char off[4] = { 0, 255, 0, 0 };

		memcpy(px + i * 4, shows ? on : off, 4);
	}
	return from_pixels(64, 64, 4, px);
}

static void
what_is_transparent_does_not_bleed(void **state)
{
	VipsImage *image = half_transparent(), *made;
	struct file f = save(image, ".png");
	double most = 0;

	(void)state;
	assert_int_equal(run(bytes(&f), ASK(.width = 23)), 0);
	made = result("");
	assert_int_equal(vips_image_get_bands(made), 4);
	for (int y = 0; y < 23; y++)
		for (int x = 0; x < 23; x++) {
			const unsigned char *p = pixel(made, x, y);

			if (p[3] > 8 && p[1] > most)
				most = p[1];
		}
	assert_true(most < 8);
	g_object_unref(made);
	assert_int_equal(run(bytes(&f), ASK(.format = IMAGE_JPEG)), 0);
	made = result("");
	assert_int_equal(vips_image_get_bands(made), 3);
	assert_true(pixel(made, 10, 30)[1] > 200); /* white */
	g_object_unref(made);
	g_object_unref(image);
	g_free(f.p);
}

static void
other_colours_become_srgb(void **state)
{
	VipsImage *cmyk = NULL, *deep = NULL, *grey = NULL, *made;
	struct file f;

	(void)state;
	assert_int_equal(
	    vips_icc_export(scene, &cmyk, "output_profile", "cmyk", NULL), 0);
	f = save(cmyk, ".jpg[Q=95]");
	assert_int_equal(
	    run(bytes(&f), ASK(.width = W, .format = IMAGE_PNG)), 0);
	made = result("");
	assert_int_equal(vips_image_get_bands(made), 3);
	assert_int_equal(vips_image_get_typeof(made, VIPS_META_ICC_NAME), 0);
	g_object_ref(scene);
	looks_like(made, scene, 18);
	g_free(f.p);

	assert_int_equal(
	    vips_colourspace(scene, &deep, VIPS_INTERPRETATION_RGB16, NULL), 0);
	f = save(deep, ".png");
	assert_int_equal(run(bytes(&f), ASK(.format = IMAGE_PNG)), 0);
	made = result("");
	assert_int_equal(vips_image_get_format(made), VIPS_FORMAT_UCHAR);
	g_object_ref(scene);
	looks_like(made, scene, 45);
	g_free(f.p);

	assert_int_equal(
	    vips_colourspace(scene, &grey, VIPS_INTERPRETATION_B_W, NULL), 0);
	f = save(grey, ".jpg[Q=95]");
	assert_int_equal(run(bytes(&f), ASK(.format = IMAGE_PNG)), 0);
	looks_like(result(""), grey, 35);
	g_object_unref(cmyk);
	g_object_unref(deep);
	g_free(f.p);
}

static void
metadata_stays_behind(void **state)
{
	static const enum image_format formats[] = { IMAGE_JPEG, IMAGE_PNG,
		IMAGE_WEBP, IMAGE_AVIF };
	VipsImage *marked = NULL;
	struct file f;

	(void)state;
	assert_int_equal(vips_copy(scene, &marked, NULL), 0);
	vips_image_set_string(
	    marked, "exif-ifd0-Copyright", "SECRET (SECRET, ASCII, 7 b)");
	vips_image_set_string(
	    marked, "exif-ifd0-Model", "SECRET (SECRET, ASCII, 7 b)");
	vips_image_set_blob_copy(marked, VIPS_META_XMP_NAME, "<SECRET/>", 9);
	f = save(marked, ".jpg");
	assert_non_null(memmem(f.p, f.n, "<SECRET/>", 9));
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		assert_int_equal(
		    run(bytes(&f), ASK(.width = 64, .format = formats[i])), 0);
		assert_null(memmem(job.out, job.out_len, "SECRET", 6));
		assert_null(memmem(job.out, job.out_len, "Exif", 4));
	}
	g_object_unref(marked);
	g_free(f.p);
}

#define FRAMES 3

/* A block that moves; frame 1 stays longer. */
static struct file
animation(const char *suffix)
{
	static unsigned char px[64 * 64 * FRAMES * 3];
	static const int delays[FRAMES] = { 100, 400, 100 };
	VipsImage *strip;
	struct file f;

	for (int i = 0; i < FRAMES; i++)
		for (int at = 0; at < 64 * 64; at++) {
			bool in = at % 64 / 16 == i && at / 64 > 40;

			memset(px + (i * 64 * 64 + at) * 3, in ? 230 : 20, 3);
		}
	strip = from_pixels(64, 64 * FRAMES, 3, px);
	vips_image_set_int(strip, VIPS_META_PAGE_HEIGHT, 64);
	vips_image_set_array_int(strip, "delay", delays, FRAMES);
	vips_image_set_int(strip, "loop", 5);
	f = save(strip, suffix);
	g_object_unref(strip);
	return f;
}

static void
an_animation_keeps_its_frames_and_its_time(void **state)
{
	static const char *const suffixes[] = { ".gif", ".webp[lossless]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		for (int format = IMAGE_WEBP; format <= IMAGE_GIF;
		     format += 2) {
			struct file f = animation(suffixes[i]);
			VipsImage *made;
			int *delays, n, loop;

			assert_int_equal(
			    run(bytes(&f), ASK(.width = 32, .format = format)),
			    0);
			made = result("n=-1");
			assert_int_equal(vips_image_get_width(made), 32);
			assert_int_equal(
			    vips_image_get_height(made), 32 * FRAMES);
			assert_int_equal(vips_image_get_page_height(made), 32);
			assert_int_equal(vips_image_get_array_int(
					     made, "delay", &delays, &n),
			    0);
			assert_int_equal(n, FRAMES);
			assert_int_equal(delays[0], 100);
			assert_int_equal(delays[1], 400);
			assert_int_equal(
			    vips_image_get_int(made, "loop", &loop), 0);
			assert_int_equal(loop, 5);
			/* The block of a frame does not reach into the next. */
			assert_true(pixel(made, 4, 31)[0] > 200);
			assert_true(pixel(made, 4, 32)[0] < 60);
			assert_true(pixel(made, 12, 32 + 31)[0] > 200);
			g_object_unref(made);
			g_free(f.p);
		}
}

static void
an_animation_can_be_filled_and_cropped(void **state)
{
	struct file f = animation(".gif");
	VipsImage *made;

	(void)state;
	assert_int_equal(
	    run(bytes(&f),
		ASK(.width = 32, .height = 16, .resize = IMAGE_FILL)),
	    0);
	made = result("n=-1");
	assert_int_equal(vips_image_get_page_height(made), 16);
	assert_int_equal(vips_image_get_height(made), 16 * FRAMES);
	g_object_unref(made);
	g_free(f.p);
}

static void
a_file_that_is_cut_short_is_never_half_a_picture(void **state)
{
	static const char *const suffixes[] = { ".jpg", ".jpg[interlace]",
		".png", ".png[interlace]", ".webp", ".avif", ".gif" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		struct file f = save(scene, suffixes[i]);

		for (size_t part = 1; part < 10; part++) {
			struct span cut = { f.p, f.n * part / 10 };

			assert_int_equal(
			    run(cut, ASK(.width = 60, .format = IMAGE_PNG)),
			    -EINVAL);
			if (refusal.problem != &image_truncated)
				fail_msg("%s cut to %zu/10: %s: %s",
				    suffixes[i], part, refusal.problem->type,
				    refusal.detail.text);
		}
		g_free(f.p);
	}
}

static void
limits_hold_before_decoding(void **state)
{
	static const char *const heavy[] = { ".png[interlace]",
		".jpg[interlace]" };
	struct image_limits few = limits;
	struct file f;

	(void)state;
	few.pixels_interlaced = W * H - 1;
	for (size_t i = 0; i < ARRAY_LEN(heavy); i++) {
		image_job_done(&job);
		f = save(scene, heavy[i]);
		job = (struct image_job){ .in = bytes(&f), .limits = &few };
		assert_int_equal(image_run(&job, &refusal), -EINVAL);
		assert_ptr_equal(refusal.problem, &image_too_many_pixels);
		g_free(f.p);
	}
	f = save(scene, ".jpg");
	job = (struct image_job){ .in = bytes(&f), .limits = &few };
	assert_int_equal(image_run(&job, &refusal), 0);
	g_free(f.p);
}

static void
a_job_that_is_told_to_stop_stops(void **state)
{
	atomic_bool stop = true;
	struct file f = save(scene, ".png");

	(void)state;
	image_job_done(&job);
	job = (struct image_job){ .in = bytes(&f),
		.params = ASK(.width = 4000, .enlarge = 1),
		.limits = &limits,
		.stop = &stop };
	assert_int_equal(image_run(&job, &refusal), -ECANCELED);
	assert_null(job.out);
	stop = false;
	assert_int_equal(image_run(&job, &refusal), 0);
	g_free(f.p);
}

static void
info_reads_the_header(void **state)
{
	VipsImage *marked = NULL;
	struct image_info info;
	struct file f;

	(void)state;
	assert_int_equal(vips_copy(scene, &marked, NULL), 0);
	vips_image_set_int(marked, VIPS_META_ORIENTATION, 6);
	f = save(marked, ".jpg[interlace,profile=srgb]");
	assert_int_equal(image_inspect(bytes(&f), &info, &refusal), 0);
	assert_int_equal(info.source.format, IMAGE_JPEG);
	assert_int_equal(info.source.width, W);
	assert_int_equal(info.source.height, H);
	assert_int_equal(info.source.orientation, 6);
	assert_true(info.source.interlaced);
	assert_true(info.has_icc);
	assert_false(info.has_alpha);
	g_free(f.p);
	f = animation(".gif");
	assert_int_equal(image_inspect(bytes(&f), &info, &refusal), 0);
	assert_int_equal(info.source.frames, FRAMES);
	assert_int_equal(info.source.height, 64);
	g_free(f.p);
	g_object_unref(marked);
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	if (image_ops_init("test", &err) < 0)
		return -1;
	scene = make_scene();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	image_job_done(&job);
	g_object_unref(scene);
	vips_shutdown();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_jpeg_is_scaled_as_well_as_from_all_its_pixels),
		cmocka_unit_test(each_format_in_and_out_shows_the_same),
		cmocka_unit_test(fill_keeps_the_centre),
		cmocka_unit_test(a_picture_is_turned_upright),
		cmocka_unit_test(what_is_transparent_does_not_bleed),
		cmocka_unit_test(other_colours_become_srgb),
		cmocka_unit_test(metadata_stays_behind),
		cmocka_unit_test(an_animation_keeps_its_frames_and_its_time),
		cmocka_unit_test(an_animation_can_be_filled_and_cropped),
		cmocka_unit_test(
		    a_file_that_is_cut_short_is_never_half_a_picture),
		cmocka_unit_test(limits_hold_before_decoding),
		cmocka_unit_test(a_job_that_is_told_to_stop_stops),
		cmocka_unit_test(info_reads_the_header),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
