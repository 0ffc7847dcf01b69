/* SPDX-License-Identifier: ISC */

/* mini_auth - what mini_control's line `auth` says, one KEY=VALUE at a time */

#ifndef TESTS_TOOLS_MINI_AUTH_H
#define TESTS_TOOLS_MINI_AUTH_H

#include <stdbool.h>

#include "link/snapshot.h"

/* False: no such key, or no such file. value is changed. */
bool mini_auth_set(struct snapshot_auth *a, const char *key, char *value);

#endif /* TESTS_TOOLS_MINI_AUTH_H */
