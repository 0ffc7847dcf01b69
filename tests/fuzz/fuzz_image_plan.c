/* SPDX-License-Identifier: ISC */

/*
 * A query and a header, whatever they say: either a refusal that is complete,
 * or a plan within all limits.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/plan.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "width=3&height=4": 0, or the refusal is complete. */
static int
read_query(
    struct span query, struct image_params *params, struct svc_refusal *refusal)
{
	struct span part;
	uint64_t seen = 0;

	svc_params_default(&image_params, params);
	while (span_next(&query, '&', &part)) {
		struct span name = { NULL, 0 };
		int r;

		(void)span_next(&part, '=', &name);
		r = svc_params_set(
		    &image_params, name, part, params, &seen, refusal);
		if (r < 0) {
			MUST(refusal->problem != NULL);
			MUST(refusal->problem->status == 400);
			return r;
		}
	}
	return 0;
}

static void
check(const struct image_plan *p, const struct image_source *s)
{
	uint64_t pixels = (uint64_t)p->width * (uint64_t)p->height;

	MUST(p->format != IMAGE_UNKNOWN);
	MUST(p->quality >= 1 && p->quality <= 100);
	MUST(p->width >= 1 && p->height >= 1);
	MUST(p->frames >= 1 && (uint64_t)p->frames <= limits.frames);
	MUST(pixels * (uint64_t)p->frames <= limits.pixels);
	MUST(p->crop_width >= 1 && (uint64_t)p->crop_width <= limits.side);
	MUST(p->crop_height >= 1 && (uint64_t)p->crop_height <= limits.side);
	MUST(p->left >= 0 && p->top >= 0);
	if (image_turns(s->orientation)) {
		MUST(p->left + p->crop_width <= p->height);
		MUST(p->top + p->crop_height <= p->width);
	} else {
		MUST(p->left + p->crop_width <= p->width);
		MUST(p->top + p->crop_height <= p->height);
	}
	MUST(p->shrink == 1 || s->width / p->shrink >= p->width);
	MUST(p->shrink == 1 || s->height / p->shrink >= p->height);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct svc_refusal refusal = { .problem = NULL };
	struct image_params params;
	struct image_source source;
	struct image_plan plan;
	int32_t head[4];

	if (size < sizeof(head))
		return 0;
	memcpy(head, data, sizeof(head));
	source = (struct image_source){
		.format = (enum image_format)(1 + (head[3] & 0x7fff) % 5),
		.orientation = 1 + (head[3] >> 16 & 7),
		.interlaced = head[3] < 0,
		.width = head[0],
		.height = head[1],
		.frames = head[2],
	};
	if (read_query((struct span){ (const char *)data + sizeof(head),
			   size - sizeof(head) },
		&params, &refusal) < 0)
		return 0;
	if (image_plan_make(&plan, &source, &params, &limits, &refusal) == 0)
		check(&plan, &source);
	else
		MUST(refusal.problem != NULL && refusal.problem->status == 422);
	return 0;
}
