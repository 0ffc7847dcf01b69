/* SPDX-License-Identifier: ISC */

/*
 * cli - the command line
 *
 * `drover COMMAND` for each row of command.c's table. Everything but `run`,
 * `check`, `version`, `completion` and `help` talks to a running daemon by HTTP
 * over its admin socket. Help, completion and man page come from the rows.
 */

#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

/* Exit codes; a contract (drover(1)). */
enum cli_exit {
	CLI_OK = 0,
	CLI_ERROR = 1,
	CLI_USAGE = 2,
	CLI_UNHEALTHY = 3,
	CLI_CONFLICT = 4,
	CLI_UNREACHABLE = 5,
	CLI_CHANGES = 10 /* plan found some */
};

#define CLI_CONFIG DROVER_SYSCONFDIR "/drover.yaml"
#define CLI_SOCKET "/run/drover/admin.sock"

/* What the command line asks of the daemon, which stands above this floor. */
struct cli_daemon {
	/*
	 * `drover run`: until the herd has ended; returns the exit code.
	 * attach: the keeper is somebody else's (systemd's).
	 */
	int (*run)(const char *config, bool attach);
};

/* The whole of main(). Returns the exit code. */
int cli_main(int argc, char **argv, const struct cli_daemon *daemon);

#endif /* CLI_CLI_H */
