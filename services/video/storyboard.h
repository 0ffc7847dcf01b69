/* SPDX-License-Identifier: ISC */

/* storyboard - a video in small pictures on one sheet, contained */

#ifndef VIDEO_STORYBOARD_H
#define VIDEO_STORYBOARD_H

#include "base/buf.h"
#include "video/media.h"

/* Writes the whole answer. 0, or -EINVAL with the refusal. */
int storyboard_write(struct media *m, const struct video_limits *limits,
    const struct video_board_params *params, struct buf *out,
    struct svc_refusal *refusal) MUST_CHECK;

#endif /* VIDEO_STORYBOARD_H */
