/* SPDX-License-Identifier: ISC */

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

struct span
span_of(const char *s)
{
	return (struct span){ s, s == NULL ? 0 : strlen(s) };
}

bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
span_eq_nocase(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool
span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n &&
	    span_eq((struct span){ s.p, prefix.n }, prefix);
}

struct span
span_trim(struct span s)
{
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
span_next(struct span *rest, char sep, struct span *part)
{
	const char *at;

	if (rest->p == NULL)
		return false;
	at = rest->n > 0 ? memchr(rest->p, sep, rest->n) : NULL;
	part->p = rest->p;
	if (at == NULL) {
		part->n = rest->n;
		*rest = (struct span){ NULL, 0 };
		return true;
	}
	part->n = (size_t)(at - rest->p);
	rest->n -= part->n + 1;
	rest->p = at + 1;
	return true;
}

int
str_copy(char *dst, size_t size, struct span src)
{
	if (src.n >= size) {
		if (size > 0)
			dst[0] = '\0';
		return -ENAMETOOLONG;
	}
	if (src.n > 0)
		memcpy(dst, src.p, src.n);
	dst[src.n] = '\0';
	return 0;
}

void
str_cut(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(dst, src, n);
	dst[n] = '\0';
}

void
str_hex(char *out, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) {
		*out++ = "0123456789abcdef"[p[i] >> 4];
		*out++ = "0123456789abcdef"[p[i] & 15];
	}
}

int
str_u64(struct span s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9)
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return -ERANGE;
	}
	*out = v;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int
number_with_unit(
    struct span s, const struct unit *units, size_t n, uint64_t *out)
{
	struct span digits = s;
	struct span name;
	uint64_t v;
	int r;

	if (s.n == 0) /* p may be NULL then */
		return -EINVAL;
	digits.n = 0;
	while (digits.n < s.n && s.p[digits.n] >= '0' && s.p[digits.n] <= '9')
		digits.n++;
	name = (struct span){ s.p + digits.n, s.n - digits.n };
	r = str_u64(digits, &v);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!span_eq(name, span_of(units[i].name)))
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, out))
			return -ERANGE;
		return 0;
	}
	return -EINVAL;
}

int
str_duration(struct span s, uint64_t *ms)
{
	static const struct unit units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 60 * 60 * 1000 },
		{ "d", 24 * 60 * 60 * 1000 },
	};

	return number_with_unit(s, units, ARRAY_LEN(units), ms);
}

int
str_size(struct span s, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "KiB", 1 << 10 },
		{ "MiB", 1 << 20 },
		{ "GiB", 1 << 30 },
	};

	return number_with_unit(s, units, ARRAY_LEN(units), bytes);
}

const char *
str_show_ms(char *buf, size_t size, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, size, "%" PRIu64 "ms", ms);
	else if (ms < 10000)
		snprintf(
		    buf, size, "%" PRIu64 ".%" PRIu64 "s", s, ms / 100 % 10);
	else if (s < 60)
		snprintf(buf, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(buf, size, "%" PRIu64 "m", s / 60);
	else if (s < 86400)
		snprintf(buf, size, "%" PRIu64 "h%" PRIu64 "m", s / 3600,
		    s / 60 % 60);
	else
		snprintf(buf, size, "%" PRIu64 "d%" PRIu64 "h", s / 86400,
		    s / 3600 % 24);
	return buf;
}

const char *
str_show_bytes(char *buf, size_t size, uint64_t bytes)
{
	static const char *const names[] = { "B", "K", "M", "G", "T", "P" };
	uint64_t tenths = bytes > UINT64_MAX / 10 ? UINT64_MAX : bytes * 10;
	size_t i = 0;

	while (tenths >= 10240 && i + 1 < ARRAY_LEN(names)) {
		tenths /= 1024;
		i++;
	}
	if (tenths < 100 && i > 0)
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10,
		    tenths % 10, names[i]);
	else
		snprintf(buf, size, "%" PRIu64 "%s", tenths / 10, names[i]);
	return buf;
}
