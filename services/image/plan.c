/* SPDX-License-Identifier: ISC */

#include "image/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

/* 63 of AVIF looks as 80 of the others does. */
static const int default_quality[] = {
	[IMAGE_UNKNOWN] = 80,
	[IMAGE_JPEG] = 80,
	[IMAGE_PNG] = 80,
	[IMAGE_WEBP] = 80,
	[IMAGE_AVIF] = 63,
	[IMAGE_GIF] = 80,
};

static int
check_source(const struct image_source *s, const struct image_limits *limits,
    struct svc_refusal *refusal)
{
	uint64_t most = limits->pixels;
	uint64_t pixels;

	if (s->width < 1 || s->height < 1 || s->frames < 1)
		return svc_refuse(refusal, &image_invalid,
		    "the header speaks of %d frames of %dx%d px", s->frames,
		    s->width, s->height);
	if ((uint64_t)s->frames > limits->frames)
		return svc_refuse(refusal, &image_too_many_frames,
		    "%d frames; at most %" PRIu64 " are taken", s->frames,
		    limits->frames);
	if (s->format == IMAGE_AVIF && limits->pixels_avif < most)
		most = limits->pixels_avif;
	if (s->interlaced && limits->pixels_interlaced < most)
		most = limits->pixels_interlaced;
	if (__builtin_mul_overflow(
		(uint64_t)s->width * (uint64_t)s->height, s->frames, &pixels))
		pixels = UINT64_MAX;
	if (pixels > most)
		return svc_refuse(refusal, &image_too_many_pixels,
		    "%d frame%s of %dx%d px; at most %" PRIu64
		    " pixels are taken of such a file",
		    s->frames, s->frames == 1 ? "" : "s", s->width, s->height,
		    most);
	return 0;
}

/* How much larger the result is than a picture of width x height. */
static double
scale_for(int width, int height, const struct image_params *p)
{
	double x = (double)p->width / width, y = (double)p->height / height;
	double scale;

	if (p->width == 0 && p->height == 0)
		return 1;
	if (p->width == 0)
		scale = y;
	else if (p->height == 0)
		scale = x;
	else
		scale = p->resize == IMAGE_FILL ? fmax(x, y) : fmin(x, y);
	return p->enlarge ? scale : fmin(scale, 1);
}

static int
scaled(int side, double scale)
{
	double n = round(side * scale);

	if (n < 1)
		return 1;
	return n > INT32_MAX ? INT32_MAX : (int)n;
}

static void
crop(struct image_plan *plan, int width, int height,
    const struct image_params *p)
{
	plan->crop_width = width;
	plan->crop_height = height;
	plan->left = plan->top = 0;
	if (p->resize != IMAGE_FILL)
		return;
	if (p->width > 0 && p->width < width)
		plan->crop_width = p->width;
	if (p->height > 0 && p->height < height)
		plan->crop_height = p->height;
	plan->left = (width - plan->crop_width) / 2;
	plan->top = (height - plan->crop_height) / 2;
}

static int
check_output(const struct image_plan *plan, const struct image_limits *limits,
    struct svc_refusal *refusal)
{
	uint64_t w = (uint64_t)plan->crop_width;
	uint64_t h = (uint64_t)plan->crop_height;

	if (w > limits->side || h > limits->side)
		return svc_refuse(refusal, &image_output_too_large,
		    "the result would be %" PRIu64 "x%" PRIu64
		    " px; at most %" PRIu64 " px a side are made",
		    w, h, limits->side);
	/* Before the crop: those pixels are made too. */
	w = (uint64_t)plan->width;
	h = (uint64_t)plan->height;
	if (w * h > limits->pixels / (uint64_t)plan->frames)
		return svc_refuse(refusal, &image_output_too_large,
		    "%d frames of %" PRIu64 "x%" PRIu64
		    " px would have to be made; at most %" PRIu64 " pixels are",
		    plan->frames, w, h, limits->pixels);
	return 0;
}

/* The coarsest decode that is still no smaller than the result. */
static int
shrink_for(const struct image_source *s, const struct image_plan *plan)
{
	int shrink = 8;

	if (s->format != IMAGE_JPEG)
		return 1;
	while (shrink > 1 &&
	    (s->width / shrink < plan->width ||
		s->height / shrink < plan->height))
		shrink /= 2;
	return shrink;
}

int
image_plan_make(struct image_plan *plan, const struct image_source *source,
    const struct image_params *params, const struct image_limits *limits,
    struct svc_refusal *refusal)
{
	bool turns = image_turns(source->orientation);
	int w = turns ? source->height : source->width;
	int h = turns ? source->width : source->height;
	double scale;
	int r;

	r = check_source(source, limits, refusal);
	if (r < 0)
		return r;
	*plan = (struct image_plan){ .frames = 1 };
	plan->format = params->format == IMAGE_UNKNOWN
	    ? source->format
	    : (enum image_format)params->format;
	plan->quality = params->quality > 0 ? params->quality
					    : default_quality[plan->format];
	if (image_keeps_frames(plan->format))
		plan->frames = source->frames;

	scale = scale_for(w, h, params);
	w = scaled(w, scale);
	h = scaled(h, scale);
	plan->width = turns ? h : w;
	plan->height = turns ? w : h;
	crop(plan, w, h, params);
	r = check_output(plan, limits, refusal);
	if (r < 0)
		return r;
	plan->shrink = shrink_for(source, plan);
	plan->scale_on_load = source->format == IMAGE_WEBP &&
	    source->frames == 1 && plan->width < source->width;
	return 0;
}
