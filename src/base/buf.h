/* SPDX-License-Identifier: ISC */

/*
 * buf - bytes that grow, up to a ceiling
 *
 * The contents are always followed by a NUL that is not counted, so that text
 * can be handed to libc. An append either happens whole or not at all.
 *
 * Bufs may share a meter, which sums up what they hold and has a ceiling for
 * all of them together.
 */

#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/str.h"

struct buf_meter {
	size_t held; /* bytes; who has more than bufs may add to it */
	size_t max;
};

struct buf {
	char *data; /* NULL until the first byte */
	size_t len;
	size_t cap;
	size_t max;		 /* the ceiling for len */
	struct buf_meter *meter; /* borrowed, or NULL */
};

/*
 * n zeroed bytes of somebody who has no buf, counted by the meter (which may be
 * NULL) until they are freed. NULL: out of memory, or at the ceiling.
 */
void *buf_meter_alloc(struct buf_meter *m, size_t n) MUST_CHECK;
void buf_meter_free(struct buf_meter *m, void *p, size_t n);

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_init_metered(struct buf *b, size_t max, struct buf_meter *meter);
void buf_done(struct buf *b);  /* frees; may be used again */
void buf_clear(struct buf *b); /* len = 0, keeps the memory */

/* All: 0, -ENOBUFS (the ceiling) or -ENOMEM (the meter's, too); the buffer is
 * then as before. */
int buf_append(struct buf *b, const void *data, size_t n) MUST_CHECK;
int buf_puts(struct buf *b, const char *s) MUST_CHECK;
int buf_printf(struct buf *b, const char *fmt, ...) MUST_CHECK PRINTF(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) MUST_CHECK
    PRINTF(2, 0);

/* Room for n more bytes at data + len; the caller adds to len itself. */
int buf_reserve(struct buf *b, size_t n) MUST_CHECK;

/* Take n bytes off the front (n <= len). */
void buf_consume(struct buf *b, size_t n);

struct span buf_span(const struct buf *b);
const char *buf_str(const struct buf *b); /* never NULL */

#endif /* BASE_BUF_H */
