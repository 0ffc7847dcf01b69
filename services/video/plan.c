/* SPDX-License-Identifier: ISC */

#include "video/plan.h"

#include <math.h>
#include <stdlib.h>

#define SIDE_MAX 8192.0 /* of any picture that is made */
#define SAR_MAX 16.0	/* more is a lie */

static double
magnitude(int32_t n)
{
	return fabs((double)n);
}

struct video_turn
video_turn_of(const int32_t m[static 9])
{
	if (magnitude(m[1]) + magnitude(m[3]) >
	    magnitude(m[0]) + magnitude(m[4]))
		return (struct video_turn){
			.swap = true, .flip_x = m[3] < 0, .flip_y = m[1] < 0
		};
	return (struct video_turn){ .flip_x = m[0] < 0, .flip_y = m[4] < 0 };
}

static int
side(double n)
{
	n = round(n);
	return n < 1 ? 1 : (int)n;
}

static double
pixel_shape(int num, int den)
{
	double sar = num > 0 && den > 0 ? (double)num / den : 1;

	return sar > SAR_MAX || sar < 1 / SAR_MAX ? 1 : sar;
}

struct video_shape
video_shape_of(int width, int height, int sar_num, int sar_den,
    struct video_turn turn, int want_width, int want_height)
{
	struct video_shape s = { .turn = turn };
	double w = width * pixel_shape(sar_num, sar_den), h = height;
	double wide = turn.swap ? h : w, high = turn.swap ? w : h;
	double scale = fmin(1, SIDE_MAX / fmax(w, h));

	if (want_width > 0)
		scale = fmin(scale, want_width / wide);
	if (want_height > 0)
		scale = fmin(scale, want_height / high);
	s.width = side(w * scale);
	s.height = side(h * scale);
	s.out_width = turn.swap ? s.height : s.width;
	s.out_height = turn.swap ? s.width : s.height;
	return s;
}
