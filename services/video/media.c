/* SPDX-License-Identifier: ISC */

#include "video/media.h"

#include <errno.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IO_BUFFER (64 * 1024)
#define SAID_MAX 200

/*
 * Demuxers that read one input and nothing else: no playlists, no lists of
 * files, nothing that names another.
 */
static const char demuxers[] =
    "mov,matroska,mpegts,mpeg,avi,flv,asf,ogg,mp3,wav,w64,flac,aac,ac3,eac3,"
    "dts,aiff,caf,amr,mxf,gxf,ivf,h264,hevc,m4v,mpegvideo,av1,obu,opus,gif,"
    "apng,dv,nut,wv,tta,ape,rm";

/* --- what the libraries say ----------------------------------------------- */

static char said[SAID_MAX]; /* the first error: what follows is its fault */
static atomic_flag saying = ATOMIC_FLAG_INIT;

static void
on_log(void *context, int level, const char *fmt, va_list ap)
{
	(void)context;
	if (level > AV_LOG_ERROR || said[0] != '\0' ||
	    atomic_flag_test_and_set(&saying))
		return;
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	for (char *c = said; *c != '\0'; c++)
		if (*c == '\n')
			*c = '\0';
	atomic_flag_clear(&saying);
}

void
media_init(void)
{
	av_log_set_callback(on_log);
}

int
media_refuse(int averror, const char *what, struct svc_refusal *refusal)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "";

	if (averror == AVERROR(ENOMEM))
		return svc_refuse(refusal, &video_memory,
		    "%s: it takes more memory than one file is given", what);
	(void)av_strerror(averror, text, sizeof(text));
	return svc_refuse(refusal, &video_invalid, "%s: %s%s%s", what, text,
	    said[0] != '\0' ? "; " : "", said);
}

/* --- input ---------------------------------------------------------------- */

static int
on_read(void *arg, uint8_t *data, int size)
{
	struct media *m = arg;
	ssize_t got;

	do
		got = pread(m->fd, data, (size_t)size, m->at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return AVERROR(errno);
	m->at += got;
	return got > 0 ? (int)got : AVERROR_EOF;
}

static int64_t
on_seek(void *arg, int64_t to, int whence)
{
	struct media *m = arg;

	switch (whence & ~AVSEEK_FORCE) {
	case AVSEEK_SIZE:
		return m->size;
	case SEEK_SET:
		break;
	case SEEK_CUR:
		to += m->at;
		break;
	case SEEK_END:
		to += m->size;
		break;
	default:
		return AVERROR(EINVAL);
	}
	if (to < 0)
		return AVERROR(EINVAL);
	m->at = to;
	return to;
}

static int
refuse_open(AVFormatContext *format, AVIOContext **io, const char *url,
    int flags, AVDictionary **options)
{
	(void)format;
	(void)io;
	(void)url;
	(void)flags;
	(void)options;
	return AVERROR(EPERM);
}

static int
open_io(struct media *m)
{
	uint8_t *buffer = av_malloc(IO_BUFFER);

	m->format = avformat_alloc_context();
	if (buffer != NULL)
		m->io = avio_alloc_context(
		    buffer, IO_BUFFER, 0, m, on_read, NULL, on_seek);
	if (m->io == NULL)
		av_free(buffer);
	if (m->io == NULL || m->format == NULL)
		return AVERROR(ENOMEM);
	m->format->pb = m->io;
	m->format->io_open = refuse_open;
	m->size = lseek(m->fd, 0, SEEK_END);
	return 0;
}

/* --- what it is ----------------------------------------------------------- */

static bool
allowed(const AVInputFormat *format)
{
	struct span names = span_of(format->name), name;

	while (span_next(&names, ',', &name)) {
		struct span list = span_of(demuxers), one;

		while (span_next(&list, ',', &one))
			if (span_eq(one, name))
				return true;
	}
	return false;
}

static int
open_format(struct media *m, struct svc_refusal *refusal)
{
	const AVInputFormat *input = NULL;
	AVDictionary *options = NULL;
	int score = av_probe_input_buffer2(m->io, &input, "", NULL, 0, 0);
	int r = score;

	if (r < 0 || input == NULL)
		return r == AVERROR(ENOMEM)
		    ? media_refuse(r, "the file's kind", refusal)
		    : svc_refuse(refusal, &video_unsupported_format,
			  "no known kind of file begins like this");
	if (!allowed(input))
		return svc_refuse(refusal, &video_unsupported_format,
		    "a file of kind %s is not taken", input->name);
	av_dict_set(&options, "format_whitelist", demuxers, 0);
	av_dict_set(&options, "protocol_whitelist", "none", 0);
	av_dict_set(&options, "scan_all_pmts", "1", 0);
	r = avformat_open_input(&m->format, NULL, input, &options);
	av_dict_free(&options);
	if (r == 0) {
		m->format->probe_score = score;
		return 0;
	}
	if (strstr(said, "max_streams") != NULL)
		return svc_refuse(refusal, &video_too_many_streams,
		    "there are more than 1000 streams");
	return media_refuse(r, "the file cannot be opened", refusal);
}

/* --- limits --------------------------------------------------------------- */

static int
check_streams(const struct media *m, const struct video_limits *limits,
    struct svc_refusal *refusal)
{
	if (m->format->nb_streams <= limits->streams)
		return 0;
	return svc_refuse(refusal, &video_too_many_streams,
	    "%u streams; at most %llu are taken", m->format->nb_streams,
	    (unsigned long long)limits->streams);
}

int
media_check_size(int w, int h, const struct video_limits *limits,
    struct svc_refusal *refusal)
{
	int most = w > h ? w : h, least = w > h ? h : w;

	if (w < 0 || h < 0)
		return svc_refuse(refusal, &video_invalid,
		    "it says that it has %dx%d px", w, h);
	if ((uint64_t)most <= limits->long_side &&
	    (uint64_t)least <= limits->short_side)
		return 0;
	return svc_refuse(refusal, &video_too_large,
	    "it has %dx%d px; at most %llux%llu are taken", w, h,
	    (unsigned long long)limits->long_side,
	    (unsigned long long)limits->short_side);
}

static int
check_length(double seconds, const struct video_limits *limits,
    struct svc_refusal *refusal)
{
	if (seconds * 1000 <= (double)limits->duration_ms)
		return 0;
	return svc_refuse(refusal, &video_too_long,
	    "it says that it lasts %.0f s; at most %.0f are taken", seconds,
	    (double)limits->duration_ms / 1000);
}

static int
check_all(const struct media *m, const struct video_limits *limits,
    struct svc_refusal *refusal)
{
	const AVFormatContext *f = m->format;
	int r = check_streams(m, limits, refusal);

	if (r == 0 && f->duration != AV_NOPTS_VALUE)
		r = check_length(
		    (double)f->duration / AV_TIME_BASE, limits, refusal);
	for (unsigned i = 0; r == 0 && i < f->nb_streams; i++) {
		const AVStream *s = f->streams[i];

		r = media_check_size(
		    s->codecpar->width, s->codecpar->height, limits, refusal);
		if (r == 0 && s->duration != AV_NOPTS_VALUE)
			r = check_length(
			    (double)s->duration * av_q2d(s->time_base), limits,
			    refusal);
	}
	return r;
}

/* --- what is in it -------------------------------------------------------- */

static int64_t
pixels(const struct video_limits *limits)
{
	return (int64_t)(limits->long_side * limits->short_side);
}

static int
find_streams(struct media *m, const struct video_limits *limits,
    struct svc_refusal *refusal)
{
	AVDictionary *options[64] = { NULL };
	unsigned n = m->format->nb_streams;
	int r;

	for (unsigned i = 0; i < n && i < ARRAY_LEN(options); i++)
		av_dict_set_int(&options[i], "max_pixels", pixels(limits), 0);
	r = avformat_find_stream_info(
	    m->format, n <= ARRAY_LEN(options) ? options : NULL);
	for (unsigned i = 0; i < ARRAY_LEN(options); i++)
		av_dict_free(&options[i]);
	return r < 0 ? media_refuse(r, "the streams cannot be read", refusal)
		     : 0;
}

/* Does the container tell all that a decoder needs? Then no frame is read. */
static bool
is_told(const AVFormatContext *f, enum AVMediaType wanted)
{
	bool found = false;

	if (strncmp(f->iformat->name, "mov,", 4) != 0 &&
	    strncmp(f->iformat->name, "matroska,", 9) != 0)
		return false;
	for (unsigned i = 0; i < f->nb_streams; i++) {
		const AVCodecParameters *p = f->streams[i]->codecpar;

		if (p->codec_type != wanted)
			continue;
		if (wanted != AVMEDIA_TYPE_VIDEO || p->width == 0 ||
		    p->height == 0 || p->extradata_size == 0)
			return false;
		found = true;
	}
	return found && f->duration != AV_NOPTS_VALUE;
}

int
media_open(struct media *m, int fd, const struct video_limits *limits,
    enum media_depth depth, enum AVMediaType wanted,
    struct svc_refusal *refusal)
{
	int r;

	*m = (struct media){ .fd = fd };
	said[0] = '\0';
	r = open_io(m);
	if (r < 0)
		return media_refuse(r, "the file", refusal);
	r = open_format(m, refusal);
	if (r == 0)
		r = check_all(m, limits, refusal);
	if (r == 0 && (depth == MEDIA_FULL || !is_told(m->format, wanted)))
		r = find_streams(m, limits, refusal);
	return r == 0 ? check_all(m, limits, refusal) : r;
}

void
media_done(struct media *m)
{
	if (m->format != NULL)
		avformat_close_input(&m->format);
	if (m->io != NULL)
		av_freep(&m->io->buffer);
	avio_context_free(&m->io);
}

AVStream *
media_stream(
    struct media *m, enum AVMediaType type, struct svc_refusal *refusal)
{
	int i = av_find_best_stream(m->format, type, -1, -1, NULL, 0);

	if (i >= 0)
		return m->format->streams[i];
	if (type == AVMEDIA_TYPE_VIDEO)
		(void)svc_refuse(refusal, &video_no_picture,
		    "the file has no stream of pictures");
	else
		(void)svc_refuse(refusal, &video_no_sound,
		    "the file has no stream of sound");
	return NULL;
}

int64_t
media_duration_ms(const struct media *m, const AVStream *stream)
{
	static const AVRational in_ms = { 1, 1000 };

	if (stream->duration != AV_NOPTS_VALUE && stream->duration > 0)
		return av_rescale_q(stream->duration, stream->time_base, in_ms);
	if (m->format->duration != AV_NOPTS_VALUE && m->format->duration > 0)
		return av_rescale_q(m->format->duration, AV_TIME_BASE_Q, in_ms);
	return 0;
}

AVCodecContext *
media_decoder(const AVStream *stream, const struct video_limits *limits,
    int threads, struct svc_refusal *refusal)
{
	const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
	AVCodecContext *c = codec != NULL ? avcodec_alloc_context3(codec)
					  : NULL;
	int r = codec != NULL ? AVERROR(ENOMEM) : AVERROR_DECODER_NOT_FOUND;

	if (c != NULL)
		r = avcodec_parameters_to_context(c, stream->codecpar);
	if (r >= 0) {
		c->max_pixels = pixels(limits);
		c->thread_count = threads;
		c->pkt_timebase = stream->time_base;
		r = avcodec_open2(c, codec, NULL);
	}
	if (r >= 0)
		return c;
	avcodec_free_context(&c);
	(void)media_refuse(r, "no decoder for it", refusal);
	return NULL;
}
