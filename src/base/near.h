/* SPDX-License-Identifier: ISC */

/*
 * near - what a mistyped name probably meant
 *
 * For keys, services, instances and commands. Names over NEAR_MAX bytes are
 * near nothing. Allocates nothing.
 */

#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stddef.h>

#define NEAR_MAX 128 /* bytes */

/*
 * The known name nearest to `name`: at most two letters inserted, left out,
 * changed or swapped with their neighbour, and fewer than half of its letters.
 * The first of several equally near; NULL when there is none. Entries of
 * `known` may be NULL. A name that is known is its own nearest.
 */
const char *near_name(const char *name, const char *const *known, size_t n);

#endif /* BASE_NEAR_H */
