/* SPDX-License-Identifier: ISC */

#include "video/seek.h"

#include <errno.h>
#include <math.h>

#define BAD_PACKETS_MAX 100 /* in a row */
#define WINDOW_MS 250	    /* before the moment every frame is decoded */
#define THREADS 2

static const AVRational in_ms = { 1, 1000 };

int
seek_init(struct seek *s, struct media *m, const struct video_limits *limits,
    bool exact, struct svc_refusal *refusal)
{
	*s = (struct seek){ .media = m, .limits = limits, .exact = exact };
	s->stream = media_stream(m, AVMEDIA_TYPE_VIDEO, refusal);
	if (s->stream == NULL)
		return -EINVAL;
	for (unsigned i = 0; i < m->format->nb_streams; i++)
		if (m->format->streams[i] != s->stream)
			m->format->streams[i]->discard = AVDISCARD_ALL;
	s->decoder = media_decoder(
	    s->stream, limits, exact ? THREADS : 1, refusal);
	if (s->decoder == NULL)
		return -EINVAL;
	s->packet = av_packet_alloc();
	return s->packet != NULL
	    ? 0
	    : svc_refuse(refusal, &video_memory, "out of memory");
}

void
seek_done(struct seek *s)
{
	avcodec_free_context(&s->decoder);
	av_packet_free(&s->packet);
	av_frame_free(&s->kept);
}

void
seek_is_rough(struct seek *s)
{
	s->decoder->skip_loop_filter = AVDISCARD_ALL;
}

/* --- packets -------------------------------------------------------------- */

static int64_t
moment(const struct seek *s, int64_t ms)
{
	int64_t start = s->stream->start_time;

	return (start != AV_NOPTS_VALUE ? start : 0) +
	    av_rescale_q(ms, in_ms, s->stream->time_base);
}

static int64_t
begins(const AVPacket *p)
{
	return p->pts != AV_NOPTS_VALUE ? p->pts : p->dts;
}

/* The stream's next packet, or the library's error. */
static int
next_packet(struct seek *s)
{
	int r;

	do {
		av_packet_unref(s->packet);
		r = av_read_frame(s->media->format, s->packet);
	} while (r >= 0 && s->packet->stream_index != s->stream->index);
	return r;
}

static int
next_key(struct seek *s)
{
	int r;

	do
		r = next_packet(s);
	while (r >= 0 && (s->packet->flags & AV_PKT_FLAG_KEY) == 0);
	return r;
}

/* From a keyframe on to the last one that begins no later than `to`. */
static int
go_on_to(struct seek *s, int64_t to)
{
	AVPacket *last = av_packet_clone(s->packet);
	int r = last != NULL ? 0 : AVERROR(ENOMEM);

	while (r >= 0) {
		r = next_key(s);
		if (r < 0 || begins(s->packet) > to)
			break;
		av_packet_unref(last);
		r = av_packet_ref(last, s->packet);
	}
	if (last == NULL)
		return AVERROR(ENOMEM);
	av_packet_unref(s->packet);
	av_packet_move_ref(s->packet, last);
	av_packet_free(&last);
	return s->packet->buf != NULL ? 0 : AVERROR(ENOMEM);
}

/*
 * Read on to the last keyframe before `to`. A container without an index may
 * land behind it: then from further back. 0 with the packet.
 */
static int
go_to(struct seek *s, int64_t ms)
{
	static const int64_t back_ms[] = { 0, 2000, 12000, INT64_MAX };
	int64_t to = moment(s, ms);
	int r = AVERROR_EOF;

	for (size_t i = 0; i < ARRAY_LEN(back_ms); i++) {
		bool first = back_ms[i] >= ms;

		avcodec_flush_buffers(s->decoder);
		if (av_seek_frame(s->media->format, s->stream->index,
			moment(s, first ? 0 : ms - back_ms[i]),
			AVSEEK_FLAG_BACKWARD) < 0 &&
		    !first)
			continue;
		r = next_key(s);
		if (r >= 0 && begins(s->packet) <= to)
			return i > 0 && !s->exact ? go_on_to(s, to) : r;
		if (first)
			return r;
	}
	return r;
}

/* --- frames --------------------------------------------------------------- */

/* The frame that this packet alone makes, or NULL. */
static AVFrame *
decode_alone(struct seek *s, const AVPacket *packet)
{
	AVFrame *frame = av_frame_alloc();
	int r = AVERROR(ENOMEM);

	if (frame != NULL)
		r = avcodec_send_packet(s->decoder, packet);
	if (r >= 0)
		r = avcodec_send_packet(s->decoder, NULL);
	if (r >= 0)
		r = avcodec_receive_frame(s->decoder, frame);
	avcodec_flush_buffers(s->decoder);
	if (r < 0)
		av_frame_free(&frame);
	return frame;
}

/*
 * The keyframe at hand, or the next one that can be decoded. Moments that are
 * near share one: it is kept.
 */
static AVFrame *
keyframe(struct seek *s)
{
	int64_t at = begins(s->packet);
	AVFrame *frame;

	if (s->kept != NULL && at != AV_NOPTS_VALUE && at == s->kept_at)
		return av_frame_clone(s->kept);
	frame = decode_alone(s, s->packet);
	for (int i = 0; frame == NULL && i < BAD_PACKETS_MAX; i++) {
		if (next_key(s) < 0)
			break;
		frame = decode_alone(s, s->packet);
	}
	av_frame_free(&s->kept);
	s->kept = frame != NULL ? av_frame_clone(frame) : NULL;
	s->kept_at = at;
	return frame;
}

/*
 * Do frames come at even times? Then those far before need not be shown. A
 * header's rate is not believed: as many frames as it says must be there.
 */
static bool
is_even(const AVStream *stream)
{
	double rate = av_q2d(stream->avg_frame_rate);
	double length = (double)stream->duration * av_q2d(stream->time_base);

	return stream->avg_frame_rate.num > 0 && stream->nb_frames > 0 &&
	    av_cmp_q(stream->avg_frame_rate, stream->r_frame_rate) == 0 &&
	    rate > 2000.0 / WINDOW_MS &&
	    fabs(length * rate - (double)stream->nb_frames) <= 1;
}

/*
 * Take what the decoder has. True when *best is the one: the frame at hand
 * begins behind `to`.
 */
static bool
take_frames(struct seek *s, int64_t to, AVFrame *frame, AVFrame *best)
{
	while (avcodec_receive_frame(s->decoder, frame) >= 0) {
		bool behind = frame->best_effort_timestamp > to;

		if (behind && best->buf[0] != NULL)
			return true;
		av_frame_unref(best);
		av_frame_move_ref(best, frame);
		if (behind)
			return true;
	}
	return false;
}

static AVFrame *
exact_frame(struct seek *s, int64_t to)
{
	int64_t window = to -
	    av_rescale_q(WINDOW_MS, in_ms, s->stream->time_base);
	AVFrame *best = av_frame_alloc(), *frame = av_frame_alloc();
	bool even = is_even(s->stream), found = false;
	int bad = 0, r = best != NULL && frame != NULL ? 0 : AVERROR(ENOMEM);

	while (r >= 0 && !found && bad < BAD_PACKETS_MAX) {
		s->decoder->skip_frame = even && begins(s->packet) < window
		    ? AVDISCARD_NONREF
		    : AVDISCARD_DEFAULT;
		bad = avcodec_send_packet(s->decoder, s->packet) < 0 ? bad + 1
								     : 0;
		found = take_frames(s, to, frame, best);
		if (!found)
			r = next_packet(s);
	}
	if (!found && r == AVERROR_EOF) {
		(void)avcodec_send_packet(s->decoder, NULL);
		(void)take_frames(s, to, frame, best);
	}
	av_frame_free(&frame);
	if (best != NULL && best->buf[0] == NULL)
		av_frame_free(&best);
	return best;
}

AVFrame *
seek_frame(struct seek *s, int64_t ms, struct svc_refusal *refusal)
{
	AVFrame *frame = NULL;
	int64_t length = media_duration_ms(s->media, s->stream);

	if ((s->stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
		frame = decode_alone(s, &s->stream->attached_pic);
	} else if (length > 0 && ms > length) {
		(void)svc_refuse(refusal, &video_past_end,
		    "it ends at %lld.%03lld s", (long long)length / 1000,
		    (long long)length % 1000);
		return NULL;
	} else if (go_to(s, ms) >= 0) {
		frame = s->exact ? exact_frame(s, moment(s, ms)) : keyframe(s);
	}
	if (frame == NULL)
		(void)media_refuse(AVERROR_INVALIDDATA,
		    "no frame can be decoded there", refusal);
	else if (media_check_size(
		     frame->width, frame->height, s->limits, refusal) < 0)
		av_frame_free(&frame); /* the container had said less */
	return frame;
}

/* --- how it shows --------------------------------------------------------- */

static struct video_turn
turn_of(const AVStream *stream)
{
	size_t size = 0;
	const uint8_t *matrix = av_stream_get_side_data(
	    stream, AV_PKT_DATA_DISPLAYMATRIX, &size);

	if (matrix == NULL || size < 9 * sizeof(int32_t))
		return (struct video_turn){ .swap = false };
	return video_turn_of((const int32_t *)(const void *)matrix);
}

struct video_shape
seek_shape(
    const struct seek *s, AVFrame *frame, int want_width, int want_height)
{
	AVRational sar = av_guess_sample_aspect_ratio(
	    s->media->format, s->stream, frame);

	return video_shape_of(frame->width, frame->height, sar.num, sar.den,
	    turn_of(s->stream), want_width, want_height);
}
