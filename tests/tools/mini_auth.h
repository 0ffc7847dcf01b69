/* SPDX-License-Identifier: ISC */

/*
 * mini_auth - what mini_control's line `auth KEY=VALUE...` says
 *
 * In lists a comma stands for the space between the elements; users, jwks and
 * secret are files.
 */

#ifndef TESTS_TOOLS_MINI_AUTH_H
#define TESTS_TOOLS_MINI_AUTH_H

#include "link/scoreboard.h"
#include "link/snapshot.h"

/* Ends the program where a word means nothing; words are changed. Kept. */
struct snapshot_auth *mini_auth(
    char **words, int n, uint32_t (*find_service)(const char *name));

/* The end of the answer to `worker?`. */
void mini_auth_print(const struct scoreboard_worker_view *v);

#endif /* TESTS_TOOLS_MINI_AUTH_H */
