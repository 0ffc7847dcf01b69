/* SPDX-License-Identifier: ISC */

#include "video/params.h"

#define DAY_MS (24 * 3600 * 1000)

static const struct svc_choice formats[] = {
	{ "jpeg", VIDEO_JPEG },
	{ "jpg", VIDEO_JPEG },
	{ "png", VIDEO_PNG },
	{ "webp", VIDEO_WEBP },
	{ NULL, 0 },
};

/* clang-format off */
static const struct svc_param thumbnail_rows[] = {
	{ .name = "time", .type = SVC_SECONDS, .min = 0, .max = DAY_MS,
	  .offset = offsetof(struct video_thumbnail_params, time_ms),
	  .text = "Which moment, counted from the beginning." },
	{ .name = "width", .type = SVC_INT, .min = 0, .max = VIDEO_SIDE_MAX,
	  .offset = offsetof(struct video_thumbnail_params, width),
	  .unit = "px", .absent = "as the video",
	  .text = "The picture fits into width x height, keeps its shape and "
		  "is not enlarged; 0 follows the height." },
	{ .name = "height", .type = SVC_INT, .min = 0, .max = VIDEO_SIDE_MAX,
	  .offset = offsetof(struct video_thumbnail_params, height),
	  .unit = "px", .absent = "as the video",
	  .text = "See width; 0 follows it." },
	{ .name = "exact", .type = SVC_BOOL,
	  .offset = offsetof(struct video_thumbnail_params, exact),
	  .text = "The very frame that shows at that time, instead of the "
		  "keyframe before it; this takes longer." },
	{ .name = "format", .type = SVC_CHOICE, .choices = formats,
	  .offset = offsetof(struct video_thumbnail_params, format),
	  .value = VIDEO_JPEG, .text = "Format of the picture." },
	{ .name = "quality", .type = SVC_INT, .min = 1, .max = 100,
	  .offset = offsetof(struct video_thumbnail_params, quality),
	  .value = 80, .text = "Quality of jpeg and webp." },
};

const struct svc_params video_thumbnail_params = {
	thumbnail_rows, sizeof(thumbnail_rows) / sizeof(thumbnail_rows[0])
};

static const struct svc_choice parts[] = {
	{ "json", VIDEO_BOARD_ALL },
	{ "sprite", VIDEO_BOARD_SPRITE },
	{ "vtt", VIDEO_BOARD_VTT },
	{ NULL, 0 },
};

static const struct svc_param board_rows[] = {
	{ .name = "tiles", .type = SVC_INT, .min = 1, .max = 200,
	  .offset = offsetof(struct video_board_params, tiles), .value = 10,
	  .text = "How many pictures, spread evenly; each is the keyframe "
		  "before the middle of its part." },
	{ .name = "columns", .type = SVC_INT, .min = 0, .max = 200,
	  .offset = offsetof(struct video_board_params, columns),
	  .absent = "as many as rows",
	  .text = "Pictures side by side on the sprite." },
	{ .name = "width", .type = SVC_INT, .min = 0, .max = VIDEO_SIDE_MAX,
	  .offset = offsetof(struct video_board_params, width),
	  .value = 160, .unit = "px",
	  .text = "Each picture fits into width x height, keeps its shape and "
		  "is not enlarged; 0 follows the height." },
	{ .name = "height", .type = SVC_INT, .min = 0, .max = VIDEO_SIDE_MAX,
	  .offset = offsetof(struct video_board_params, height),
	  .unit = "px", .text = "See width; 0 follows it." },
	{ .name = "format", .type = SVC_CHOICE, .choices = formats,
	  .offset = offsetof(struct video_board_params, format),
	  .value = VIDEO_JPEG, .text = "Format of the sprite." },
	{ .name = "quality", .type = SVC_INT, .min = 1, .max = 100,
	  .offset = offsetof(struct video_board_params, quality),
	  .value = 80, .text = "Quality of jpeg and webp." },
	{ .name = "answer", .type = SVC_CHOICE, .choices = parts,
	  .offset = offsetof(struct video_board_params, part),
	  .value = VIDEO_BOARD_ALL,
	  .text = "json holds all: the places, the WebVTT as a text, and the "
		  "sprite as a data: URL. sprite and vtt are one of them." },
};

const struct svc_params video_board_params = {
	board_rows, sizeof(board_rows) / sizeof(board_rows[0])
};

static const struct svc_choice wave_forms[] = {
	{ "json", VIDEO_WAVE_JSON },
	{ "svg", VIDEO_WAVE_SVG },
	{ NULL, 0 },
};

static const struct svc_param wave_rows[] = {
	{ .name = "points", .type = SVC_INT, .min = 1, .max = 10000,
	  .offset = offsetof(struct video_wave_params, points), .value = 800,
	  .text = "Into about how many parts the sound is divided." },
	{ .name = "answer", .type = SVC_CHOICE, .choices = wave_forms,
	  .offset = offsetof(struct video_wave_params, form),
	  .value = VIDEO_WAVE_JSON,
	  .text = "json is audiowaveform's, version 2, of 8 bits: the lowest "
		  "and the highest sample of each part. svg is a shape in "
		  "currentColor." },
	{ .name = "width", .type = SVC_INT, .min = 1, .max = VIDEO_SIDE_MAX,
	  .offset = offsetof(struct video_wave_params, width), .value = 800,
	  .unit = "px", .text = "Width of the svg." },
	{ .name = "height", .type = SVC_INT, .min = 1, .max = VIDEO_SIDE_MAX,
	  .offset = offsetof(struct video_wave_params, height), .value = 120,
	  .unit = "px", .text = "Height of the svg." },
};

const struct svc_params video_wave_params = {
	wave_rows, sizeof(wave_rows) / sizeof(wave_rows[0])
};

#define PROBLEM(name, type, status, title) \
	const struct svc_problem name = { type, status, title, 0 }

PROBLEM(video_unsupported_format, "unsupported-format", 415,
    "The body is no video or sound of a known kind");
PROBLEM(video_invalid, "invalid-media", 422, "The file is damaged");
PROBLEM(video_too_large, "picture-too-large", 422,
    "The pictures have too many pixels");
PROBLEM(video_too_long, "too-long", 422, "The file lasts too long");
PROBLEM(video_too_many_streams, "too-many-streams", 422,
    "The file has too many streams");
PROBLEM(video_no_picture, "no-picture", 422, "The file has no pictures");
PROBLEM(video_no_sound, "no-sound", 422, "The file has no sound");
PROBLEM(video_past_end, "past-end", 422, "The file ends before that time");
PROBLEM(video_answer_too_large, "answer-too-large", 422,
    "The result would be too large");
PROBLEM(video_memory, "decoder-memory", 422,
    "The file takes too much memory");
PROBLEM(video_cpu, "decoder-time", 422, "The file takes too much CPU time");
PROBLEM(video_crash, "decoder-crash", 422, "The decoder failed on the file");
/* clang-format on */
