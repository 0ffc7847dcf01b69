/* SPDX-License-Identifier: ISC */

/*
 * board - where the tiles of a storyboard stand, and when each one shows
 *
 * Tile i of n stands for the i-th part of the video, and shows its middle.
 * Pure.
 */

#ifndef VIDEO_BOARD_H
#define VIDEO_BOARD_H

#include <stdint.h>

#include "base/buf.h"
#include "lib/problem.h"
#include "video/params.h"
#include "video/plan.h"

#define BOARD_SIDE_MAX 8192 /* px of the sprite */

struct board {
	int tiles, columns, rows;
	int tile_width, tile_height; /* even: colours are halved */
	int64_t duration_ms;
};

/*
 * shape is that of one tile, and its sides are made even. 0, or -EINVAL with
 * the refusal.
 */
int board_make(struct board *b, const struct video_board_params *params,
    struct video_shape *shape, int64_t duration_ms,
    struct svc_refusal *refusal) MUST_CHECK;

int64_t board_start_ms(const struct board *b, int tile); /* tiles: the end */
int64_t board_middle_ms(int64_t duration_ms, int tiles, int tile);

static inline int
board_x(const struct board *b, int tile)
{
	return tile % b->columns * b->tile_width;
}

static inline int
board_y(const struct board *b, int tile)
{
	return tile / b->columns * b->tile_height;
}

/* WebVTT whose cues name parts of the sprite. 0, -ENOBUFS, -ENOMEM. */
int board_write_vtt(
    const struct board *b, const char *sprite, struct buf *out) MUST_CHECK;

#endif /* VIDEO_BOARD_H */
