/* SPDX-License-Identifier: ISC */

#include "http/problem.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "http/head.h"

/* How many bytes of valid UTF-8 stand here; 0 if it is none. */
static size_t
utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char first;
		unsigned char last;
		size_t n;
	} leads[] = { { 0xc2, 0xdf, 2 }, { 0xe0, 0xef, 3 }, { 0xf0, 0xf4, 4 } };

	for (size_t i = 0; i < ARRAY_LEN(leads); i++) {
		if (*s < leads[i].first || *s > leads[i].last)
			continue;
		for (size_t j = 1; j < leads[i].n; j++)
			if ((s[j] & 0xc0) != 0x80)
				return 0;
		/* Too long a form, a surrogate, past the end of Unicode. */
		if ((*s == 0xe0 && s[1] < 0xa0) ||
		    (*s == 0xed && s[1] > 0x9f) ||
		    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
			return 0;
		return leads[i].n;
	}
	return 0;
}

static int
write_char(struct buf *b, const unsigned char *s, size_t *n)
{
	*n = 1;
	if (*s == '"' || *s == '\\')
		return buf_printf(b, "\\%c", *s);
	if (*s < 0x20 || *s == 0x7f)
		return buf_printf(b, "\\u%04x", *s);
	if (*s < 0x80)
		return buf_append(b, s, 1);
	*n = utf8_length(s);
	if (*n > 0)
		return buf_append(b, s, *n);
	*n = 1;
	return buf_puts(b, "?");
}

int
problem_string(struct buf *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	int r = buf_puts(b, "\"");
	size_t n;

	for (; r == 0 && *s != '\0'; s += n)
		r = write_char(b, s, &n);
	return r == 0 ? buf_puts(b, "\"") : r;
}

static int
write_member(struct buf *b, const char *name, const char *text)
{
	int r = buf_printf(b, ",\"%s\":", name);

	return r == 0 ? problem_string(b, text) : r;
}

static int
write_field(struct buf *b, const struct problem_field *f)
{
	if (f->text != NULL)
		return write_member(b, f->name, f->text);
	return buf_printf(b, ",\"%s\":%" PRId64, f->name, f->number);
}

int
problem_write(struct buf *b, const struct problem *p)
{
	const char *title = p->title != NULL ? p->title
					     : http_reason(p->status);
	int r = buf_printf(b, "{\"type\":\"/errors/%s\"", p->type);

	if (r == 0)
		r = write_member(b, "title", title);
	if (r == 0)
		r = buf_printf(b, ",\"status\":%u", p->status);
	if (r == 0 && p->detail != NULL)
		r = write_member(b, "detail", p->detail);
	for (size_t i = 0; r == 0 && i < p->nfields; i++)
		r = write_field(b, &p->fields[i]);
	return r == 0 ? buf_puts(b, "}\n") : r;
}
