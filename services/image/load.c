/* SPDX-License-Identifier: ISC */

#include "image/load.h"

#include <errno.h>

/* "interlaced" for both decoders; older ones called it so for JPEG. */
#define META_INTERLACED "interlaced"
#define META_MULTISCAN "jpeg-multiscan"

static int
get_int(VipsImage *image, const char *name, int otherwise)
{
	int v;

	if (vips_image_get_typeof(image, name) != G_TYPE_INT ||
	    vips_image_get_int(image, name, &v) != 0)
		return otherwise;
	return v;
}

static void
read_source(VipsImage *image, enum image_format format, struct image_source *s)
{
	*s = (struct image_source){ .format = format };
	s->width = vips_image_get_width(image);
	s->height = vips_image_get_height(image);
	s->frames = get_int(image, VIPS_META_N_PAGES, 1);
	s->orientation = get_int(image, VIPS_META_ORIENTATION, 1);
	if (s->orientation < 1 || s->orientation > 8 || s->frames > 1)
		s->orientation = 1;
	s->interlaced = get_int(image, META_INTERLACED, 0) != 0 ||
	    get_int(image, META_MULTISCAN, 0) != 0;
	/* An AVIF with several pictures in it is no animation. */
	if (!image_keeps_frames(format))
		s->frames = 1;
}

static int
open_jpeg(struct span in, int shrink, VipsImage **out)
{
	return vips_jpegload_buffer((void *)in.p, in.n, out, "shrink", shrink,
	    "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR,
	    NULL);
}

static int
open_webp(struct span in, int n, double scale, VipsImage **out)
{
	return vips_webpload_buffer((void *)in.p, in.n, out, "n", n, "scale",
	    scale, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
	    VIPS_FAIL_ON_ERROR, NULL);
}

static int
open_any(struct span in, enum image_format format, int n, int shrink,
    double scale, VipsImage **out)
{
	void *p = (void *)in.p;

	switch (format) {
	case IMAGE_JPEG:
		return open_jpeg(in, shrink, out);
	case IMAGE_WEBP:
		return open_webp(in, n, scale, out);
	case IMAGE_PNG:
		return vips_pngload_buffer(p, in.n, out, "access",
		    VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR,
		    NULL);
	case IMAGE_AVIF:
		return vips_heifload_buffer(p, in.n, out, "access",
		    VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR,
		    NULL);
	case IMAGE_GIF:
		return vips_gifload_buffer(p, in.n, out, "n", n, "access",
		    VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR,
		    NULL);
	case IMAGE_UNKNOWN:
		break;
	}
	return -1;
}

int
image_load_header(struct span in, VipsImage **out, struct image_source *source,
    struct svc_refusal *refusal)
{
	enum image_format format = image_sniff(in);

	if (in.n == 0)
		return svc_refuse(
		    refusal, &image_unsupported_format, "the body is empty");
	if (format == IMAGE_UNKNOWN)
		return svc_refuse(refusal, &image_unsupported_format,
		    "its first bytes are not those of JPEG, PNG, WebP, AVIF "
		    "or GIF");
	if (open_any(in, format, 1, 1, 1, out) != 0)
		return image_refuse_decode(in, format, refusal);
	read_source(*out, format, source);
	return 0;
}

int
image_load_pixels(struct span in, const struct image_source *source,
    const struct image_plan *plan, VipsImage **out)
{
	double scale = 1;

	if (plan->scale_on_load)
		scale = (double)plan->width / source->width;
	return open_any(in, source->format, plan->frames > 1 ? -1 : 1,
	    plan->shrink, scale, out);
}

/* The library's text may quote the file: one line of printable ASCII of it. */
int
image_refuse_decode(
    struct span in, enum image_format format, struct svc_refusal *refusal)
{
	char text[200];
	size_t n = 0;

	for (const char *s = vips_error_buffer();
	     *s != '\0' && n < sizeof(text) - 1; s++)
		text[n++] = *s >= ' ' && *s < 0x7f ? *s : ' ';
	text[n] = '\0';
	vips_error_clear();
	if (image_is_cut(format, in))
		return svc_refuse(refusal, &image_truncated,
		    "the file ends before the image does");
	return svc_refuse(
	    refusal, &image_invalid, "the image cannot be decoded: %s", text);
}
