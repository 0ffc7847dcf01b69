/* SPDX-License-Identifier: ISC */

/*
 * answer - what a contained process hands back: a result, or why there is none
 *
 * It comes from a process that may have been taken over by what it read, so
 * nothing in it is believed: an answer that is not of this shape is the same
 * as a crash. Pure.
 */

#ifndef VIDEO_ANSWER_H
#define VIDEO_ANSWER_H

#include "base/buf.h"
#include "lib/problem.h"

#define VIDEO_ANSWER_HEAD 2u /* bytes before the data */

enum video_media {
	VIDEO_MEDIA_JSON,
	VIDEO_MEDIA_JPEG,
	VIDEO_MEDIA_PNG,
	VIDEO_MEDIA_WEBP,
	VIDEO_MEDIA_VTT,
	VIDEO_MEDIA_SVG,
	VIDEO_MEDIA_LEN
};

const char *video_media_type(enum video_media media);

/* The head; the data is appended behind it. 0, -ENOBUFS, -ENOMEM. */
int video_answer_begin(struct buf *out, enum video_media media) MUST_CHECK;

/* Replaces what is in out. A problem that is none of this tool's: internal. */
int video_answer_refuse(
    struct buf *out, const struct svc_refusal *refusal) MUST_CHECK;

/*
 * 0 with its media type and data, -EINVAL with the refusal; -EPROTO: it is
 * neither.
 */
int video_answer_read(struct span in, enum video_media *media,
    struct span *data, struct svc_refusal *refusal) MUST_CHECK;

#endif /* VIDEO_ANSWER_H */
