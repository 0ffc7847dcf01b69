/* SPDX-License-Identifier: ISC */

/*
 * media - a file by descriptor, opened by FFmpeg's libraries and held to limits
 *
 * Runs in a contained process. Input is that one descriptor: no protocol is
 * allowed, no demuxer that could open another file, and a demuxer that tries
 * is refused by our own io_open. The limits are held as soon as what they are
 * about is known.
 */

#ifndef VIDEO_MEDIA_H
#define VIDEO_MEDIA_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "video/params.h"

struct media {
	AVFormatContext *format;
	AVIOContext *io;
	int fd;
	int64_t size;
	int64_t at;
};

/* Once in a process, before all others: what the libraries say is kept. */
void media_init(void);

enum media_depth {
	MEDIA_FULL, /* find out all that ffprobe does */
	MEDIA_FAST, /* as much of it as decoding needs */
};

/* 0, or -EINVAL with the refusal. fd is borrowed. media_done() either way. */
int media_open(struct media *m, int fd, const struct video_limits *limits,
    enum media_depth depth, enum AVMediaType wanted,
    struct svc_refusal *refusal) MUST_CHECK;
void media_done(struct media *m);

/* The stream to look at; NULL with the refusal. */
AVStream *media_stream(
    struct media *m, enum AVMediaType type, struct svc_refusal *refusal);

/* How long the stream is, else the file; 0: nobody knows. */
int64_t media_duration_ms(const struct media *m, const AVStream *stream);

/* A decoder for it, opened; NULL with the refusal. avcodec_free_context(). */
AVCodecContext *media_decoder(const AVStream *stream,
    const struct video_limits *limits, int threads,
    struct svc_refusal *refusal);

/* A size against the limits, either way round. 0, or -EINVAL. */
int media_check_size(int width, int height, const struct video_limits *limits,
    struct svc_refusal *refusal) MUST_CHECK;

/* A refusal for what a library returned. */
int media_refuse(int averror, const char *what, struct svc_refusal *refusal);

#endif /* VIDEO_MEDIA_H */
