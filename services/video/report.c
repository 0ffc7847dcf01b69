/* SPDX-License-Identifier: ISC */

#include "video/report.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define REPLACEMENT "\xef\xbf\xbd"

static void
put(struct report *r, const void *data, size_t n)
{
	if (r->error == 0)
		r->error = buf_append(r->out, data, n);
}

static void
puts_(struct report *r, const char *s)
{
	if (r->error == 0)
		r->error = buf_puts(r->out, s);
}

/* --- text ----------------------------------------------------------------- */

/*
 * Well-formed characters (Unicode, table 3-7): the bytes they begin with, what
 * the second may be, and how many there are; all that follow are 80 to BF.
 */
static const struct {
	unsigned char first, last; /* of the first byte */
	unsigned char low, high;   /* of the second */
	size_t n;
} forms[] = {
	{ 0x00, 0x7f, 0x00, 0xff, 1 },
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 },
	{ 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* Bytes of the well-formed character at s, which ends with a NUL, or 0. */
static size_t
character(const unsigned char *s)
{
	size_t i = 0, n = 2;

	while (i < ARRAY_LEN(forms) &&
	    (s[0] < forms[i].first || s[0] > forms[i].last))
		i++;
	if (i == ARRAY_LEN(forms))
		return 0;
	if (forms[i].n == 1)
		return 1;
	if (s[1] < forms[i].low || s[1] > forms[i].high)
		return 0;
	while (n < forms[i].n && (s[n] & 0xc0) == 0x80)
		n++;
	return n == forms[i].n ? n : 0;
}

static void
put_escaped(struct report *r, unsigned char c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char text[8];

	for (size_t i = 0; i + 1 < sizeof(letters); i += 2)
		if ((unsigned char)letters[i] == c) {
			(void)snprintf(
			    text, sizeof(text), "\\%c", letters[i + 1]);
			puts_(r, text);
			return;
		}
	(void)snprintf(text, sizeof(text), "\\u%04x", c);
	puts_(r, text);
}

static void
put_string(struct report *r, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	puts_(r, "\"");
	while (*s != '\0' && r->error == 0) {
		size_t n = character(s);

		if (n == 0) {
			puts_(r, REPLACEMENT);
			n = 1;
		} else if (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f) {
			put_escaped(r, *s);
		} else {
			put(r, s, n);
		}
		s += n;
	}
	puts_(r, "\"");
}

/* --- structure ------------------------------------------------------------ */

static void
put_name(struct report *r, const char *name)
{
	if (r->more[r->depth])
		puts_(r, ",");
	r->more[r->depth] = true;
	if (name == NULL)
		return;
	put_string(r, name);
	puts_(r, ":");
}

static void
enter(struct report *r, const char *open, char close)
{
	assert(r->depth + 1 < REPORT_DEPTH);
	puts_(r, open);
	r->depth++;
	r->more[r->depth] = false;
	r->close[r->depth] = close;
}

void
report_begin(struct report *r, struct buf *out)
{
	*r = (struct report){ .out = out };
	enter(r, "{", '}');
}

void
report_object(struct report *r, const char *name)
{
	put_name(r, name);
	enter(r, "{", '}');
}

void
report_list(struct report *r, const char *name)
{
	put_name(r, name);
	enter(r, "[", ']');
}

void
report_close(struct report *r)
{
	put(r, &r->close[r->depth], 1);
	r->depth--;
}

int
report_end(struct report *r)
{
	while (r->depth > 0)
		report_close(r);
	puts_(r, "\n");
	return r->error;
}

/* --- values --------------------------------------------------------------- */

void
report_text(struct report *r, const char *name, const char *value)
{
	put_name(r, name);
	put_string(r, value);
}

void
report_int(struct report *r, const char *name, int64_t value)
{
	char text[24];

	put_name(r, name);
	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	puts_(r, text);
}

void
report_data_url(
    struct report *r, const char *name, const char *type, const char *base64)
{
	put_name(r, name);
	puts_(r, "\"data:");
	puts_(r, type);
	puts_(r, ";base64,");
	puts_(r, base64);
	puts_(r, "\"");
}

void
report_printf(struct report *r, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report_text(r, name, text);
}
