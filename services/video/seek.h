/* SPDX-License-Identifier: ISC */

/*
 * seek - the frame of a stream that shows at a moment
 *
 * Runs in a contained process.
 */

#ifndef VIDEO_SEEK_H
#define VIDEO_SEEK_H

#include "video/media.h"
#include "video/plan.h"

struct seek {
	struct media *media;		   /* borrowed */
	const struct video_limits *limits; /* borrowed */
	AVStream *stream;
	AVCodecContext *decoder;
	AVPacket *packet;
	AVFrame *kept;	 /* the last keyframe, */
	int64_t kept_at; /* and its packet's time */
	bool exact;
};

/* 0, or -EINVAL with the refusal; seek_done() either way. */
int seek_init(struct seek *s, struct media *m,
    const struct video_limits *limits, bool exact,
    struct svc_refusal *refusal) MUST_CHECK;
void seek_done(struct seek *s);

/* Its pictures will be so small that what smoothes blocks is not seen. */
void seek_is_rough(struct seek *s);

/*
 * exact: the last frame that begins no later than at ms; else the last
 * keyframe that does, as far as the container's index tells. NULL with the
 * refusal. av_frame_free().
 */
AVFrame *seek_frame(struct seek *s, int64_t ms, struct svc_refusal *refusal);

/* In what shape a frame of it shows, upright and in square pixels. */
struct video_shape seek_shape(
    const struct seek *s, AVFrame *frame, int want_width, int want_height);

#endif /* VIDEO_SEEK_H */
