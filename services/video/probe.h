/* SPDX-License-Identifier: ISC */

/*
 * probe - what a file is, in ffprobe's words
 *
 * The JSON of `ffprobe -show_format -show_streams -of json`, version 5.1, but
 * for the file's name, which there is none of.
 */

#ifndef VIDEO_PROBE_H
#define VIDEO_PROBE_H

#include "base/buf.h"
#include "video/media.h"

/* Appends it. 0, or -ENOBUFS, -ENOMEM. */
int probe_write(struct media *m, const struct video_limits *limits,
    struct buf *out) MUST_CHECK;

#endif /* VIDEO_PROBE_H */
