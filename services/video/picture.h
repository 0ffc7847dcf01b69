/* SPDX-License-Identifier: ISC */

/*
 * picture - a decoded frame as a picture for people: scaled, upright, SDR
 *
 * Runs in a contained process.
 */

#ifndef VIDEO_PICTURE_H
#define VIDEO_PICTURE_H

#include <libavutil/frame.h>

#include "base/buf.h"
#include "video/answer.h"
#include "video/params.h"
#include "video/plan.h"

enum video_media picture_media(enum video_format format);

/*
 * The frame in that shape, with the pixels that the format's encoder takes;
 * av_frame_free(). NULL with the refusal.
 */
AVFrame *picture_make(const AVFrame *frame, const struct video_shape *shape,
    enum video_format format, struct svc_refusal *refusal);

/* Black; NULL: out of memory. Its sides are even. */
AVFrame *picture_blank(int width, int height, enum video_format format);

/* Copy a picture of the same format into a larger one; all is even. */
void picture_put(AVFrame *onto, const AVFrame *picture, int x, int y);

/* Append the file. 0, or -EINVAL with the refusal. */
int picture_encode(AVFrame *picture, enum video_format format, int quality,
    struct buf *out, struct svc_refusal *refusal) MUST_CHECK;

#endif /* VIDEO_PICTURE_H */
