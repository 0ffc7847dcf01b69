/* SPDX-License-Identifier: ISC */

/* chars - the character classes of HTTP/1.x; only for this floor's parsers */

#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(DROVER_NO_SIMD)
#include <emmintrin.h>
#define CHARS_SSE2 1
#endif

enum {
	CHAR_CONTROL = 1, /* may stand nowhere in a head */
	CHAR_TOKEN = 2,
	CHAR_VALUE = 4,	 /* of a field: no control character but HTAB */
	CHAR_TARGET = 8, /* of a request target */
	CHAR_HOST = 16,	 /* of a host's name */
	CHAR_HEX = 32,
	CHAR_PLAIN = 64 /* of a target, and means nothing in a path */
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

#ifdef CHARS_SSE2

/* chars_skip(p, end, CHAR_VALUE), sixteen at a time. */
static inline const char *
chars_skip_value(const char *p, const char *end)
{
	const __m128i last = _mm_set1_epi8(0x1f);
	const __m128i tab = _mm_set1_epi8('\t');
	const __m128i del = _mm_set1_epi8(0x7f);

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, last), v);
		__m128i bad = _mm_or_si128(_mm_cmpeq_epi8(v, del),
		    _mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low));
		int mask = _mm_movemask_epi8(bad);

		if (mask != 0)
			return p + __builtin_ctz((unsigned)mask);
	}
	return chars_skip(p, end, CHAR_VALUE);
}

/* chars_skip(p, end, CHAR_TARGET), sixteen at a time. */
static inline const char *
chars_skip_target(const char *p, const char *end)
{
	const __m128i space = _mm_set1_epi8(' ');
	const __m128i del = _mm_set1_epi8(0x7f);
	const __m128i hash = _mm_set1_epi8('#');

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, space), v);
		__m128i high = _mm_cmpeq_epi8(_mm_max_epu8(v, del), v);
		__m128i bad = _mm_or_si128(
		    _mm_or_si128(low, high), _mm_cmpeq_epi8(v, hash));
		int mask = _mm_movemask_epi8(bad);

		if (mask != 0)
			return p + __builtin_ctz((unsigned)mask);
	}
	return chars_skip(p, end, CHAR_TARGET);
}

#else

/* chars_skip(p, end, CHAR_VALUE), a word at a time. */
static inline const char *
chars_skip_value(const char *p, const char *end)
{
	const uint64_t ones = UINT64_MAX / 255;
	const uint64_t high = ones * 0x80;

	for (; end - p >= 8; p += 8) {
		const char *q;
		uint64_t w;
		uint64_t del;

		memcpy(&w, p, 8);
		del = w ^ (ones * 0x7f);
		/* Any byte under 0x20, or any 0x7f; HTAB is no reason. */
		if (((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) &
			high) == 0)
			continue;
		q = chars_skip(p, p + 8, CHAR_VALUE);
		if (q != p + 8)
			return q;
	}
	return chars_skip(p, end, CHAR_VALUE);
}

static inline const char *
chars_skip_target(const char *p, const char *end)
{
	return chars_skip(p, end, CHAR_TARGET);
}

#endif

#endif /* HTTP_CHARS_H */
