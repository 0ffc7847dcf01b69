/* SPDX-License-Identifier: ISC */

/* pen - a cursor into memory that is known to be enough */

#ifndef BASE_PEN_H
#define BASE_PEN_H

#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct pen {
	char *at;
};

static inline void
put(struct pen *p, const void *data, size_t n)
{
	memcpy(p->at, data, n);
	p->at += n;
}

static inline void
put_span(struct pen *p, struct span s)
{
	if (s.n > 0)
		put(p, s.p, s.n);
}

#define PUT(p, lit) put((p), "" lit, sizeof(lit) - 1)

static inline void
put_u64(struct pen *p, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put(p, digits + n, sizeof(digits) - n);
}

static inline void
put_line(struct pen *p, struct span name, struct span value)
{
	put_span(p, name);
	put(p, ": ", 2);
	put_span(p, value);
	put(p, "\r\n", 2);
}

#endif /* BASE_PEN_H */
