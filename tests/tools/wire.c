/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "tests/tools/wire.h"

uint64_t
wire_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

size_t
wire_head_length(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);

	return end == NULL ? 0 : (size_t)(end - p) + 4;
}

static void
copy(char *to, size_t size, const char *from, size_t n)
{
	if (n >= size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

bool
wire_header(const char *head, const char *name, char *value, size_t size)
{
	size_t n = strlen(name);
	const char *line = strstr(head, "\r\n");

	for (; line != NULL && line[2] != '\r';
	     line = strstr(line + 2, "\r\n")) {
		const char *p = line + 2;

		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1;
		p += strspn(p, " \t");
		copy(value, size, p, strcspn(p, "\r\n"));
		return true;
	}
	return false;
}

bool
wire_query(const char *query, const char *name, char *value, size_t size)
{
	size_t n = strlen(name);

	while (query != NULL && *query != '\0') {
		size_t part = strcspn(query, "&");

		if (strncmp(query, name, n) == 0 && query[n] == '=') {
			copy(value, size, query + n + 1, part - n - 1);
			return true;
		}
		query += part + (query[part] == '&');
	}
	return false;
}

bool
wire_number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *text != '-';
}

uint64_t
wire_query_number(const char *query, const char *name, uint64_t otherwise)
{
	char text[32];
	uint64_t value;

	if (!wire_query(query, name, text, sizeof(text)) ||
	    !wire_number(text, &value))
		return otherwise;
	return value;
}

/* --- a body ------------------------------------------------------------------
 */

enum { SIZE, SIZE_REST, DATA, DATA_END, TRAILER, TRAILER_LINE };

void
wire_body_init(struct wire_body *b, const char *head, bool response)
{
	char value[64];

	*b = (struct wire_body){ .hash = 14695981039346656037u };
	b->framing = WIRE_LENGTH;
	if (wire_header(head, "Transfer-Encoding", value, sizeof(value)))
		b->framing = WIRE_CHUNKED;
	else if (wire_header(head, "Content-Length", value, sizeof(value)))
		b->over = !wire_number(value, &b->left) || b->left == 0;
	else if (response)
		b->framing = WIRE_CLOSE;
	else
		b->over = true;
}

static void
digest(struct wire_body *b, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->hash = (b->hash ^ (unsigned char)p[i]) * 1099511628211u;
	b->bytes += n;
}

static size_t
take_left(struct wire_body *b, const char *p, size_t n)
{
	if (n > b->left)
		n = (size_t)b->left;
	digest(b, p, n);
	b->left -= n;
	return n;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* One byte of what stands between the chunks; false if it cannot stand there.
 */
static bool
between_chunks(struct wire_body *b, char c)
{
	switch (b->state) {
	case SIZE:
		if (hex(c) >= 0 && b->left < 1ull << 56)
			b->left = b->left * 16 + (uint64_t)hex(c);
		else if (c == '\r' || c == ';')
			b->state = SIZE_REST;
		else
			return false;
		return true;
	case SIZE_REST:
		if (c == '\n')
			b->state = b->left > 0 ? DATA : TRAILER;
		return true;
	case DATA_END:
		if (c == '\n')
			b->state = SIZE;
		return c == '\n' || c == '\r';
	case TRAILER:
		b->over = c == '\n';
		if (c != '\n' && c != '\r')
			b->state = TRAILER_LINE;
		return true;
	default:
		if (c == '\n')
			b->state = TRAILER;
		return true;
	}
}

static long
take_chunked(struct wire_body *b, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && !b->over) {
		if (b->state == DATA) {
			i += take_left(b, p + i, n - i);
			if (b->left == 0)
				b->state = DATA_END;
		} else if (!between_chunks(b, p[i++]))
			return -1;
	}
	return (long)i;
}

long
wire_body_take(struct wire_body *b, const char *p, size_t n)
{
	if (b->over)
		return 0;
	if (b->framing == WIRE_CHUNKED)
		return take_chunked(b, p, n);
	if (b->framing == WIRE_CLOSE) {
		digest(b, p, n);
		return (long)n;
	}
	n = take_left(b, p, n);
	b->over = b->left == 0;
	return (long)n;
}

/* --- text
 * --------------------------------------------------------------------- */

void
wire_bytes(struct wire_text *t, const void *p, size_t n)
{
	if (t->n + n + 1 > t->size) {
		t->size = (t->n + n + 1) * 2;
		t->p = realloc(t->p, t->size);
		if (t->p == NULL)
			abort();
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

void
wire_printf(struct wire_text *t, const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		abort();
	wire_bytes(t, line, (size_t)n);
}

void
wire_json(struct wire_text *t, const char *text)
{
	wire_bytes(t, "\"", 1);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			wire_printf(t, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			wire_printf(t, "\\u%04x", c);
		else
			wire_bytes(t, text, 1);
	}
	wire_bytes(t, "\"", 1);
}

bool
wire_json_text(const char *json, const char *name, char *value, size_t size)
{
	char mark[64];
	const char *p;
	size_t n;

	snprintf(mark, sizeof(mark), "\"%s\": \"", name);
	p = strstr(json, mark);
	if (p == NULL)
		return false;
	p += strlen(mark);
	n = strcspn(p, "\"");
	if (n >= size)
		return false;
	memcpy(value, p, n);
	value[n] = '\0';
	return true;
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint32_t
wire_permille(uint32_t *v, size_t n, unsigned permille)
{
	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), by_size);
	return v[(n - 1) * permille / 1000];
}

/* --- the command line ------------------------------------------------------
 */

int
wire_usage(const struct wire_option *options, size_t n, const char *usage)
{
	fprintf(stderr, "usage: %s\n", usage);
	for (size_t i = 0; i < n; i++)
		fprintf(
		    stderr, "  %-14s %s\n", options[i].name, options[i].what);
	return 2;
}

static bool
option_set(const struct wire_option *options, size_t n, const char *name,
    const char *value)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(name, options[i].name) != 0)
			continue;
		if (options[i].number != NULL)
			return wire_number(value, options[i].number);
		*options[i].text = value;
		return true;
	}
	return false;
}

int
wire_options(const struct wire_option *options, size_t n, const char *usage,
    int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2)
		if (i + 1 >= argc ||
		    !option_set(options, n, argv[i], argv[i + 1]))
			return wire_usage(options, n, usage);
	return 0;
}
