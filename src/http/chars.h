/* SPDX-License-Identifier: ISC */

/* chars - the character classes of HTTP/1.x; only for this floor's parsers */

#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	CHAR_CONTROL = 1, /* may stand nowhere in a head */
	CHAR_TOKEN = 2,
	CHAR_VALUE = 4,	 /* of a field: no control character but HTAB */
	CHAR_TARGET = 8, /* of a request target */
	CHAR_HOST = 16,	 /* of a host's name */
	CHAR_HEX = 32
};

extern const uint8_t char_class[256];

static inline bool
char_is(char c, unsigned cls)
{
	return (char_class[(unsigned char)c] & cls) != 0;
}

/* 0..15 for a character of CHAR_HEX. */
static inline unsigned
char_hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : ((unsigned)c | 0x20) - 'a' + 10;
}

/* The first byte in [p, end) that is not of this class; end if all are. */
static inline const char *
chars_skip(const char *p, const char *end, unsigned cls)
{
	while (p < end && char_is(*p, cls))
		p++;
	return p;
}

/* chars_skip(p, end, CHAR_VALUE), a word at a time. */
static inline const char *
chars_skip_value(const char *p, const char *end)
{
	const uint64_t ones = UINT64_MAX / 255;
	const uint64_t high = ones * 0x80;

	while (end - p >= 8) {
		uint64_t w;
		uint64_t del;

		memcpy(&w, p, 8);
		del = w ^ (ones * 0x7f);
		/* Any byte under 0x20, or any 0x7f (HTAB is sorted out below).
		 */
		if ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high) {
			const char *q = chars_skip(p, p + 8, CHAR_VALUE);

			if (q != p + 8)
				return q;
		}
		p += 8;
	}
	return chars_skip(p, end, CHAR_VALUE);
}

#endif /* HTTP_CHARS_H */
