/* SPDX-License-Identifier: ISC */

/*
 * daemon - builds the rooms in order: `drover run`, and the hidden commands
 *
 *	drover run --config FILE	control (and, where none runs, a keeper)
 *	drover keeper ...		the keeper
 *	drover worker SOCKET INDEX	a proxy worker
 *
 * Only main.c calls this; tests link the rooms without it.
 */

#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

/*
 * Until the herd has ended, or until a signal with attach. attach: there is a
 * keeper, started by somebody else (systemd); never start one, and end on a
 * signal without touching the herd. The exit code: 0 or 1.
 */
int daemon_run(const char *config, bool attach);

/* drover keeper --runtime DIR [--control-user NAME] [--ready-fd N] */
int daemon_keeper(int argc, char **argv);

#endif /* DAEMON_H */
