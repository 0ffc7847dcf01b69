/* SPDX-License-Identifier: ISC */

#include "video/work.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "video/answer.h"
#include "video/media.h"
#include "video/probe.h"
#include "video/storyboard.h"
#include "video/thumbnail.h"
#include "video/waveform.h"

/* --- faults, for tests ---------------------------------------------------- */

static void
spin(void)
{
	for (volatile unsigned i = 0;; i++)
		;
}

static void
grow(void)
{
	for (;;) {
		char *more = malloc((size_t)1 << 20);

		if (more == NULL)
			abort();
		memset(more, 1, (size_t)1 << 20);
	}
}

/* Only where the environment allows it: "drover-fault: crash". */
static void
fail_as_told(int fd, struct buf *out)
{
	static const char mark[] = "drover-fault: ";
	char said[32] = "";
	const char *how = said + sizeof(mark) - 1;

	if (getenv(VIDEO_FAULTS) == NULL ||
	    pread(fd, said, sizeof(said) - 1, 0) < 0 ||
	    strncmp(said, mark, sizeof(mark) - 1) != 0)
		return;
	(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own */
	if (strcmp(how, "crash") == 0)
		(void)raise(SIGSEGV);
	else if (strcmp(how, "hang") == 0)
		for (;;)
			(void)pause();
	else if (strcmp(how, "spin") == 0)
		spin();
	else if (strcmp(how, "grow") == 0)
		grow();
	else if (strcmp(how, "lie") == 0 && buf_puts(out, "?!") < 0)
		abort();
}

/* --- tasks ---------------------------------------------------------------- */

static int
do_probe(struct media *m, const struct video_order *order, struct buf *out,
    struct svc_refusal *refusal)
{
	int r = video_answer_begin(out, VIDEO_MEDIA_JSON);

	if (r == 0)
		r = probe_write(m, &order->limits, out);
	if (r == -ENOBUFS)
		return svc_refuse(refusal, &video_answer_too_large,
		    "what the file says of itself is over %zu bytes", out->max);
	return r < 0 ? svc_refuse(refusal, &video_memory, "out of memory") : 0;
}

static int
do_thumbnail(struct media *m, const struct video_order *order, struct buf *out,
    struct svc_refusal *refusal)
{
	return thumbnail_write(
	    m, &order->limits, &order->thumbnail, out, refusal);
}

static int
do_storyboard(struct media *m, const struct video_order *order, struct buf *out,
    struct svc_refusal *refusal)
{
	return storyboard_write(m, &order->limits, &order->board, out, refusal);
}

static int
do_waveform(struct media *m, const struct video_order *order, struct buf *out,
    struct svc_refusal *refusal)
{
	return waveform_write(m, &order->limits, &order->wave, out, refusal);
}

static const struct {
	int (*run)(struct media *m, const struct video_order *order,
	    struct buf *out, struct svc_refusal *refusal);
	enum media_depth depth;
	enum AVMediaType wants;
} tasks[] = {
	[VIDEO_PROBE] = { do_probe, MEDIA_FULL, AVMEDIA_TYPE_VIDEO },
	[VIDEO_STORYBOARD] = { do_storyboard, MEDIA_FAST, AVMEDIA_TYPE_VIDEO },
	[VIDEO_WAVEFORM] = { do_waveform, MEDIA_FULL, AVMEDIA_TYPE_AUDIO },
	[VIDEO_THUMBNAIL] = { do_thumbnail, MEDIA_FAST, AVMEDIA_TYPE_VIDEO },
};

static void
run(struct span bytes, int fd, struct buf *out)
{
	struct svc_refusal refusal = { .problem = NULL };
	struct video_order order;
	struct media m;
	int r;

	if (bytes.n != sizeof(order))
		return;
	memcpy(&order, bytes.p, sizeof(order));
	fail_as_told(fd, out);
	if (out->len > 0)
		return;
	r = media_open(&m, fd, &order.limits, tasks[order.task].depth,
	    tasks[order.task].wants, &refusal);
	if (r == 0)
		r = tasks[order.task].run(&m, &order, out, &refusal);
	if (r < 0 && video_answer_refuse(out, &refusal) < 0)
		buf_clear(out);
}

/*
 * Tables that decoders make when one is first opened are made here, once, and
 * every child has them. No codec that starts threads: they do not survive fork.
 */
static void
warm(void)
{
	static const enum AVCodecID codecs[] = { AV_CODEC_ID_H264,
		AV_CODEC_ID_HEVC, AV_CODEC_ID_VP8, AV_CODEC_ID_VP9,
		AV_CODEC_ID_MPEG4, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_AAC,
		AV_CODEC_ID_MP3, AV_CODEC_ID_OPUS, AV_CODEC_ID_VORBIS };

	media_init();
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		const AVCodec *codec = avcodec_find_decoder(codecs[i]);
		AVCodecContext *c = codec != NULL
		    ? avcodec_alloc_context3(codec)
		    : NULL;

		if (c == NULL)
			continue;
		c->thread_count = 1;
		c->sample_rate = 48000;
		av_channel_layout_default(&c->ch_layout, 2);
		(void)avcodec_open2(c, codec, NULL);
		avcodec_free_context(&c);
	}
}

const struct svc_nursery_work video_work = { warm, run };
