/* SPDX-License-Identifier: ISC */

#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
buf_meter_alloc(struct buf_meter *m, size_t n)
{
	void *p = NULL;

	if (m == NULL || (m->held <= m->max && n <= m->max - m->held))
		p = calloc(1, n);
	if (p != NULL && m != NULL)
		m->held += n;
	return p;
}

void
buf_meter_free(struct buf_meter *m, void *p, size_t n)
{
	if (p != NULL && m != NULL)
		m->held -= n;
	free(p);
}

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_init_metered(struct buf *b, size_t max, struct buf_meter *meter)
{
	*b = (struct buf){ .max = max, .meter = meter };
}

void
buf_done(struct buf *b)
{
	if (b->meter != NULL)
		b->meter->held -= b->cap;
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

int
buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap < 64 ? 64 : b->cap;
	char *data;

	if (n > b->max - b->len)
		return -ENOBUFS;
	if (b->data != NULL && b->len + n < b->cap)
		return 0;
	while (cap <= b->len + n)
		cap = cap > (b->max + 1) / 2 ? b->max + 1 : cap * 2;
	if (b->meter != NULL && b->meter->held + cap - b->cap > b->meter->max)
		return -ENOMEM;
	data = realloc(b->data, cap);
	if (data == NULL)
		return -ENOMEM;
	if (b->meter != NULL)
		b->meter->held += cap - b->cap;
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_append(struct buf *b, const void *data, size_t n)
{
	int r = buf_reserve(b, n);

	if (r < 0)
		return r;
	if (n > 0)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n, r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return -EINVAL;
	r = buf_reserve(b, (size_t)n);
	if (r < 0)
		return r;
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len + 1);
}

struct span
buf_span(const struct buf *b)
{
	return (struct span){ b->data, b->len };
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}
