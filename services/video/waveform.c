/* SPDX-License-Identifier: ISC */

#include "video/waveform.h"

#include <errno.h>
#include <libswresample/swresample.h>

#include "video/answer.h"
#include "video/wave.h"

struct listening {
	AVCodecContext *decoder;
	struct SwrContext *swr;
	AVPacket *packet;
	AVFrame *frame;
	AVFrame *mono;
	struct wave *wave;
};

/* To one channel of 16 bits, whatever it was, also when that changes. */
static int
take_frame(struct listening *l, const AVFrame *frame)
{
	AVFrame *mono = l->mono;
	int r;

	av_frame_unref(mono);
	av_channel_layout_default(&mono->ch_layout, 1);
	mono->sample_rate = l->wave->rate;
	mono->format = AV_SAMPLE_FMT_S16;
	r = swr_convert_frame(l->swr, mono, frame);
	if (r == AVERROR_INPUT_CHANGED) {
		swr_close(l->swr);
		r = swr_convert_frame(l->swr, mono, frame);
	}
	if (r >= 0)
		wave_add(l->wave, (const int16_t *)(const void *)mono->data[0],
		    (size_t)mono->nb_samples);
	return r;
}

/* What is damaged in between is left out. */
static int
decode(struct listening *l, const AVPacket *packet)
{
	int r = 0;

	(void)avcodec_send_packet(l->decoder, packet);
	while (r >= 0 && avcodec_receive_frame(l->decoder, l->frame) >= 0)
		r = take_frame(l, l->frame);
	return r == AVERROR(ENOMEM) ? r : 0;
}

static int
listen_to(struct listening *l, struct media *m, const AVStream *stream)
{
	int r = 0;

	for (unsigned i = 0; i < m->format->nb_streams; i++)
		if (m->format->streams[i] != stream)
			m->format->streams[i]->discard = AVDISCARD_ALL;
	while (r >= 0 && av_read_frame(m->format, l->packet) >= 0) {
		if (l->packet->stream_index == stream->index)
			r = decode(l, l->packet);
		av_packet_unref(l->packet);
	}
	return r < 0 ? r : decode(l, NULL);
}

static int
listening_init(struct listening *l, const AVStream *stream,
    const struct video_limits *limits, struct svc_refusal *refusal)
{
	l->decoder = media_decoder(stream, limits, 1, refusal);
	if (l->decoder == NULL)
		return -EINVAL;
	l->swr = swr_alloc();
	l->packet = av_packet_alloc();
	l->frame = av_frame_alloc();
	l->mono = av_frame_alloc();
	l->wave = av_mallocz(sizeof(*l->wave));
	if (l->swr == NULL || l->packet == NULL || l->frame == NULL ||
	    l->mono == NULL || l->wave == NULL)
		return media_refuse(AVERROR(ENOMEM), "the sound", refusal);
	return 0;
}

static void
listening_done(struct listening *l)
{
	avcodec_free_context(&l->decoder);
	swr_free(&l->swr);
	av_packet_free(&l->packet);
	av_frame_free(&l->frame);
	av_frame_free(&l->mono);
	av_free(l->wave);
}

static int
write_wave(const struct wave *w, const struct video_wave_params *p,
    struct buf *out, struct svc_refusal *refusal)
{
	bool svg = p->form == VIDEO_WAVE_SVG;
	int r = video_answer_begin(
	    out, svg ? VIDEO_MEDIA_SVG : VIDEO_MEDIA_JSON);

	if (r == 0)
		r = svg ? wave_write_svg(w, p->width, p->height, out)
			: wave_write_json(w, out);
	if (r == -ENOBUFS)
		return svc_refuse(refusal, &video_answer_too_large,
		    "the outline is over %zu bytes", out->max);
	return r < 0 ? svc_refuse(refusal, &video_memory, "out of memory") : 0;
}

static int
make_wave(struct listening *l, struct media *m, const AVStream *stream,
    const struct video_wave_params *p, struct svc_refusal *refusal)
{
	int64_t duration_ms = media_duration_ms(m, stream);
	int rate = stream->codecpar->sample_rate;
	int r;

	if (rate <= 0 || duration_ms <= 0)
		return svc_refuse(refusal, &video_invalid,
		    "how long the sound is, or its rate, is not known");
	wave_init(l->wave, rate, duration_ms, (size_t)p->points);
	r = listen_to(l, m, stream);
	if (r < 0)
		return media_refuse(r, "the sound", refusal);
	if (l->wave->len == 0)
		return media_refuse(
		    AVERROR_INVALIDDATA, "no sound can be decoded", refusal);
	return 0;
}

int
waveform_write(struct media *m, const struct video_limits *limits,
    const struct video_wave_params *p, struct buf *out,
    struct svc_refusal *refusal)
{
	const AVStream *stream = media_stream(m, AVMEDIA_TYPE_AUDIO, refusal);
	struct listening l = { .decoder = NULL };
	int r;

	if (stream == NULL)
		return -EINVAL;
	r = listening_init(&l, stream, limits, refusal);
	if (r == 0)
		r = make_wave(&l, m, stream, p, refusal);
	if (r == 0)
		r = write_wave(l.wave, p, out, refusal);
	listening_done(&l);
	return r;
}
