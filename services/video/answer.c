/* SPDX-License-Identifier: ISC */

#include "video/answer.h"

#include <errno.h>

#include "video/params.h"

enum { DATA = 'D', REFUSAL = 'R' };

#define DETAIL_MAX (ERR_MAX - 1)

static const char *const media_types[VIDEO_MEDIA_LEN] = {
	[VIDEO_MEDIA_JSON] = "application/json",
	[VIDEO_MEDIA_JPEG] = "image/jpeg",
	[VIDEO_MEDIA_PNG] = "image/png",
	[VIDEO_MEDIA_WEBP] = "image/webp",
	[VIDEO_MEDIA_SVG] = "image/svg+xml",
	[VIDEO_MEDIA_VTT] = "text/vtt; charset=utf-8",
};

/* By their place here they are told apart. */
static const struct svc_problem *const problems[] = {
	&svc_internal,
	&video_unsupported_format,
	&video_invalid,
	&video_too_large,
	&video_too_long,
	&video_too_many_streams,
	&video_no_picture,
	&video_no_sound,
	&video_past_end,
	&video_answer_too_large,
	&video_memory,
};

const char *
video_media_type(enum video_media media)
{
	return media_types[media];
}

int
video_answer_begin(struct buf *out, enum video_media media)
{
	const char head[VIDEO_ANSWER_HEAD] = { DATA, (char)media };

	buf_clear(out);
	return buf_append(out, head, sizeof(head));
}

int
video_answer_refuse(struct buf *out, const struct svc_refusal *refusal)
{
	char head[VIDEO_ANSWER_HEAD] = { REFUSAL, 0 };
	int r;

	for (size_t i = 0; i < ARRAY_LEN(problems); i++)
		if (problems[i] == refusal->problem)
			head[1] = (char)i;
	buf_clear(out);
	r = buf_append(out, head, sizeof(head));
	return r == 0 ? buf_puts(out, refusal->detail.text) : r;
}

int
video_answer_read(struct span in, enum video_media *media, struct span *data,
    struct svc_refusal *refusal)
{
	unsigned char which;

	if (in.n < VIDEO_ANSWER_HEAD)
		return -EPROTO;
	which = (unsigned char)in.p[1];
	data->p = in.p + VIDEO_ANSWER_HEAD;
	data->n = in.n - VIDEO_ANSWER_HEAD;
	if (in.p[0] == DATA && which < VIDEO_MEDIA_LEN) {
		*media = (enum video_media)which;
		return 0;
	}
	if (in.p[0] == REFUSAL && which < ARRAY_LEN(problems) &&
	    data->n <= DETAIL_MAX)
		return svc_refuse(
		    refusal, problems[which], "%.*s", (int)data->n, data->p);
	return -EPROTO;
}
