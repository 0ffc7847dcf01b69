/* SPDX-License-Identifier: ISC */

/*
 * problem - the body of an error: application/problem+json (RFC 9457)
 *
 *	{"type":"/errors/not-found","title":"Not Found","status":404,
 *	 "detail":"no service imag","near":"image"}
 *
 * Text that is not UTF-8 is written with '?' for the bytes that are not.
 */

#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PROBLEM_TYPE "application/problem+json"

struct problem_field {
	const char *name;
	const char *text; /* a string; or, where it is NULL, */
	int64_t number;	  /* a number */
};

struct problem {
	unsigned status;
	const char *type;   /* a stable word: "not-found" */
	const char *title;  /* NULL: the status's name */
	const char *detail; /* NULL: none */
	const struct problem_field *fields;
	size_t nfields;
};

/* Append it; 0, -ENOBUFS or -ENOMEM. */
int problem_write(struct buf *b, const struct problem *p) MUST_CHECK;

/* Append "text" with its quotes, escaped. */
int problem_string(struct buf *b, const char *text) MUST_CHECK;

#endif /* HTTP_PROBLEM_H */
