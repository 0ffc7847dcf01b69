/* SPDX-License-Identifier: ISC */

/*
 * err - the text of an error, for a person
 *
 * Functions return 0 or a negative errno. Those whose failure a person will
 * read take a struct err * as their last argument; NULL is fine and drops the
 * text. The text has no newline and no trailing full stop, and is cut at
 * ERR_MAX.
 */

#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/array.h"

#define ERR_MAX 512 /* bytes, with the NUL */

struct err {
	char text[ERR_MAX];
};

/* Set the text and return code, so that `return err_set(...)` reads well. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/* Put "what: " before the text that is there. Returns code. */
int err_wrap(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/* "fmt: strerror(-code)"; code is a negative errno and is returned. */
int err_errno(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

#endif /* BASE_ERR_H */
