/* SPDX-License-Identifier: ISC */

/*
 * wave - the outline of a sound: the lowest and highest sample of each part
 *
 * Pure. Samples come in any pieces; parts are of equal length. Where more come
 * than was said, there are more parts, up to twice as many; then two and two
 * become one.
 */

#ifndef VIDEO_WAVE_H
#define VIDEO_WAVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define WAVE_POINTS_MAX 10000

struct wave_point {
	int8_t low, high;
};

struct wave {
	int rate;	 /* samples a second */
	int64_t part;	 /* samples of one point */
	int64_t samples; /* that came */
	size_t len;	 /* points that have samples */
	size_t max;	 /* of points */
	struct wave_point point[2 * WAVE_POINTS_MAX];
};

/* duration_ms is how long it should be. */
void wave_init(struct wave *w, int rate, int64_t duration_ms, size_t points);
void wave_add(struct wave *w, const int16_t *samples, size_t n);

/* The JSON of audiowaveform, version 2. 0, -ENOBUFS, -ENOMEM. */
int wave_write_json(const struct wave *w, struct buf *out) MUST_CHECK;

/* A shape in currentColor. The same. */
int wave_write_svg(
    const struct wave *w, int width, int height, struct buf *out) MUST_CHECK;

#endif /* VIDEO_WAVE_H */
