/* SPDX-License-Identifier: ISC */

/*
 * webp - taking metadata out of a finished WebP file
 *
 * libvips 8.14 adds an EXIF block of its own making to each WebP file, whatever
 * it is told. Pure, in place.
 */

#ifndef IMAGE_WEBP_H
#define IMAGE_WEBP_H

#include <stddef.h>

/*
 * Drop the EXIF, XMP and ICC chunks of the file in data[0..n-1]; the new
 * length. What is no well-formed WebP stays as it is.
 */
size_t webp_strip(unsigned char *data, size_t n);

#endif /* IMAGE_WEBP_H */
