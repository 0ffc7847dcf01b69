/* SPDX-License-Identifier: ISC */

/* waveform - the sound of a file as an outline, in a contained process */

#ifndef VIDEO_WAVEFORM_H
#define VIDEO_WAVEFORM_H

#include "base/buf.h"
#include "video/media.h"

/* Writes the whole answer. 0, or -EINVAL with the refusal. */
int waveform_write(struct media *m, const struct video_limits *limits,
    const struct video_wave_params *params, struct buf *out,
    struct svc_refusal *refusal) MUST_CHECK;

#endif /* VIDEO_WAVEFORM_H */
