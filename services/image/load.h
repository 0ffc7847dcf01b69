/* SPDX-License-Identifier: ISC */

/* load - opening a picture with the one decoder that its first bytes name */

#ifndef IMAGE_LOAD_H
#define IMAGE_LOAD_H

#include <vips/vips.h>

#include "base/str.h"
#include "image/plan.h"
#include "lib/problem.h"

/* The header: no pixel is decoded. 0 or -EINVAL with the refusal. */
int image_load_header(struct span in, VipsImage **out,
    struct image_source *source, struct svc_refusal *refusal) MUST_CHECK;

/* The picture, streaming from top to bottom, at the plan's scale. 0 or -1. */
int image_load_pixels(struct span in, const struct image_source *source,
    const struct image_plan *plan, VipsImage **out) MUST_CHECK;

/* What a decoder's failure means for the caller. Always -EINVAL. */
int image_refuse_decode(
    struct span in, enum image_format format, struct svc_refusal *refusal);

#endif /* IMAGE_LOAD_H */
