/* SPDX-License-Identifier: ISC */

#include "video/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/nursery.h"
#include "video/answer.h"
#include "video/params.h"
#include "video/work.h"

static struct video_limits limits = VIDEO_LIMITS_DEFAULT; /* the settings */
static struct svc_nursery_options contained = {
	.argument = VIDEO_WORK_ARGUMENT,
	.memory = (uint64_t)1 << 30,
	.cpu_s = 60,
	.out = (uint64_t)32 << 20,
};
static struct svc_nursery *nursery;

/* --- work ----------------------------------------------------------------- */

static void
release(void *data)
{
	free((char *)data - VIDEO_ANSWER_HEAD);
}

static void
take_answer(struct svc_call *call, const struct svc_errand *e)
{
	enum video_media media;
	struct span data;
	int r = video_answer_read(
	    (struct span){ e->data, e->len }, &media, &data, &call->refusal);

	if (r == 0) {
		call->type = video_media_type(media);
		call->data = e->data + VIDEO_ANSWER_HEAD;
		call->len = data.n;
		call->release = release;
		return;
	}
	free(e->data);
	if (r == -EPROTO)
		(void)svc_refuse(&call->refusal, &video_crash,
		    "the decoder gave no answer that makes sense");
}

static void
refuse_errand(struct svc_call *call, const struct svc_errand *e, int r)
{
	struct svc_refusal *refusal = &call->refusal;

	if (r == -ETIME)
		(void)svc_refuse(refusal, &video_cpu,
		    "more than %llu s of CPU time were needed",
		    (unsigned long long)contained.cpu_s);
	else if (r == -ECHILD && e->signal != 0)
		(void)svc_refuse(refusal, &video_crash, "the decoder died: %s",
		    strsignal(e->signal));
	else if (r == -ECHILD || r == -EFBIG)
		(void)svc_refuse(refusal, &video_crash,
		    "the decoder ended without an answer");
	else
		(void)svc_refuse(refusal, &svc_internal,
		    "no decoder could be started: %s", strerror(-r));
}

static void
do_order(struct svc_call *call, const struct video_order *order)
{
	struct svc_errand e = {
		.order = { (const char *)order, sizeof(*order) },
		.fd = call->fd,
		.stop_fd = call->stop_fd,
	};
	int r;

	if (call->size == 0) {
		(void)svc_refuse(&call->refusal, &video_unsupported_format,
		    "the body is empty");
		return;
	}
	r = svc_nursery_run(nursery, &e);
	if (r == 0)
		take_answer(call, &e);
	else
		refuse_errand(call, &e, r);
}

static void
work_probe(struct svc_call *call)
{
	const struct video_order order = { .task = VIDEO_PROBE,
		.limits = limits };

	do_order(call, &order);
}

static void
work_thumbnail(struct svc_call *call)
{
	const struct video_thumbnail_params *params = call->params;
	const struct video_order order = {
		.task = VIDEO_THUMBNAIL, .limits = limits, .thumbnail = *params
	};

	do_order(call, &order);
}

static void
work_storyboard(struct svc_call *call)
{
	const struct video_board_params *params = call->params;
	const struct video_order order = {
		.task = VIDEO_STORYBOARD, .limits = limits, .board = *params
	};

	do_order(call, &order);
}

static void
work_waveform(struct svc_call *call)
{
	const struct video_wave_params *params = call->params;
	const struct video_order order = {
		.task = VIDEO_WAVEFORM, .limits = limits, .wave = *params
	};

	do_order(call, &order);
}

/* --- tables --------------------------------------------------------------- */

#define COMMON_PROBLEMS                                              \
	&video_unsupported_format, &video_invalid, &video_too_large, \
	    &video_too_long, &video_too_many_streams, &video_memory, \
	    &video_cpu, &video_crash, &video_answer_too_large,       \
	    &svc_spool_full, &svc_disk_full

static const struct svc_problem *const probe_problems[] = { COMMON_PROBLEMS,
	NULL };

static const struct svc_problem *const picture_problems[] = { COMMON_PROBLEMS,
	&video_no_picture, &video_past_end, NULL };

static const struct svc_problem *const wave_problems[] = { COMMON_PROBLEMS,
	&video_no_sound, NULL };

/* clang-format off */
static const struct svc_route routes[] = {
	{ .method = "POST", .path = "/probe",
	  .summary = "What a file is",
	  .text = "The JSON of `ffprobe -show_format -show_streams -of json`, "
		  "without the file's name. Kinds of files that name other "
		  "files (playlists, lists) are not taken.",
	  .takes = "the video or sound", .answers = "application/json",
	  .example = "--data-binary @clip.mp4 '%sprobe'",
	  .problems = probe_problems, .spool = true, .work = work_probe },
	{ .method = "POST", .path = "/thumbnail",
	  .summary = "One moment of a video as a picture",
	  .text = "Upright, in square pixels; pictures of high dynamic range "
		  "as an ordinary screen shows them. Of a sound file its cover.",
	  .params = &video_thumbnail_params,
	  .params_size = sizeof(struct video_thumbnail_params),
	  .takes = "the video", .answers = "image/*",
	  .example = "--data-binary @clip.mp4 -o poster.jpg "
		     "'%sthumbnail?time=12.5&width=640'",
	  .problems = picture_problems, .spool = true,
	  .work = work_thumbnail },
	{ .method = "POST", .path = "/storyboard",
	  .summary = "A video in small pictures on one sheet",
	  .text = "For the preview that a player shows over its bar: one "
		  "picture (the sprite), and a WebVTT file that says which "
		  "part of it belongs to which time.",
	  .params = &video_board_params,
	  .params_size = sizeof(struct video_board_params),
	  .takes = "the video", .answers = "application/json",
	  .example = "--data-binary @clip.mp4 '%sstoryboard?tiles=20'",
	  .problems = picture_problems, .spool = true,
	  .work = work_storyboard },
	{ .method = "POST", .path = "/waveform",
	  .summary = "The outline of a sound",
	  .text = "Of the sound of a video, or a sound file, its channels mixed "
		  "into one. All of it is decoded.",
	  .params = &video_wave_params,
	  .params_size = sizeof(struct video_wave_params),
	  .takes = "the video or sound", .answers = "application/json",
	  .example = "--data-binary @clip.mp4 -o outline.svg "
		     "'%swaveform?points=400&answer=svg'",
	  .problems = wave_problems, .spool = true,
	  .work = work_waveform },
};

static const struct svc_option options[] = {
	{ "long-side", SVC_COUNT, 16, 16384, &limits.long_side,
	  "px of the longer side of pictures" },
	{ "short-side", SVC_COUNT, 16, 16384, &limits.short_side,
	  "px of the shorter side of pictures" },
	{ "duration", SVC_DURATION, 1000, 86400000, &limits.duration_ms,
	  "time that a file may last" },
	{ "streams", SVC_COUNT, 1, 64, &limits.streams,
	  "streams of a file" },
	{ "decoder-memory", SVC_SIZE, (uint64_t)256 << 20, (uint64_t)1 << 36,
	  &contained.memory, "bytes of memory for one file's decoder" },
	{ "decoder-cpu", SVC_COUNT, 1, 3600, &contained.cpu_s,
	  "seconds of CPU time for one file's decoder" },
	{ "answer", SVC_SIZE, (uint64_t)1 << 16, (uint64_t)1 << 30,
	  &contained.out, "bytes of an answer" },
	{ NULL, SVC_COUNT, 0, 0, NULL, NULL },
};
/* clang-format on */

/* A contained process is told nothing of our environment. */
static int
init(const char *argv0, struct err *err)
{
	static const char *env[3];
	size_t n = 0;

	(void)argv0;
	if (getenv(VIDEO_FAULTS) != NULL)
		env[n++] = VIDEO_FAULTS "=1";
	env[n] = NULL;
	contained.env = env;
	nursery = svc_nursery_new(&contained, err);
	return nursery != NULL
	    ? 0
	    : err_wrap(err, -ECHILD, "the contained process");
}

const struct svc_service video_service = {
	.name = "video",
	.title = "Videos",
	.text = "Says what videos and sounds are, and shows moments of them.",
	.routes = routes,
	.nroutes = ARRAY_LEN(routes),
	.options = options,
	.defaults = { .body = (uint64_t)4 << 30,
	    .deadline_ms = 30000,
	    .upload_ms = 600000 },
	.init = init,
};
