/* SPDX-License-Identifier: ISC */

/*
 * jose - the two encodings that tokens and key sets are made of
 *
 * base64url without padding (RFC 7515, appendix C): one text for one sequence
 * of bytes; padding, white space, other letters and bits that are left over are
 * refused.
 *
 * JSON (RFC 8259) as strictly: one value and nothing behind it; a member that
 * stands twice in its object, anywhere, is refused (RFC 7515, section 4), and
 * so are bad UTF-8, lone surrogates and U+0000. Strings are decoded where they
 * stand, so the text is the caller's to lose. Nothing is allocated: the values
 * go into an array that the caller gives, whose size is their ceiling.
 */

#ifndef TLS_JOSE_H
#define TLS_JOSE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

#define JOSE_DEPTH_MAX 8

/* How many bytes, into out; -EINVAL, or -ENOBUFS when there are over `room`. */
ssize_t jose_decode(struct span in, void *out, size_t room) MUST_CHECK;

enum jose_kind {
	JOSE_NULL,
	JOSE_FALSE,
	JOSE_TRUE,
	JOSE_NUMBER,
	JOSE_STRING,
	JOSE_ARRAY,
	JOSE_OBJECT
};

struct jose_value {
	enum jose_kind kind;
	struct span key;  /* in an object */
	struct span text; /* STRING: decoded; NUMBER: as it stands */
	struct jose_value *first;
	struct jose_value *next;
};

struct jose_doc {
	struct jose_value *values; /* the caller's; the first is the root */
	size_t max;
	size_t n;
};

/* 0 with d->values[0] set; -EINVAL; -E2BIG: too deep, or too many values. */
int jose_parse(struct jose_doc *d, char *text, size_t n) MUST_CHECK;

/* A member of an object, or NULL; also where it is no object. */
const struct jose_value *jose_get(
    const struct jose_value *object, const char *key);

/* A member that is a string; else the empty span. */
struct span jose_text(const struct jose_value *object, const char *key);

/*
 * A NumericDate (RFC 7519, section 2): seconds, a fraction is cut off. -EINVAL:
 * no number, below 0, with an exponent, or from 2^53 on.
 */
int jose_date(const struct jose_value *v, uint64_t *seconds) MUST_CHECK;

#endif /* TLS_JOSE_H */
