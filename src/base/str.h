/* SPDX-License-Identifier: ISC */

/*
 * str - spans of bytes and strict numbers
 *
 * A span points into memory that somebody else owns and is not terminated.
 * Nothing here allocates. Comparison without case is ASCII only, whatever the
 * locale says.
 */

#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"

struct span {
	const char *p;
	size_t n;
};

/* A span over a string literal. */
#define SPAN(lit) ((struct span){ "" lit, sizeof(lit) - 1 })

struct span span_of(const char *s); /* NULL gives the empty span */
bool span_eq(struct span a, struct span b);
bool span_eq_nocase(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
struct span span_trim(struct span s); /* spaces and tabs, at both ends */

/*
 * Take the part before the first `sep` off the front of *rest, and step over
 * the separator. False when nothing was left: "a,,b" gives "a", "", "b".
 */
bool span_next(struct span *rest, char sep, struct span *part);

/* 0; -ENAMETOOLONG if it did not fit whole (dst then holds ""). */
int str_copy(char *dst, size_t size, struct span src) MUST_CHECK;

/* As much of src as fits, whole UTF-8 characters: for texts that people read.
 */
void str_cut(char *dst, size_t size, const char *src);

/* 2 * n lower-case hex digits into out, without a NUL. */
void str_hex(char *out, const void *data, size_t n);

/* Decimal digits only: no sign, no space. -EINVAL, -ERANGE. */
int str_u64(struct span s, uint64_t *out) MUST_CHECK;

/* "250ms", "5s", "2m", "1h", "0ms"; a bare number is refused. Milliseconds. */
int str_duration(struct span s, uint64_t *ms) MUST_CHECK;

/* "64KiB", "512MiB", "4GiB", "100B"; a bare number is bytes. */
int str_size(struct span s, uint64_t *bytes) MUST_CHECK;

/* For people: "83ms", "1.2s", "5m", "3d4h"; "96M", "1.5G". buf >= 16 bytes. */
const char *str_show_ms(char *buf, size_t size, uint64_t ms);
const char *str_show_bytes(char *buf, size_t size, uint64_t bytes);

#endif /* BASE_STR_H */
