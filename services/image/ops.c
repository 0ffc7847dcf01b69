/* SPDX-License-Identifier: ISC */

#include "image/ops.h"

#include <errno.h>
#include <vips/vips.h>

#include "image/load.h"
#include "image/webp.h"

/* Beyond these more CPU buys next to nothing (libaom 3.6, libwebp 1.2). */
#define AVIF_EFFORT 3
#define WEBP_EFFORT 2

#define WHITE 255.0 /* behind transparency that the format cannot keep */

/* What the library would print is in the refusal, or of no use to anybody. */
static void
on_library_log(
    const char *domain, GLogLevelFlags level, const char *text, void *arg)
{
	(void)domain;
	(void)level;
	(void)text;
	(void)arg;
}

int
image_ops_init(const char *argv0, struct err *err)
{
	if (VIPS_INIT(argv0) != 0)
		return err_set(err, -ENOTSUP, "libvips does not start: %.200s",
		    vips_error_buffer());
	(void)g_log_set_handler("VIPS", G_LOG_LEVEL_MASK, on_library_log, NULL);
	vips_block_untrusted_set(TRUE);
	vips_concurrency_set(1); /* our threads are the parallelism */
	vips_cache_set_max(0);
	return 0;
}

/* --- one frame ------------------------------------------------------------ */

/*
 * The steps below put what they made in place of *image: 0, or -1 with *image
 * as it was, the caller's to release.
 */
static int
put(VipsImage **image, int r, VipsImage *made)
{
	if (r != 0)
		return -1;
	g_object_unref(*image);
	*image = made;
	return 0;
}

static int
cast_to(VipsImage **image, VipsBandFormat format)
{
	VipsImage *made = NULL;
	int r;

	if (vips_image_get_format(*image) == format)
		return 0;
	r = vips_cast(*image, &made, format, NULL);
	return put(image, r, made);
}

static int
scale_by(VipsImage **image, double x, double y)
{
	VipsImage *made = NULL;
	int r = vips_resize(*image, &made, x, "vscale", y, NULL);

	return put(image, r, made);
}

/* Colour under full transparency must not bleed: scale it multiplied. */
static int
scale_with_alpha(VipsImage **image, double x, double y)
{
	VipsBandFormat format = vips_image_get_format(*image);
	VipsImage *made = NULL;
	int r = vips_premultiply(*image, &made, NULL);

	if (put(image, r, made) < 0 || scale_by(image, x, y) < 0)
		return -1;
	r = vips_unpremultiply(*image, &made, NULL);
	if (put(image, r, made) < 0)
		return -1;
	return cast_to(image, format);
}

static int
scale_to(VipsImage **image, int width, int height)
{
	double x = (double)width / vips_image_get_width(*image);
	double y = (double)height / vips_image_get_height(*image);

	if (x == 1 && y == 1)
		return 0;
	if (vips_image_hasalpha(*image))
		return scale_with_alpha(image, x, y);
	return scale_by(image, x, y);
}

/* A profile that lcms refuses says nothing: then the pixels are as they are. */
static int
apply_profile(VipsImage **image)
{
	VipsImage *made = NULL;
	int r;

	if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME) == 0)
		return 0;
	r = vips_icc_transform(*image, &made, "srgb", "embedded", TRUE,
	    "intent", VIPS_INTENT_RELATIVE, NULL);
	if (put(image, r, made) < 0)
		vips_error_clear();
	return 0;
}

static int
to_srgb(VipsImage **image)
{
	VipsInterpretation space, wanted = VIPS_INTERPRETATION_sRGB;
	VipsImage *made = NULL;
	int r;

	if (apply_profile(image) < 0)
		return -1;
	space = vips_image_guess_interpretation(*image);
	if (space == VIPS_INTERPRETATION_B_W ||
	    space == VIPS_INTERPRETATION_GREY16)
		wanted = VIPS_INTERPRETATION_B_W;
	if (space == wanted)
		return cast_to(image, VIPS_FORMAT_UCHAR);
	r = vips_colourspace(*image, &made, wanted, NULL);
	if (put(image, r, made) < 0)
		return -1;
	return cast_to(image, VIPS_FORMAT_UCHAR);
}

static int
flatten(VipsImage **image)
{
	VipsArrayDouble *white;
	VipsImage *made = NULL;
	int r;

	if (!vips_image_hasalpha(*image))
		return 0;
	white = vips_array_double_newv(1, WHITE);
	r = vips_flatten(*image, &made, "background", white, NULL);
	vips_area_unref(VIPS_AREA(white));
	return put(image, r, made);
}

/* A turn reads its columns as rows: pixels that stream must stand first. */
static int
turn(VipsImage **image, int orientation)
{
	VipsImage *made;
	int r;

	if (orientation == 1)
		return 0;
	made = vips_image_copy_memory(*image);
	if (put(image, made == NULL ? -1 : 0, made) < 0)
		return -1;
	r = vips_autorot(*image, &made, NULL);
	return put(image, r, made);
}

static int
crop_to(VipsImage **image, const struct image_plan *plan)
{
	VipsImage *made = NULL;
	int r;

	if (vips_image_get_width(*image) == plan->crop_width &&
	    vips_image_get_height(*image) == plan->crop_height)
		return 0;
	r = vips_crop(*image, &made, plan->left, plan->top, plan->crop_width,
	    plan->crop_height, NULL);
	return put(image, r, made);
}

static int
make_frame(VipsImage **image, const struct image_plan *plan, int orientation)
{
	if (scale_to(image, plan->width, plan->height) < 0 ||
	    to_srgb(image) < 0)
		return -1;
	if (!image_keeps_alpha(plan->format) && flatten(image) < 0)
		return -1;
	if (turn(image, orientation) < 0)
		return -1;
	return crop_to(image, plan);
}

/* --- all frames ----------------------------------------------------------- */

/* Frame i of the decoder's strip of frames, made; NULL on error. */
static VipsImage *
strip_frame(VipsImage *strip, int i, const struct image_plan *plan)
{
	int height = vips_image_get_page_height(strip);
	VipsImage *frame = NULL;

	if (vips_crop(strip, &frame, 0, i * height, vips_image_get_width(strip),
		height, NULL) != 0)
		return NULL;
	if (make_frame(&frame, plan, 1) == 0)
		return frame;
	g_object_unref(frame);
	return NULL;
}

/* Each frame is scaled by itself, so that no edge bleeds into the next. */
static int
make_strip(VipsImage **strip, const struct image_plan *plan)
{
	VipsImage **frames = g_new0(VipsImage *, (size_t)plan->frames);
	VipsImage *made = NULL;
	int n = 0, r = -1;

	while (n < plan->frames &&
	    (frames[n] = strip_frame(*strip, n, plan)) != NULL)
		n++;
	if (n == plan->frames)
		r = vips_arrayjoin(frames, &made, n, "across", 1, NULL);
	for (int i = 0; i < n; i++)
		g_object_unref(frames[i]);
	g_free(frames);
	if (put(strip, r, made) < 0)
		return -1;
	vips_image_set_int(*strip, VIPS_META_PAGE_HEIGHT, plan->crop_height);
	return 0;
}

/* --- writing -------------------------------------------------------------- */

static int
write_webp(
    VipsImage *image, const struct image_plan *plan, void **out, size_t *len)
{
	if (vips_webpsave_buffer(image, out, len, "Q", plan->quality, "effort",
		WEBP_EFFORT, "strip", TRUE, NULL) != 0)
		return -1;
	*len = webp_strip(*out, *len);
	return 0;
}

static int
write_out(
    VipsImage *image, const struct image_plan *plan, void **out, size_t *len)
{
	switch (plan->format) {
	case IMAGE_JPEG:
		return vips_jpegsave_buffer(image, out, len, "Q", plan->quality,
		    "strip", TRUE, "optimize_coding", TRUE, NULL);
	case IMAGE_PNG:
		return vips_pngsave_buffer(
		    image, out, len, "strip", TRUE, NULL);
	case IMAGE_WEBP:
		return write_webp(image, plan, out, len);
	case IMAGE_AVIF:
		return vips_heifsave_buffer(image, out, len, "Q", plan->quality,
		    "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "effort",
		    AVIF_EFFORT, "strip", TRUE, NULL);
	case IMAGE_GIF:
		return vips_gifsave_buffer(
		    image, out, len, "strip", TRUE, NULL);
	case IMAGE_UNKNOWN:
		break;
	}
	return -1;
}

/* --- the job -------------------------------------------------------------- */

static void
on_eval(VipsImage *image, VipsProgress *progress, void *arg)
{
	const struct image_job *job = arg;

	(void)progress;
	if (atomic_load_explicit(job->stop, memory_order_relaxed))
		vips_image_set_kill(image, TRUE);
}

static int
make(struct image_job *job, const struct image_source *source,
    const struct image_plan *plan)
{
	VipsImage *image = NULL;
	int r;

	if (image_load_pixels(job->in, source, plan, &image) != 0)
		return -1;
	if (job->stop != NULL) {
		vips_image_set_progress(image, TRUE);
		g_signal_connect(image, "eval", G_CALLBACK(on_eval), job);
	}
	r = plan->frames > 1 ? make_strip(&image, plan)
			     : make_frame(&image, plan, source->orientation);
	if (r == 0)
		r = write_out(image, plan, &job->out, &job->out_len);
	g_object_unref(image);
	return r;
}

static bool
stopped(const struct image_job *job)
{
	return job->stop != NULL && atomic_load(job->stop);
}

int
image_run(struct image_job *job, struct svc_refusal *refusal)
{
	struct image_source source;
	struct image_plan plan;
	VipsImage *header;
	int r;

	r = image_load_header(job->in, &header, &source, refusal);
	if (r < 0)
		return r;
	g_object_unref(header);
	r = image_plan_make(&plan, &source, &job->params, job->limits, refusal);
	if (r < 0)
		return r;
	job->out_format = plan.format;
	r = make(job, &source, &plan);
	if (stopped(job)) {
		vips_error_clear();
		return -ECANCELED;
	}
	return r == 0 ? 0
		      : image_refuse_decode(job->in, source.format, refusal);
}

void
image_job_done(struct image_job *job)
{
	g_free(job->out);
	job->out = NULL;
}

int
image_inspect(
    struct span in, struct image_info *info, struct svc_refusal *refusal)
{
	VipsImage *header;
	int r;

	*info = (struct image_info){ .bands = 0 };
	r = image_load_header(in, &header, &info->source, refusal);
	if (r < 0)
		return r;
	info->bands = vips_image_get_bands(header);
	info->has_alpha = vips_image_hasalpha(header);
	info->has_icc = vips_image_get_typeof(header, VIPS_META_ICC_NAME) != 0;
	g_object_unref(header);
	return 0;
}
