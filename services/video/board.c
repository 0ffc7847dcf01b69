/* SPDX-License-Identifier: ISC */

#include "video/board.h"

#include <errno.h>
#include <inttypes.h>

static int
even(int n)
{
	return n + n % 2;
}

static int
square_root_up(int n)
{
	int root = 1;

	while (root * root < n)
		root++;
	return root;
}

int
board_make(struct board *b, const struct video_board_params *p,
    struct video_shape *shape, int64_t duration_ms, struct svc_refusal *refusal)
{
	int columns = p->columns > 0 ? p->columns : square_root_up(p->tiles);

	shape->width = even(shape->width);
	shape->height = even(shape->height);
	shape->out_width = even(shape->out_width);
	shape->out_height = even(shape->out_height);
	*b = (struct board){ .tiles = p->tiles,
		.columns = columns < p->tiles ? columns : p->tiles,
		.tile_width = shape->out_width,
		.tile_height = shape->out_height,
		.duration_ms = duration_ms };
	b->rows = (b->tiles + b->columns - 1) / b->columns;
	if (b->columns * b->tile_width <= BOARD_SIDE_MAX &&
	    b->rows * b->tile_height <= BOARD_SIDE_MAX)
		return 0;
	return svc_refuse(refusal, &video_answer_too_large,
	    "the sprite would have %dx%d px; at most %d px a side are made",
	    b->columns * b->tile_width, b->rows * b->tile_height,
	    BOARD_SIDE_MAX);
}

int64_t
board_start_ms(const struct board *b, int tile)
{
	return b->duration_ms * tile / b->tiles;
}

int64_t
board_middle_ms(int64_t duration_ms, int tiles, int tile)
{
	return duration_ms * (2 * tile + 1) / (2 * tiles);
}

static int
put_moment(struct buf *out, int64_t ms)
{
	return buf_printf(out,
	    "%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64,
	    ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}

int
board_write_vtt(const struct board *b, const char *sprite, struct buf *out)
{
	int r = buf_puts(out, "WEBVTT\n");

	for (int i = 0; r == 0 && i < b->tiles; i++) {
		r = buf_puts(out, "\n");
		if (r == 0)
			r = put_moment(out, board_start_ms(b, i));
		if (r == 0)
			r = buf_puts(out, " --> ");
		if (r == 0)
			r = put_moment(out, board_start_ms(b, i + 1));
		if (r == 0)
			r = buf_printf(out, "\n%s#xywh=%d,%d,%d,%d\n", sprite,
			    board_x(b, i), board_y(b, i), b->tile_width,
			    b->tile_height);
	}
	return r;
}
