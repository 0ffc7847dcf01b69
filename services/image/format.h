/* SPDX-License-Identifier: ISC */

/*
 * format - the image formats, told by their first bytes alone
 *
 * No name and no Content-Type is believed. Pure; reads nothing outside the
 * span.
 */

#ifndef IMAGE_FORMAT_H
#define IMAGE_FORMAT_H

#include <stdbool.h>

#include "base/str.h"
#include "lib/param.h"

enum image_format {
	IMAGE_UNKNOWN,
	IMAGE_JPEG,
	IMAGE_PNG,
	IMAGE_WEBP,
	IMAGE_AVIF,
	IMAGE_GIF,
};

/* The names that `format=` takes; "jpeg" is listed before "jpg". */
extern const struct svc_choice image_formats[];

enum image_format image_sniff(struct span bytes);
const char *image_media_type(enum image_format format);
bool image_keeps_frames(enum image_format format); /* can be animated */
bool image_keeps_alpha(enum image_format format);

/*
 * Does the container say that it goes on after the last byte? Asked when a
 * decoder has refused the file, to tell the caller what is wrong with it; it
 * is no judgement of the contents.
 */
bool image_is_cut(enum image_format format, struct span bytes);

#endif /* IMAGE_FORMAT_H */
