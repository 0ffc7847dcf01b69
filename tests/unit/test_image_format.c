/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/format.h"
#include "image/webp.h"

#define PNG "\x89PNG\r\n\x1a\n"
#define FTYP(major, also)                   \
	"\0\0\0\x1c"                        \
	"ftyp" major "\0\0\0\0" also "miaf" \
	"MA1B"

static void
each_format_is_told_by_its_first_bytes(void **state)
{
	(void)state;
	assert_int_equal(image_sniff(SPAN("\xff\xd8\xff\xe0...")), IMAGE_JPEG);
	assert_int_equal(image_sniff(SPAN(PNG "....")), IMAGE_PNG);
	assert_int_equal(image_sniff(SPAN("RIFF\0\0\0\0WEBPVP8 ")), IMAGE_WEBP);
	assert_int_equal(image_sniff(SPAN("GIF89a")), IMAGE_GIF);
	assert_int_equal(image_sniff(SPAN("GIF87a")), IMAGE_GIF);
	assert_int_equal(image_sniff(SPAN(FTYP("avif", "mif1"))), IMAGE_AVIF);
	assert_int_equal(image_sniff(SPAN(FTYP("mif1", "avif"))), IMAGE_AVIF);
}

static void
nothing_else_is_an_image(void **state)
{
	static const struct span others[] = {
		{ NULL, 0 },
		{ "", 0 },
		{ "hello, world", 12 },
		{ "<svg xmlns='http://www.w3.org/2000/svg'/>", 41 },
		{ "%PDF-1.7", 8 },
		{ "II*\0", 4 },
		{ "BM......", 8 },
		{ "RIFF\0\0\0\0WAVE", 12 },
		{ "GIF88a", 6 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(image_sniff(others[i]), IMAGE_UNKNOWN);
	assert_int_equal(
	    image_sniff(SPAN(FTYP("heic", "mif1"))), IMAGE_UNKNOWN);
	assert_int_equal(
	    image_sniff(SPAN(FTYP("isom", "mp41"))), IMAGE_UNKNOWN);
}

/* A box that lies about its size must not be believed; ASan watches. */
static void
a_lying_file_type_box_is_no_avif(void **state)
{
	static const char head[] = "\xff\xff\xff\xff"
				   "ftypmif1\0\0\0\0";
	char *p = malloc(16);

	(void)state;
	assert_non_null(p);
	memcpy(p, head, 16);
	assert_int_equal(image_sniff((struct span){ p, 16 }), IMAGE_UNKNOWN);
	for (size_t n = 0; n < 16; n++)
		assert_int_equal(
		    image_sniff((struct span){ p, n }), IMAGE_UNKNOWN);
	free(p);
}

static void
a_container_knows_when_it_is_cut(void **state)
{
	(void)state;
	assert_true(image_is_cut(IMAGE_JPEG, SPAN("\xff\xd8\xff\xe0\0\x10")));
	assert_false(
	    image_is_cut(IMAGE_JPEG, SPAN("\xff\xd8\xff\xe0\xff\xd9\0\0")));
	assert_true(image_is_cut(IMAGE_PNG, SPAN(PNG)));
	assert_true(image_is_cut(IMAGE_PNG, (struct span){ NULL, 0 }));
	assert_true(image_is_cut(IMAGE_PNG, SPAN(PNG "\0\0\0\4IDATab")));
	assert_true(image_is_cut(
	    IMAGE_PNG, SPAN(PNG "\0\0\0\4IDATabcdCRC.\0\0\0\0IE")));
	assert_false(image_is_cut(
	    IMAGE_PNG, SPAN(PNG "\0\0\0\4IDATabcdCRC.\0\0\0\0IENDCRC.")));
	assert_true(image_is_cut(IMAGE_WEBP, SPAN("RIFF\x10\0\0\0WEBPVP8 ")));
	assert_false(image_is_cut(IMAGE_WEBP, SPAN("RIFF\x08\0\0\0WEBPVP8 ")));
	assert_true(image_is_cut(IMAGE_GIF, SPAN("GIF89a...")));
	assert_false(image_is_cut(IMAGE_GIF, SPAN("GIF89a...;")));
	assert_true(image_is_cut(
	    IMAGE_AVIF, SPAN(FTYP("avif", "mif1") "\0\0\1\0mdat")));
	assert_false(image_is_cut(IMAGE_AVIF,
	    SPAN(FTYP("avif", "mif1") "\0\0\0\xa"
				      "mdat\1\2")));
	assert_false(image_is_cut(IMAGE_UNKNOWN, SPAN("x")));
}

static void
a_format_has_one_name_and_one_type(void **state)
{
	(void)state;
	assert_string_equal(svc_choice_name(image_formats, IMAGE_JPEG), "jpeg");
	assert_string_equal(image_media_type(IMAGE_AVIF), "image/avif");
	assert_true(image_keeps_frames(IMAGE_GIF));
	assert_false(image_keeps_frames(IMAGE_PNG));
	assert_false(image_keeps_alpha(IMAGE_JPEG));
}

#define WEBP(size, chunks) "RIFF" size "\0\0\0WEBP" chunks
#define VP8X(flags) "VP8X\x0a\0\0\0" flags "\0\0\0abcdef"
#define VP8 "VP8 \3\0\0\0xyz\0"

static void
becomes(struct span before, struct span after)
{
	unsigned char *p = malloc(before.n);
	size_t n;

	assert_non_null(p);
	memcpy(p, before.p, before.n);
	n = webp_strip(p, before.n);
	assert_int_equal(n, after.n);
	assert_memory_equal(p, after.p, n);
	free(p);
}

static void
a_webp_file_loses_its_metadata(void **state)
{
	(void)state;
	becomes(SPAN(WEBP("\x2c", VP8X("\x08") VP8 "EXIF\2\0\0\0hi")),
	    SPAN(WEBP("\x10", VP8)));
	becomes(SPAN(WEBP("\x36",
		    VP8X("\x3c") "ICCP\1\0\0\0p\0" VP8 "XMP \2\0\0\0hi")),
	    SPAN(WEBP("\x22", VP8X("\x10") VP8)));
	becomes(SPAN(WEBP("\x22", VP8X("\x02") VP8)),
	    SPAN(WEBP("\x22", VP8X("\x02") VP8)));
}

static void
what_is_no_webp_is_left_alone(void **state)
{
	static const struct span odd[] = {
		{ "x", 1 },
		{ "RIFF\x10\0\0\0WEBPVP8 \3\0\0\0xyz", 23 },
		{ "RIFF\x10\0\0\0WEBPEXIF\xff\xff\xff\xffxyz\0", 24 },
		{ "RIFF\x0a\0\0\0WEBPEXIF\0\0", 18 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		becomes(odd[i], odd[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_is_told_by_its_first_bytes),
		cmocka_unit_test(nothing_else_is_an_image),
		cmocka_unit_test(a_lying_file_type_box_is_no_avif),
		cmocka_unit_test(a_container_knows_when_it_is_cut),
		cmocka_unit_test(a_webp_file_loses_its_metadata),
		cmocka_unit_test(what_is_no_webp_is_left_alone),
		cmocka_unit_test(a_format_has_one_name_and_one_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
