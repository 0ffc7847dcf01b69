/* SPDX-License-Identifier: ISC */

#include "image/webp.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* "RIFF", size, "WEBP", then chunks: name, size, bytes, padded to even. */
#define FILE_HEAD 12
#define CHUNK_HEAD 8
#define VP8X_SIZE 18 /* with its head */
#define VP8X_FLAGS 8 /* where the flags stand in that */

enum { FLAG_ANIMATION = 0x02, FLAG_ALPHA = 0x10 };

static uint32_t
le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static void
put_le32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static bool
is(const unsigned char *chunk, const char *name)
{
	return memcmp(chunk, name, 4) == 0;
}

/* The whole length of the chunk, or 0 if it does not fit into n bytes. */
static size_t
chunk_length(const unsigned char *chunk, size_t n)
{
	uint64_t length;

	if (n < CHUNK_HEAD)
		return 0;
	length = CHUNK_HEAD + (uint64_t)le32(chunk + 4);
	length += length & 1;
	return length <= n ? (size_t)length : 0;
}

static bool
is_well_formed(const unsigned char *data, size_t n)
{
	size_t at = FILE_HEAD, length;

	if (n < FILE_HEAD || !is(data, "RIFF") || !is(data + 8, "WEBP") ||
	    le32(data + 4) != n - CHUNK_HEAD)
		return false;
	while (at < n && (length = chunk_length(data + at, n - at)) > 0)
		at += length;
	return at == n;
}

static bool
is_metadata(const unsigned char *chunk)
{
	return is(chunk, "EXIF") || is(chunk, "XMP ") || is(chunk, "ICCP");
}

/* VP8X says what else there is: of no use when there is nothing else. */
static bool
is_idle_vp8x(unsigned char *chunk, size_t length)
{
	if (!is(chunk, "VP8X") || length != VP8X_SIZE)
		return false;
	chunk[VP8X_FLAGS] &= FLAG_ANIMATION | FLAG_ALPHA;
	return chunk[VP8X_FLAGS] == 0;
}

size_t
webp_strip(unsigned char *data, size_t n)
{
	size_t from = FILE_HEAD, to = FILE_HEAD;

	if (!is_well_formed(data, n))
		return n;
	while (from < n) {
		size_t length = chunk_length(data + from, n - from);

		if (!is_metadata(data + from) &&
		    !is_idle_vp8x(data + from, length)) {
			memmove(data + to, data + from, length);
			to += length;
		}
		from += length;
	}
	put_le32(data + 4, (uint32_t)(to - CHUNK_HEAD));
	return to;
}
