/* SPDX-License-Identifier: ISC */

/* mini_route - what can be said of a route, by name; for mini_control */

#ifndef MINI_ROUTE_H
#define MINI_ROUTE_H

#include "link/snapshot.h"

/* False: no such key. In a text %20 is a space and %0a a line's end. */
bool mini_route_set(
    struct snapshot_route *r, const char *key, const char *value);

#endif /* MINI_ROUTE_H */
