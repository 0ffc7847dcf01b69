/* SPDX-License-Identifier: ISC */

#include "video/wave.h"

void
wave_init(struct wave *w, int rate, int64_t duration_ms, size_t points)
{
	int64_t samples = duration_ms * rate / 1000;

	w->rate = rate;
	w->max = 2 * points;
	w->part = (samples + (int64_t)points - 1) / (int64_t)points;
	if (w->part < 1)
		w->part = 1;
	w->samples = 0;
	w->len = 0;
}

static void
put(struct wave_point *p, struct wave_point more)
{
	if (more.low < p->low)
		p->low = more.low;
	if (more.high > p->high)
		p->high = more.high;
}

static void
make_room(struct wave *w)
{
	for (size_t i = 0; i < w->len; i += 2) {
		w->point[i / 2] = w->point[i];
		if (i + 1 < w->len)
			put(&w->point[i / 2], w->point[i + 1]);
	}
	w->len = (w->len + 1) / 2;
	w->part *= 2;
}

void
wave_add(struct wave *w, const int16_t *samples, size_t n)
{
	for (size_t i = 0; i < n; i++, w->samples++) {
		int8_t v = (int8_t)(samples[i] >> 8);
		struct wave_point point = { v, v };
		size_t at;

		if ((size_t)(w->samples / w->part) >= w->max)
			make_room(w);
		at = (size_t)(w->samples / w->part);
		if (at >= w->len) {
			w->len = at + 1;
			w->point[at] = point;
		}
		put(&w->point[at], point);
	}
}

int
wave_write_json(const struct wave *w, struct buf *out)
{
	int r = buf_printf(out,
	    "{\"version\":2,\"channels\":1,\"sample_rate\":%d,"
	    "\"samples_per_pixel\":%lld,\"bits\":8,\"length\":%zu,\"data\":[",
	    w->rate, (long long)w->part, w->len);

	for (size_t i = 0; r == 0 && i < w->len; i++)
		r = buf_printf(out, "%s%d,%d", i > 0 ? "," : "",
		    w->point[i].low, w->point[i].high);
	return r == 0 ? buf_puts(out, "]}\n") : r;
}

/* From 0, the top, to 255. */
static int
place(int sample)
{
	return 127 - sample;
}

/* Along the high samples, and back along the low ones. */
int
wave_write_svg(const struct wave *w, int width, int height, struct buf *out)
{
	int r = buf_printf(out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
	    "height=\"%d\" viewBox=\"0 0 %zu 256\" "
	    "preserveAspectRatio=\"none\"><path fill=\"currentColor\" "
	    "d=\"M0 127",
	    width, height, w->len);

	for (size_t i = 0; r == 0 && i < w->len; i++)
		r = buf_printf(out, "V%dH%zu", place(w->point[i].high), i + 1);
	for (size_t i = w->len; r == 0 && i-- > 0;)
		r = buf_printf(out, "V%dH%zu", place(w->point[i].low) + 1, i);
	return r == 0 ? buf_puts(out, "Z\"/></svg>\n") : r;
}
