/* SPDX-License-Identifier: ISC */

/* thumbnail - one moment of a video as a picture, in a contained process */

#ifndef VIDEO_THUMBNAIL_H
#define VIDEO_THUMBNAIL_H

#include "base/buf.h"
#include "video/media.h"

/* Writes the whole answer. 0, or -EINVAL with the refusal. */
int thumbnail_write(struct media *m, const struct video_limits *limits,
    const struct video_thumbnail_params *params, struct buf *out,
    struct svc_refusal *refusal) MUST_CHECK;

#endif /* VIDEO_THUMBNAIL_H */
