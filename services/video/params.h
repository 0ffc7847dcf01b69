/* SPDX-License-Identifier: ISC */

/*
 * params - what a caller may ask of a video, and why it may be refused
 *
 * The tables in params.c are the whole truth about the parameters and are what
 * the page and /openapi.json show.
 */

#ifndef VIDEO_PARAMS_H
#define VIDEO_PARAMS_H

#include <stdint.h>

#include "lib/param.h"
#include "lib/problem.h"

#define VIDEO_SIDE_MAX 4096 /* px that width and height can ask */

enum video_format { VIDEO_JPEG, VIDEO_PNG, VIDEO_WEBP };

struct video_thumbnail_params {
	int time_ms;
	int width;  /* px; 0: as the other side's scale says */
	int height; /* px; 0: the same */
	int exact;  /* 0 or 1 */
	int format; /* enum video_format */
	int quality;
};

enum video_board_part { VIDEO_BOARD_ALL, VIDEO_BOARD_SPRITE, VIDEO_BOARD_VTT };

struct video_board_params {
	int tiles;
	int columns; /* 0: about as many as rows */
	int width;   /* px of a tile; 0: as the height says */
	int height;
	int format;
	int quality;
	int part; /* enum video_board_part */
};

enum video_wave_form { VIDEO_WAVE_JSON, VIDEO_WAVE_SVG };

struct video_wave_params {
	int points;
	int form;   /* enum video_wave_form */
	int width;  /* px, of an SVG */
	int height; /* px */
};

extern const struct svc_params video_thumbnail_params;
extern const struct svc_params video_board_params;
extern const struct svc_params video_wave_params;

/* What is taken of a file: the settings. */
struct video_limits {
	uint64_t long_side;  /* px */
	uint64_t short_side; /* px */
	uint64_t duration_ms;
	uint64_t streams;
};

/* clang-format off */
#define VIDEO_LIMITS_DEFAULT {			\
	.long_side = 8192,			\
	.short_side = 4320,			\
	.duration_ms = 6 * 3600 * 1000,		\
	.streams = 32				\
}
/* clang-format on */

extern const struct svc_problem video_unsupported_format;
extern const struct svc_problem video_invalid;
extern const struct svc_problem video_too_large;
extern const struct svc_problem video_too_long;
extern const struct svc_problem video_too_many_streams;
extern const struct svc_problem video_no_picture;
extern const struct svc_problem video_no_sound;
extern const struct svc_problem video_past_end;
extern const struct svc_problem video_answer_too_large;
extern const struct svc_problem video_memory;
extern const struct svc_problem video_cpu;
extern const struct svc_problem video_crash;

#endif /* VIDEO_PARAMS_H */
