/* SPDX-License-Identifier: ISC */

#include "image/format.h"

#include <string.h>

/* A file type box that lists more brands than this is no picture. */
#define FTYP_MAX 1024

const struct svc_choice image_formats[] = {
	{ "jpeg", IMAGE_JPEG },
	{ "jpg", IMAGE_JPEG },
	{ "png", IMAGE_PNG },
	{ "webp", IMAGE_WEBP },
	{ "avif", IMAGE_AVIF },
	{ "gif", IMAGE_GIF },
	{ NULL, 0 },
};

static const struct {
	const char *media_type;
	bool frames;
	bool alpha;
} traits[] = {
	[IMAGE_UNKNOWN] = { "application/octet-stream", false, false },
	[IMAGE_JPEG] = { "image/jpeg", false, false },
	[IMAGE_PNG] = { "image/png", false, true },
	[IMAGE_WEBP] = { "image/webp", true, true },
	[IMAGE_AVIF] = { "image/avif", false, true },
	[IMAGE_GIF] = { "image/gif", true, true },
};

static bool
has(struct span s, size_t at, struct span what)
{
	return s.n >= at + what.n && memcmp(s.p + at, what.p, what.n) == 0;
}

static uint32_t
be32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	    (uint32_t)b[2] << 8 | b[3];
}

static uint32_t
le32(const char *p)
{
	return __builtin_bswap32(be32(p));
}

static bool
is_avif_brand(const char *brand)
{
	return memcmp(brand, "avif", 4) == 0 || memcmp(brand, "avis", 4) == 0;
}

/* size, "ftyp", major brand, version, compatible brands to the end */
static bool
is_avif(struct span s)
{
	size_t size;

	if (s.n < 16 || !has(s, 4, SPAN("ftyp")))
		return false;
	size = be32(s.p);
	if (size < 16 || size > FTYP_MAX || size > s.n)
		return false;
	if (is_avif_brand(s.p + 8))
		return true;
	for (size_t at = 16; at + 4 <= size; at += 4)
		if (is_avif_brand(s.p + at))
			return true;
	return false;
}

enum image_format
image_sniff(struct span s)
{
	if (has(s, 0, SPAN("\xff\xd8\xff")))
		return IMAGE_JPEG;
	if (has(s, 0, SPAN("\x89PNG\r\n\x1a\n")))
		return IMAGE_PNG;
	if (has(s, 0, SPAN("RIFF")) && has(s, 8, SPAN("WEBP")))
		return IMAGE_WEBP;
	if (has(s, 0, SPAN("GIF87a")) || has(s, 0, SPAN("GIF89a")))
		return IMAGE_GIF;
	return is_avif(s) ? IMAGE_AVIF : IMAGE_UNKNOWN;
}

const char *
image_media_type(enum image_format format)
{
	return traits[format].media_type;
}

bool
image_keeps_frames(enum image_format format)
{
	return traits[format].frames;
}

bool
image_keeps_alpha(enum image_format format)
{
	return traits[format].alpha;
}

/* Cameras pad after the end marker: look at the last stretch, not the end. */
static bool
jpeg_is_cut(struct span s)
{
	size_t from = s.n > 65536 ? s.n - 65536 : 0;

	for (size_t i = s.n; i >= from + 2; i--)
		if (memcmp(s.p + i - 2, "\xff\xd9", 2) == 0)
			return false;
	return true;
}

static bool
png_is_cut(struct span s)
{
	size_t at = 8;

	while (s.n >= at + 12) {
		size_t size = be32(s.p + at);

		if (memcmp(s.p + at + 4, "IEND", 4) == 0)
			return false;
		if (size > s.n - at - 12)
			return true;
		at += size + 12;
	}
	return true;
}

static bool
avif_is_cut(struct span s)
{
	size_t at = 0;

	while (s.n >= at + 8) {
		size_t size = be32(s.p + at);

		/* 0 runs to the end; 1 has 64 bits, and no such file fits. */
		if (size < 8)
			return size == 1;
		if (size > s.n - at)
			return true;
		at += size;
	}
	return s.n != at;
}

bool
image_is_cut(enum image_format format, struct span s)
{
	switch (format) {
	case IMAGE_JPEG:
		return jpeg_is_cut(s);
	case IMAGE_PNG:
		return png_is_cut(s);
	case IMAGE_WEBP:
		return s.n < 8 || le32(s.p + 4) > s.n - 8;
	case IMAGE_AVIF:
		return avif_is_cut(s);
	case IMAGE_GIF:
		return s.n == 0 || s.p[s.n - 1] != ';';
	case IMAGE_UNKNOWN:
		break;
	}
	return false;
}
