/* SPDX-License-Identifier: ISC */

#include "video/picture.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <string.h>

#include "video/media.h"
#include "video/tone.h"

static const struct {
	const char *encoder;
	enum AVPixelFormat pixels;
	bool full; /* range of its samples */
	enum video_media media;
} formats[] = {
	[VIDEO_JPEG] = { "mjpeg", AV_PIX_FMT_YUVJ420P, true, VIDEO_MEDIA_JPEG },
	[VIDEO_PNG] = { "png", AV_PIX_FMT_RGB24, true, VIDEO_MEDIA_PNG },
	[VIDEO_WEBP] = { "libwebp", AV_PIX_FMT_YUV420P, false,
	    VIDEO_MEDIA_WEBP },
};

enum video_media
picture_media(enum video_format format)
{
	return formats[format].media;
}

/* Whoever wants RGB wants each pixel's own colour. */
#define GOOD (SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT)

/* --- scaling -------------------------------------------------------------- */

static AVFrame *
frame_new(int width, int height, enum AVPixelFormat pixels)
{
	AVFrame *f = av_frame_alloc();

	if (f == NULL)
		return NULL;
	f->width = width;
	f->height = height;
	f->format = pixels;
	if (av_frame_get_buffer(f, 0) < 0)
		av_frame_free(&f);
	return f;
}

/* Untold, it is by size, as everybody does it. */
static int
matrix_of(const AVFrame *f)
{
	switch (f->colorspace) {
	case AVCOL_SPC_BT709:
		return SWS_CS_ITU709;
	case AVCOL_SPC_BT2020_NCL:
	case AVCOL_SPC_BT2020_CL:
		return SWS_CS_BT2020;
	case AVCOL_SPC_FCC:
		return SWS_CS_FCC;
	case AVCOL_SPC_SMPTE240M:
		return SWS_CS_SMPTE240M;
	case AVCOL_SPC_UNSPECIFIED:
		return f->height >= 720 ? SWS_CS_ITU709 : SWS_CS_ITU601;
	default:
		return SWS_CS_ITU601;
	}
}

static bool
is_full(const AVFrame *f)
{
	switch ((enum AVPixelFormat)f->format) {
	case AV_PIX_FMT_YUVJ420P:
	case AV_PIX_FMT_YUVJ422P:
	case AV_PIX_FMT_YUVJ444P:
	case AV_PIX_FMT_YUVJ440P:
		return true;
	default:
		return f->color_range == AVCOL_RANGE_JPEG;
	}
}

/*
 * Of interlaced frames one field is taken: two moments in one picture would
 * show as a comb.
 */
static AVFrame *
scale(const AVFrame *in, int width, int height, enum AVPixelFormat pixels,
    bool full)
{
	bool field = in->interlaced_frame && in->height >= 4;
	int lines = field ? in->height / 2 : in->height;
	int strides[AV_NUM_DATA_POINTERS];
	int flags = width * 2 <= in->width ? SWS_AREA : SWS_BICUBIC;
	struct SwsContext *sws = sws_getContext(in->width, lines, in->format,
	    width, height, pixels,
	    pixels == AV_PIX_FMT_RGB24 ? flags | GOOD : flags, NULL, NULL,
	    NULL);
	AVFrame *out = frame_new(width, height, pixels);
	int r = AVERROR(ENOMEM);

	for (int i = 0; i < AV_NUM_DATA_POINTERS; i++)
		strides[i] = in->linesize[i] * (field ? 2 : 1);
	if (sws != NULL && out != NULL) {
		(void)sws_setColorspaceDetails(sws,
		    sws_getCoefficients(matrix_of(in)), is_full(in),
		    sws_getCoefficients(SWS_CS_ITU601), full, 0, 1 << 16,
		    1 << 16);
		r = sws_scale(sws, (const uint8_t *const *)in->data, strides, 0,
		    lines, out->data, out->linesize);
	}
	sws_freeContext(sws);
	if (r < 0)
		av_frame_free(&out);
	return out;
}

/* --- high dynamic range --------------------------------------------------- */

static bool
is_hdr(const AVFrame *f)
{
	return f->color_trc == AVCOL_TRC_SMPTE2084 ||
	    f->color_trc == AVCOL_TRC_ARIB_STD_B67;
}

static AVFrame *
tone_down(const AVFrame *in, enum tone_curve curve)
{
	AVFrame *out = frame_new(in->width, in->height, AV_PIX_FMT_RGB24);
	struct tone *t = av_malloc(sizeof(*t));

	if (out == NULL || t == NULL) {
		av_frame_free(&out);
		av_free(t);
		return NULL;
	}
	tone_init(t, curve);
	for (int y = 0; y < in->height; y++)
		tone_row(t,
		    (const uint16_t *)(const void *)(in->data[0] +
			(ptrdiff_t)y * in->linesize[0]),
		    out->data[0] + (ptrdiff_t)y * out->linesize[0],
		    (size_t)in->width);
	av_free(t);
	return out;
}

static AVFrame *
scale_hdr(const AVFrame *in, int width, int height, enum AVPixelFormat pixels,
    bool full)
{
	AVFrame *deep = scale(in, width, height, AV_PIX_FMT_RGB48, true);
	AVFrame *flat = NULL, *out = NULL;

	if (deep != NULL)
		flat = tone_down(deep,
		    in->color_trc == AVCOL_TRC_SMPTE2084 ? TONE_PQ : TONE_HLG);
	av_frame_free(&deep);
	if (flat == NULL || pixels == AV_PIX_FMT_RGB24)
		return flat;
	out = scale(flat, width, height, pixels, full);
	av_frame_free(&flat);
	return out;
}

/* --- turning -------------------------------------------------------------- */

static void
turn_plane(const AVFrame *in, AVFrame *out, int plane, int width, int height,
    size_t bytes, struct video_turn turn)
{
	for (int y = 0; y < height; y++) {
		uint8_t *to = out->data[plane] +
		    (ptrdiff_t)y * out->linesize[plane];
		int v = turn.flip_y ? height - 1 - y : y;

		for (int x = 0; x < width; x++, to += bytes) {
			int u = turn.flip_x ? width - 1 - x : x;
			ptrdiff_t row = turn.swap ? u : v;
			ptrdiff_t column = turn.swap ? v : u;

			memcpy(to,
			    in->data[plane] + row * in->linesize[plane] +
				column * (ptrdiff_t)bytes,
			    bytes);
		}
	}
}

static AVFrame *
turned(AVFrame *in, const struct video_shape *shape)
{
	const struct video_turn t = shape->turn;
	int w = shape->out_width, h = shape->out_height;
	AVFrame *out;

	if (!t.swap && !t.flip_x && !t.flip_y)
		return in;
	out = frame_new(w, h, in->format);
	if (out != NULL && in->format == AV_PIX_FMT_RGB24)
		turn_plane(in, out, 0, w, h, 3, t);
	else if (out != NULL)
		for (int p = 0; p < 3; p++)
			turn_plane(in, out, p, p == 0 ? w : (w + 1) / 2,
			    p == 0 ? h : (h + 1) / 2, 1, t);
	av_frame_free(&in);
	return out;
}

AVFrame *
picture_make(const AVFrame *frame, const struct video_shape *shape,
    enum video_format format, struct svc_refusal *refusal)
{
	AVFrame *out = (is_hdr(frame) ? scale_hdr : scale)(frame, shape->width,
	    shape->height, formats[format].pixels, formats[format].full);

	if (out != NULL)
		out = turned(out, shape);
	if (out == NULL)
		(void)svc_refuse(refusal, &video_memory,
		    "a picture of %dx%d px cannot be made", shape->out_width,
		    shape->out_height);
	return out;
}

/* --- one onto another ----------------------------------------------------- */

AVFrame *
picture_blank(int width, int height, enum video_format format)
{
	AVFrame *f = frame_new(width, height, formats[format].pixels);
	ptrdiff_t strides[4];

	if (f == NULL)
		return NULL;
	for (int i = 0; i < 4; i++)
		strides[i] = f->linesize[i];
	if (av_image_fill_black(f->data, strides, f->format,
		formats[format].full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG,
		width, height) < 0)
		av_frame_free(&f);
	return f;
}

void
picture_put(AVFrame *onto, const AVFrame *picture, int x, int y)
{
	bool rgb = onto->format == AV_PIX_FMT_RGB24;
	int bytes = rgb ? 3 : 1;

	for (int p = 0; p < (rgb ? 1 : 3); p++) {
		int part = p == 0 ? 1 : 2;

		av_image_copy_plane(onto->data[p] +
			(ptrdiff_t)(y / part) * onto->linesize[p] +
			x / part * bytes,
		    onto->linesize[p], picture->data[p], picture->linesize[p],
		    picture->width / part * bytes, picture->height / part);
	}
}

/* --- encoding ------------------------------------------------------------- */

static void
set_quality(AVCodecContext *c, enum video_format format, int quality)
{
	if (format == VIDEO_JPEG) {
		/* mjpeg counts from 1, the best, to 31. */
		c->flags |= AV_CODEC_FLAG_QSCALE;
		c->global_quality = FF_QP2LAMBDA * ((100 - quality) / 5 + 1);
	} else if (format == VIDEO_WEBP) {
		(void)av_opt_set_double(c->priv_data, "quality", quality, 0);
		(void)av_opt_set_int(c->priv_data, "compression_level", 2, 0);
	}
}

static AVCodecContext *
encoder(const AVFrame *picture, enum video_format format, int quality)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(
	    formats[format].encoder);
	AVCodecContext *c = avcodec_alloc_context3(codec);

	if (codec == NULL || c == NULL) {
		avcodec_free_context(&c);
		return NULL;
	}
	c->width = picture->width;
	c->height = picture->height;
	c->pix_fmt = formats[format].pixels;
	c->color_range = formats[format].full ? AVCOL_RANGE_JPEG
					      : AVCOL_RANGE_MPEG;
	c->time_base = (AVRational){ 1, 1 };
	c->thread_count = 1;
	set_quality(c, format, quality);
	if (avcodec_open2(c, codec, NULL) < 0)
		avcodec_free_context(&c);
	return c;
}

int
picture_encode(AVFrame *picture, enum video_format format, int quality,
    struct buf *out, struct svc_refusal *refusal)
{
	AVCodecContext *c = encoder(picture, format, quality);
	AVPacket *packet = av_packet_alloc();
	int r = AVERROR(ENOMEM), put = 0;

	if (c != NULL && packet != NULL) {
		picture->quality = c->global_quality;
		r = avcodec_send_frame(c, picture);
	}
	if (r >= 0)
		r = avcodec_send_frame(c, NULL);
	if (r >= 0)
		r = avcodec_receive_packet(c, packet);
	if (r >= 0)
		put = buf_append(out, packet->data, (size_t)packet->size);
	av_packet_free(&packet);
	avcodec_free_context(&c);
	if (put == -ENOBUFS)
		return svc_refuse(refusal, &video_answer_too_large,
		    "the picture's file is over %zu bytes", out->max);
	return r < 0 || put < 0 ? svc_refuse(refusal, &video_memory,
				      "the picture cannot be encoded")
				: 0;
}
