/* SPDX-License-Identifier: ISC */

#include "image/routes.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "image/format.h"
#include "image/ops.h"
#include "image/params.h"
#include "lib/json.h"

#define INFO_MAX 4096 /* bytes of /info's answer */

static struct image_limits limits = IMAGE_LIMITS_DEFAULT; /* the settings */

static void
release_out(void *data)
{
	struct image_job job = { .out = data };

	image_job_done(&job);
}

static void
work_process(struct svc_call *call)
{
	const struct image_params *params = call->params;
	struct image_job job = {
		.in = call->body,
		.params = *params,
		.limits = &limits,
		.stop = call->stop,
	};

	if (image_run(&job, &call->refusal) < 0)
		return;
	call->type = image_media_type(job.out_format);
	call->data = job.out;
	call->len = job.out_len;
	call->release = release_out;
}

static json_t *
info_json(const struct image_info *info, size_t bytes)
{
	const struct image_source *s = &info->source;

	return json_pack("{s:s, s:i, s:i, s:i, s:b, s:i, s:i, s:b, s:b, s:I, "
			 "s:f}",
	    "format", svc_choice_name(image_formats, (int)s->format), "width",
	    s->width, "height", s->height, "frames", s->frames, "has_alpha",
	    (int)info->has_alpha, "bands", info->bands, "orientation",
	    s->orientation, "icc", (int)info->has_icc, "interlaced",
	    (int)s->interlaced, "bytes", (json_int_t)bytes, "megapixels",
	    (double)s->width * s->height / 1e6);
}

static void
work_info(struct svc_call *call)
{
	struct image_info info;
	struct buf out;

	if (image_inspect(call->body, &info, &call->refusal) < 0)
		return;
	buf_init(&out, INFO_MAX);
	if (svc_json_write(&out, info_json(&info, call->body.n)) < 0) {
		buf_done(&out);
		(void)svc_refuse(
		    &call->refusal, &svc_internal, "out of memory");
		return;
	}
	call->type = "application/json";
	call->data = out.data;
	call->len = out.len;
	call->release = free;
}

static const struct svc_problem *const process_problems[] = {
	&image_unsupported_format, &image_invalid, &image_truncated,
	&image_too_many_pixels, &image_too_many_frames, &image_output_too_large,
	NULL
};

static const struct svc_problem *const info_problems[] = {
	&image_unsupported_format, &image_invalid, &image_truncated, NULL
};

/* clang-format off */
static const struct svc_route routes[] = {
	{ .method = "POST", .path = "/process",
	  .summary = "Resize a picture, or change its format",
	  .text = "The body is the picture: JPEG, PNG, WebP, AVIF or GIF, told "
		  "by its first bytes. It is turned upright by its EXIF "
		  "orientation, brought to sRGB, and loses its metadata.",
	  .params = &image_params, .params_size = sizeof(struct image_params),
	  .takes = "the picture", .answers = "image/*",
	  .example = "--data-binary @photo.jpg -o small.webp "
		     "'%sprocess?width=300&format=webp'",
	  .problems = process_problems, .work = work_process },
	{ .method = "POST", .path = "/info",
	  .summary = "What a picture is",
	  .text = "From its header alone; width and height are those of one "
		  "frame as it is stored, before the orientation.",
	  .takes = "the picture", .answers = "application/json",
	  .example = "--data-binary @photo.jpg '%sinfo'",
	  .problems = info_problems, .work = work_info },
};

static const struct svc_option options[] = {
	{ "pixels", SVC_COUNT, 1, 1000000000, &limits.pixels,
	  "pixels of an image, over all frames" },
	{ "pixels-avif", SVC_COUNT, 1, 1000000000, &limits.pixels_avif,
	  "pixels of an AVIF image" },
	{ "pixels-interlaced", SVC_COUNT, 1, 1000000000,
	  &limits.pixels_interlaced,
	  "pixels of a progressive JPEG or interlaced PNG" },
	{ "frames", SVC_COUNT, 1, 65536, &limits.frames,
	  "frames of an animation" },
	{ "side", SVC_COUNT, 1, IMAGE_SIDE_MAX, &limits.side,
	  "px of a side of the result" },
	{ NULL, SVC_COUNT, 0, 0, NULL, NULL },
};
/* clang-format on */

const struct svc_service image_service = {
	.name = "image",
	.title = "Images",
	.text = "Resizes pictures and changes their format.",
	.routes = routes,
	.nroutes = ARRAY_LEN(routes),
	.options = options,
	.init = image_ops_init,
};
