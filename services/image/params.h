/* SPDX-License-Identifier: ISC */

/*
 * params - what a caller may ask of a picture, and why it may be refused
 *
 * The names are imgproxy's; the table in params.c is the whole truth about
 * them and is what the page and /openapi.json show.
 */

#ifndef IMAGE_PARAMS_H
#define IMAGE_PARAMS_H

#include "lib/param.h"
#include "lib/problem.h"

#define IMAGE_SIDE_MAX 8192 /* px, the most that width and height can ask */

enum image_resize { IMAGE_FIT, IMAGE_FILL };

struct image_params {
	int width;   /* px; 0: as the other side's scale says */
	int height;  /* px; 0: the same */
	int resize;  /* enum image_resize */
	int enlarge; /* 0 or 1 */
	int format;  /* enum image_format; IMAGE_UNKNOWN: as the input */
	int quality; /* 1-100; 0: the format's default */
};

extern const struct svc_params image_params;

extern const struct svc_problem image_unsupported_format;
extern const struct svc_problem image_invalid;
extern const struct svc_problem image_truncated;
extern const struct svc_problem image_too_many_pixels;
extern const struct svc_problem image_too_many_frames;
extern const struct svc_problem image_output_too_large;

#endif /* IMAGE_PARAMS_H */
