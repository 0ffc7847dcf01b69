/* SPDX-License-Identifier: ISC */

#include "video/storyboard.h"

#include <errno.h>
#include <libavutil/base64.h>

#include "video/board.h"
#include "video/picture.h"
#include "video/report.h"
#include "video/seek.h"

#define SMALL 4 /* times smaller than the video */
#define VTT_MAX (64 * 1024)

static const char *const sprite_names[] = {
	[VIDEO_JPEG] = "sprite.jpg",
	[VIDEO_PNG] = "sprite.png",
	[VIDEO_WEBP] = "sprite.webp",
};

/* What is being made. */
struct sheet {
	const struct video_board_params *params;
	enum video_format format;
	struct board board;
	struct video_shape shape;
	AVFrame *sprite; /* NULL before the first tile */
};

/* --- the sprite ----------------------------------------------------------- */

/* The first frame that can be decoded says how large a tile is. */
static int
begin(struct sheet *sheet, const struct seek *s, AVFrame *frame,
    int64_t duration_ms, struct svc_refusal *refusal)
{
	const struct video_board_params *p = sheet->params;
	int r;

	sheet->shape = seek_shape(s, frame, p->width, p->height);
	r = board_make(&sheet->board, p, &sheet->shape, duration_ms, refusal);
	if (r < 0)
		return r;
	sheet->sprite = picture_blank(
	    sheet->board.columns * sheet->board.tile_width,
	    sheet->board.rows * sheet->board.tile_height, sheet->format);
	return sheet->sprite != NULL
	    ? 0
	    : svc_refuse(refusal, &video_memory, "no memory for the sprite");
}

static int
put_tile(struct sheet *sheet, const struct seek *s, int tile, AVFrame *frame,
    int64_t duration_ms, struct svc_refusal *refusal)
{
	AVFrame *picture;
	int r = 0;

	if (sheet->sprite == NULL)
		r = begin(sheet, s, frame, duration_ms, refusal);
	if (r < 0)
		return r;
	picture = picture_make(frame, &sheet->shape, sheet->format, refusal);
	if (picture == NULL)
		return -EINVAL;
	picture_put(sheet->sprite, picture, board_x(&sheet->board, tile),
	    board_y(&sheet->board, tile));
	av_frame_free(&picture);
	return 0;
}

static bool
is_small(const struct seek *s, const struct video_board_params *p)
{
	int width = s->stream->codecpar->width;
	int height = s->stream->codecpar->height;
	int side = width < height ? width : height;

	return (p->width > 0 && p->width * SMALL <= side) ||
	    (p->height > 0 && p->height * SMALL <= side);
}

/* Where nothing can be decoded the tile stays black. */
static int
fill(struct sheet *sheet, struct seek *s, struct svc_refusal *refusal)
{
	int64_t duration_ms = media_duration_ms(s->media, s->stream);
	int tiles = sheet->params->tiles, r = 0;

	if (duration_ms == 0)
		return svc_refuse(
		    refusal, &video_invalid, "how long it lasts is not known");
	for (int i = 0; r == 0 && i < tiles; i++) {
		AVFrame *frame = seek_frame(
		    s, board_middle_ms(duration_ms, tiles, i), refusal);

		if (frame != NULL)
			r = put_tile(sheet, s, i, frame, duration_ms, refusal);
		av_frame_free(&frame);
	}
	/* Of no tile at all the last one's refusal is as good as any. */
	return sheet->sprite != NULL ? r : -EINVAL;
}

/* --- the answer ----------------------------------------------------------- */

static void
put_tiles(struct report *r, const struct board *b)
{
	report_list(r, "tiles");
	for (int i = 0; i < b->tiles; i++) {
		report_object(r, NULL);
		report_int(r, "start_ms", board_start_ms(b, i));
		report_int(r, "end_ms", board_start_ms(b, i + 1));
		report_int(r, "x", board_x(b, i));
		report_int(r, "y", board_y(b, i));
		report_close(r);
	}
	report_close(r);
}

static void
put_sprite(struct report *r, const struct sheet *sheet, const struct buf *file)
{
	size_t size = AV_BASE64_SIZE(file->len);
	char *text = av_malloc(size);

	if (text == NULL ||
	    av_base64_encode(text, (int)size, (const uint8_t *)file->data,
		(int)file->len) == NULL)
		r->error = r->error != 0 ? r->error : -ENOMEM;
	else
		report_data_url(r, "sprite",
		    video_media_type(picture_media(sheet->format)), text);
	av_free(text);
}

static int
write_json(const struct sheet *sheet, const struct buf *file,
    const struct buf *vtt, struct buf *out)
{
	const struct board *b = &sheet->board;
	struct report r;

	report_begin(&r, out);
	report_int(&r, "duration_ms", b->duration_ms);
	report_int(&r, "width", b->columns * b->tile_width);
	report_int(&r, "height", b->rows * b->tile_height);
	report_int(&r, "columns", b->columns);
	report_int(&r, "rows", b->rows);
	report_int(&r, "tile_width", b->tile_width);
	report_int(&r, "tile_height", b->tile_height);
	put_tiles(&r, b);
	report_text(&r, "vtt", buf_str(vtt));
	put_sprite(&r, sheet, file);
	return report_end(&r);
}

static int
write_all(struct sheet *sheet, struct buf *out, struct svc_refusal *refusal)
{
	struct buf file, vtt;
	int r;

	buf_init(&file, out->max);
	buf_init(&vtt, VTT_MAX);
	r = board_write_vtt(&sheet->board, sprite_names[sheet->format], &vtt);
	if (r == 0 && sheet->params->part == VIDEO_BOARD_VTT)
		r = buf_append(out, vtt.data, vtt.len);
	else if (r == 0)
		r = picture_encode(sheet->sprite, sheet->format,
		    sheet->params->quality,
		    sheet->params->part == VIDEO_BOARD_SPRITE ? out : &file,
		    refusal);
	if (r == 0 && sheet->params->part == VIDEO_BOARD_ALL)
		r = write_json(sheet, &file, &vtt, out);
	buf_done(&file);
	buf_done(&vtt);
	if (r == -ENOBUFS)
		return svc_refuse(refusal, &video_answer_too_large,
		    "the storyboard is over %zu bytes", out->max);
	if (r < 0 && refusal->problem == NULL)
		return svc_refuse(refusal, &video_memory, "out of memory");
	return r;
}

static enum video_media
media_of(const struct sheet *sheet)
{
	switch ((enum video_board_part)sheet->params->part) {
	case VIDEO_BOARD_SPRITE:
		return picture_media(sheet->format);
	case VIDEO_BOARD_VTT:
		return VIDEO_MEDIA_VTT;
	case VIDEO_BOARD_ALL:
		break;
	}
	return VIDEO_MEDIA_JSON;
}

int
storyboard_write(struct media *m, const struct video_limits *limits,
    const struct video_board_params *p, struct buf *out,
    struct svc_refusal *refusal)
{
	struct sheet sheet = { .params = p,
		.format = (enum video_format)p->format };
	struct seek s;
	int r = seek_init(&s, m, limits, false, refusal);

	if (r == 0 && is_small(&s, p))
		seek_is_rough(&s);
	if (r == 0)
		r = fill(&sheet, &s, refusal);
	seek_done(&s);
	if (r == 0) {
		*refusal = (struct svc_refusal){ .problem = NULL };
		r = video_answer_begin(out, media_of(&sheet));
	}
	if (r == 0)
		r = write_all(&sheet, out, refusal);
	else if (refusal->problem == NULL)
		r = svc_refuse(refusal, &video_memory, "out of memory");
	av_frame_free(&sheet.sprite);
	return r;
}
