/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "video/answer.h"
#include "video/params.h"

static struct svc_refusal refusal;
static enum video_media media;
static struct span data;

static int
reads(struct span in)
{
	refusal = (struct svc_refusal){ .problem = NULL };
	return video_answer_read(in, &media, &data, &refusal);
}

static void
data_comes_through(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (int m = 0; m < VIDEO_MEDIA_LEN; m++) {
		assert_non_null(video_media_type((enum video_media)m));
		assert_int_equal(
		    video_answer_begin(&out, (enum video_media)m), 0);
		assert_int_equal(buf_append(&out, "a\0b", 3), 0);
		assert_int_equal(reads(buf_span(&out)), 0);
		assert_int_equal(media, m);
		assert_int_equal(data.n, 3);
		assert_memory_equal(data.p, "a\0b", 3);
	}
	buf_done(&out);
}

static void
a_refusal_comes_through_with_its_problem(void **state)
{
	static const struct svc_problem *const all[] = {
		&video_unsupported_format, &video_invalid, &video_too_large,
		&video_too_long, &video_too_many_streams, &video_no_picture,
		&video_no_sound, &video_past_end, &video_answer_too_large,
		&video_memory, &svc_internal
	};
	struct svc_refusal sent;
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(video_answer_begin(&out, VIDEO_MEDIA_JSON), 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		(void)svc_refuse(&sent, all[i], "because of %zu", i);
		assert_int_equal(video_answer_refuse(&out, &sent), 0);
		assert_int_equal(reads(buf_span(&out)), -EINVAL);
		assert_ptr_equal(refusal.problem, all[i]);
		assert_string_equal(refusal.detail.text, sent.detail.text);
	}
	(void)svc_refuse(&sent, &svc_queue_full, "not one of a decoder's");
	assert_int_equal(video_answer_refuse(&out, &sent), 0);
	assert_int_equal(reads(buf_span(&out)), -EINVAL);
	assert_ptr_equal(refusal.problem, &svc_internal);
	buf_done(&out);
}

static void
anything_else_is_neither(void **state)
{
	char long_[1000] = "R\1";

	(void)state;
	assert_int_equal(reads(SPAN("")), -EPROTO);
	assert_int_equal(reads(SPAN("D")), -EPROTO);
	assert_int_equal(reads(SPAN("R")), -EPROTO);
	assert_int_equal(reads(SPAN("D\6")), -EPROTO);
	assert_int_equal(reads(SPAN("D\xff")), -EPROTO);
	assert_int_equal(reads(SPAN("R\x0b")), -EPROTO);
	assert_int_equal(reads(SPAN("R\xff")), -EPROTO);
	assert_int_equal(reads(SPAN("X\0")), -EPROTO);
	assert_int_equal(reads((struct span){ long_, sizeof(long_) }), -EPROTO);
	assert_int_equal(reads(SPAN("R\1\n\xff\0x")), -EINVAL);
	assert_string_equal(refusal.detail.text, "??");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_comes_through),
		cmocka_unit_test(a_refusal_comes_through_with_its_problem),
		cmocka_unit_test(anything_else_is_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
