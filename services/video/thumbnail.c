/* SPDX-License-Identifier: ISC */

#include "video/thumbnail.h"

#include <errno.h>

#include "video/picture.h"
#include "video/seek.h"

static AVFrame *
picture_at(struct seek *s, const struct video_thumbnail_params *p,
    struct svc_refusal *refusal)
{
	AVFrame *frame = seek_frame(s, p->time_ms, refusal), *picture;
	struct video_shape shape;

	if (frame == NULL)
		return NULL;
	shape = seek_shape(s, frame, p->width, p->height);
	picture = picture_make(
	    frame, &shape, (enum video_format)p->format, refusal);
	av_frame_free(&frame);
	return picture;
}

int
thumbnail_write(struct media *m, const struct video_limits *limits,
    const struct video_thumbnail_params *p, struct buf *out,
    struct svc_refusal *refusal)
{
	enum video_format format = (enum video_format)p->format;
	AVFrame *picture = NULL;
	struct seek s;
	int r = seek_init(&s, m, limits, p->exact != 0, refusal);

	if (r == 0) {
		picture = picture_at(&s, p, refusal);
		r = picture != NULL ? 0 : -EINVAL;
	}
	seek_done(&s);
	if (r == 0 && video_answer_begin(out, picture_media(format)) < 0)
		r = svc_refuse(refusal, &video_memory, "out of memory");
	if (r == 0)
		r = picture_encode(picture, format, p->quality, out, refusal);
	av_frame_free(&picture);
	return r;
}
