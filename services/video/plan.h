/* SPDX-License-Identifier: ISC */

/*
 * plan - from what a picture is and what was asked to the size that is made
 *
 * Pure arithmetic: no codec, no HTTP, no allocation.
 */

#ifndef VIDEO_PLAN_H
#define VIDEO_PLAN_H

#include <stdbool.h>
#include <stdint.h>

/* How stored pixels become upright: first exchanged, then mirrored. */
struct video_turn {
	bool swap; /* columns become rows */
	bool flip_x;
	bool flip_y;
};

/* From a container's display matrix, of which turns by 90 degrees are taken. */
struct video_turn video_turn_of(const int32_t matrix[static 9]);

struct video_shape {
	int width, height; /* to which the stored picture is scaled */
	struct video_turn turn;
	int out_width, out_height; /* after the turn */
};

/*
 * The largest picture that keeps its shape, is no larger than the source as it
 * shows, and fits into want_width x want_height, of which 0 asks for nothing.
 * sar is the shape of a pixel; 0/x or nonsense is a square.
 */
struct video_shape video_shape_of(int width, int height, int sar_num,
    int sar_den, struct video_turn turn, int want_width, int want_height);

#endif /* VIDEO_PLAN_H */
