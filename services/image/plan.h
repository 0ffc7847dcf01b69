/* SPDX-License-Identifier: ISC */

/*
 * plan - from what a picture is and what was asked to what must be done
 *
 * The limits are held here, against the header alone, before a pixel is
 * decoded. Pure arithmetic: no codec, no HTTP, no allocation.
 */

#ifndef IMAGE_PLAN_H
#define IMAGE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "image/format.h"
#include "image/params.h"
#include "lib/problem.h"

/* What the header says. */
struct image_source {
	enum image_format format;
	int width;	 /* of one frame, as stored */
	int height;	 /* of one frame, as stored */
	int frames;	 /* at least 1 */
	int orientation; /* EXIF, 1-8 */
	bool interlaced; /* progressive JPEG, interlaced PNG */
};

struct image_limits {
	uint64_t pixels;	    /* over all frames */
	uint64_t pixels_avif;	    /* these are decoded in one piece */
	uint64_t pixels_interlaced; /* and so are these */
	uint64_t frames;
	uint64_t side; /* of the result, px */
};

/* clang-format off */
#define IMAGE_LIMITS_DEFAULT {				\
	.pixels = 100000000,				\
	.pixels_avif = 36000000,			\
	.pixels_interlaced = 50000000,			\
	.frames = 256,					\
	.side = IMAGE_SIDE_MAX				\
}
/* clang-format on */

struct image_plan {
	enum image_format format; /* of the result */
	int quality;		  /* 1-100 */
	int frames;		  /* how many are decoded and written */
	int shrink;		  /* JPEG: decode at 1/1, 1/2, 1/4 or 1/8 */
	bool scale_on_load;	  /* WebP: the decoder scales */

	/* Of one frame, as stored: the turn by EXIF comes after it. */
	int width, height;

	/* What is kept of it, after the turn; the whole picture: no crop. */
	int left, top;
	int crop_width, crop_height;
};

/* 0, or -EINVAL with the refusal. */
int image_plan_make(struct image_plan *plan, const struct image_source *source,
    const struct image_params *params, const struct image_limits *limits,
    struct svc_refusal *refusal) MUST_CHECK;

/* Does this EXIF orientation exchange width and height? */
static inline bool
image_turns(int orientation)
{
	return orientation >= 5 && orientation <= 8;
}

#endif /* IMAGE_PLAN_H */
