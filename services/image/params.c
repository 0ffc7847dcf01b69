/* SPDX-License-Identifier: ISC */

#include "image/params.h"

#include "image/format.h"

static const struct svc_choice resizes[] = {
	{ "fit", IMAGE_FIT },
	{ "fill", IMAGE_FILL },
	{ NULL, 0 },
};

/* clang-format off */
static const struct svc_param rows[] = {
	{ .name = "width", .type = SVC_INT, .min = 0, .max = IMAGE_SIDE_MAX,
	  .offset = offsetof(struct image_params, width), .unit = "px",
	  .text = "Width of the result; 0 follows the height." },
	{ .name = "height", .type = SVC_INT, .min = 0, .max = IMAGE_SIDE_MAX,
	  .offset = offsetof(struct image_params, height), .unit = "px",
	  .text = "Height of the result; 0 follows the width." },
	{ .name = "resize", .alias = "resizing_type", .type = SVC_CHOICE,
	  .offset = offsetof(struct image_params, resize),
	  .choices = resizes, .value = IMAGE_FIT,
	  .text = "fit keeps the whole picture inside width x height; fill "
		  "covers them and crops around the centre." },
	{ .name = "enlarge", .type = SVC_BOOL,
	  .offset = offsetof(struct image_params, enlarge),
	  .text = "Whether a smaller picture is scaled up." },
	{ .name = "format", .type = SVC_CHOICE,
	  .offset = offsetof(struct image_params, format),
	  .choices = image_formats, .value = IMAGE_UNKNOWN,
	  .absent = "as the input",
	  .text = "Format of the result. Animation is kept by webp and gif; "
		  "jpeg puts transparency on white." },
	{ .name = "quality", .type = SVC_INT, .min = 1, .max = 100,
	  .offset = offsetof(struct image_params, quality), .value = 0,
	  .absent = "80; avif 63",
	  .text = "Quality of jpeg, webp and avif; png and gif have none." },
};

const struct svc_params image_params = {
	rows, sizeof(rows) / sizeof(rows[0])
};

const struct svc_problem image_unsupported_format = {
	"unsupported-format", 415, "The body is no image of a known format", 0
};
const struct svc_problem image_invalid = {
	"invalid-image", 422, "The image is damaged", 0
};
const struct svc_problem image_truncated = {
	"truncated", 422, "The image is cut short", 0
};
const struct svc_problem image_too_many_pixels = {
	"too-many-pixels", 422, "The image has too many pixels", 0
};
const struct svc_problem image_too_many_frames = {
	"too-many-frames", 422, "The animation has too many frames", 0
};
const struct svc_problem image_output_too_large = {
	"output-too-large", 422, "The result would be too large", 0
};
/* clang-format on */
