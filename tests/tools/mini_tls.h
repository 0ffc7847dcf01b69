/* SPDX-License-Identifier: ISC */

/* mini_tls - what mini_control knows of TLS */

#ifndef TESTS_TOOLS_MINI_TLS_H
#define TESTS_TOOLS_MINI_TLS_H

#include "link/scoreboard.h"
#include "link/snapshot.h"

/* [tls13=1] [time=MS] [most=N] CERT KEY...: paths of PEM. 0 or -errno. */
int mini_tls(struct snapshot_listener *l, char **w, int n) MUST_CHECK;

/* Prints "handshakes done=N resumed=N ...". */
void mini_handshakes(const struct scoreboard *board, unsigned worker);

#endif /* TESTS_TOOLS_MINI_TLS_H */
