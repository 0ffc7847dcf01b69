/* SPDX-License-Identifier: ISC */

#include "http/path.h"

#include "http/chars.h"

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

/* The character that stands at p, and how many bytes it takes. */
static size_t
next(const char *p, const char *end, char *c)
{
	*c = *p;
	if (*p == '%' && end - p >= 3 && char_is(p[1], CHAR_HEX) &&
	    char_is(p[2], CHAR_HEX)) {
		char byte = (char)(char_hex(p[1]) << 4 | char_hex(p[2]));

		if (is_unreserved(byte)) {
			*c = byte;
			return 3;
		}
	}
	return 1;
}

size_t
path_plain(struct span path, char *out)
{
	const char *p = path.p, *end = path.p + path.n;
	size_t n = 0;

	while (p < end)
		p += next(p, end, &out[n++]);
	return n;
}

size_t
path_spelled(struct span path, size_t n)
{
	const char *p = path.p, *end = path.p + path.n;
	char c;

	while (p < end && n-- > 0)
		p += next(p, end, &c);
	return (size_t)(p - path.p);
}
