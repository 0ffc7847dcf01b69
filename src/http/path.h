/* SPDX-License-Identifier: ISC */

/*
 * path - the same path in other spellings
 *
 * An unreserved character may be written as %XX and means the same (RFC 3986,
 * 6.2.2.2): "/%61dmin/" is "/admin/" for the service, so it has to be for a
 * route. Nothing else is decoded: %2F is no '/', nor is "//". The path is one
 * that rules_path() let through.
 */

#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include <string.h>

#include "base/str.h"

/* Whether it may have another spelling. */
static inline bool
path_is_spelled(struct span path)
{
	return memchr(path.p, '%', path.n) != NULL;
}

/* The plain spelling into out, which has room for path.n. Its length. */
size_t path_plain(struct span path, char *out);

/* How many bytes of path are the first n of its plain spelling. */
size_t path_spelled(struct span path, size_t n);

#endif /* HTTP_PATH_H */
