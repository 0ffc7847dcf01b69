/* SPDX-License-Identifier: ISC */

#include "cli/table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16
#define TEXT_MAX (16 * 1024 * 1024)

struct table_cell {
	size_t offset; /* in text, with a NUL behind it */
	enum table_colour colour;
};

void
table_init(struct table *t, const struct table_column *columns, bool colour)
{
	*t = (struct table){ .columns = columns, .colour = colour };
	while (columns[t->ncolumns].heading != NULL)
		t->ncolumns++;
	buf_init(&t->text, TEXT_MAX);
}

void
table_done(struct table *t)
{
	free(t->cells);
	t->cells = NULL;
	buf_done(&t->text);
}

static struct table_cell *
cell_new(struct table *t)
{
	struct table_cell *cells = t->cells;

	if (t->ncells % 64 == 0)
		cells = realloc(cells, (t->ncells + 64) * sizeof(*cells));
	if (cells == NULL)
		return NULL;
	t->cells = cells;
	return &cells[t->ncells++];
}

void
table_add(struct table *t, enum table_colour colour, const char *fmt, ...)
{
	size_t offset = t->text.len;
	struct table_cell *cell;
	va_list ap;

	va_start(ap, fmt);
	if (t->failed || buf_vprintf(&t->text, fmt, ap) < 0 ||
	    buf_append(&t->text, "", 1) < 0)
		t->failed = true;
	va_end(ap);
	if (t->failed)
		return;
	for (char *p = t->text.data + offset; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	cell = cell_new(t);
	if (cell == NULL)
		t->failed = true;
	else
		*cell = (struct table_cell){ offset, colour };
}

static const char *
cell_text(const struct table *t, size_t i)
{
	return t->text.data + t->cells[i].offset;
}

static void
measure(const struct table *t, size_t *widths)
{
	for (size_t c = 0; c < t->ncolumns; c++) {
		bool over = c + 1 < t->ncolumns &&
		    t->columns[c + 1].heading[0] == '\0';
		size_t n = over ? 0 : strlen(t->columns[c].heading);

		widths[c] = t->columns[c].width;
		if (n > widths[c])
			widths[c] = n;
	}
	for (size_t i = 0; i < t->ncells; i++) {
		size_t n = strlen(cell_text(t, i));

		if (n > widths[i % t->ncolumns])
			widths[i % t->ncolumns] = n;
	}
}

static bool
is_number(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "0123456789.")] == '\0';
}

static int
put_padded(struct buf *out, const char *text, size_t width, const char *paint)
{
	int pad = (int)(width > strlen(text) ? width - strlen(text) : 0);
	const char *unpaint = paint[0] != '\0' ? "\033[0m" : "";

	if (is_number(text))
		return buf_printf(
		    out, "%*s%s%s%s", pad, "", paint, text, unpaint);
	return buf_printf(out, "%s%s%s%*s", paint, text, unpaint, pad, "");
}

static void
trim_end(struct buf *out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--;
}

static int
put_headings(const struct table *t, const size_t *widths, struct buf *out)
{
	int r = 0;

	for (size_t c = 0; c < t->ncolumns && r == 0; c++)
		r = buf_printf(out, "%-*s",
		    (int)(widths[c] + t->columns[c].gap),
		    t->columns[c].heading);
	trim_end(out);
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int
put_row(
    const struct table *t, const size_t *widths, size_t row, struct buf *out)
{
	static const char *const paints[] = {
		[PLAIN] = "",
		[GREEN] = "\033[32m",
		[YELLOW] = "\033[33m",
		[RED] = "\033[31m",
		[DIM] = "\033[2m",
	};
	int r = 0;

	for (size_t c = 0; c < t->ncolumns && r == 0; c++) {
		size_t i = row * t->ncolumns + c;

		r = put_padded(out, cell_text(t, i), widths[c],
		    paints[t->colour ? t->cells[i].colour : PLAIN]);
		if (r == 0)
			r = buf_printf(out, "%*s", (int)t->columns[c].gap, "");
	}
	trim_end(out);
	return r == 0 ? buf_puts(out, "\n") : r;
}

int
table_print(const struct table *t, struct buf *out)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	int r;

	if (t->failed || t->ncolumns > COLUMNS_MAX)
		return -ENOMEM;
	measure(t, widths);
	r = put_headings(t, widths, out);
	for (size_t row = 0; row < t->ncells / t->ncolumns && r == 0; row++)
		r = put_row(t, widths, row, out);
	return r;
}
