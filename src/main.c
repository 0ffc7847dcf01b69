/* SPDX-License-Identifier: ISC */

/*
 * drover - keep a herd of HTTP services running, and drive traffic to them
 *
 * The map of the house (tools/layers says who may look at whom):
 *
 *	base loop model		bytes, time, events; pure rules without I/O
 *	proc link		processes; what our processes say to one another
 *	conf http redis		YAML, HTTP and Redis, each behind one wall
 *	keeper			the parent of all processes: `drover keeper`
 *	proxy			the data plane: `drover worker`, one per CPU
 *	cluster			what runs here, kept true in Redis
 *	control			policy: supervision, health, routing, reload
 *	admin cli		the API on the admin socket, and its commands
 *
 * One binary, three kinds of process. daemon.c builds the rooms of `drover
 * run`; everything else that a person types is a row of cli/command.c.
 */

#include <string.h>

#include "base/title.h"
#include "cli/cli.h"
#include "daemon.h"
#include "proxy/proxy.h"

int
main(int argc, char **argv)
{
	static const struct cli_daemon cli = { .run = daemon_run };

	if (argc > 1 && strcmp(argv[1], "keeper") == 0)
		return title_init(argc, argv) < 0
		    ? 1
		    : daemon_keeper(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "worker") == 0)
		return title_init(argc, argv) < 0
		    ? 1
		    : proxy_main(argc - 1, argv + 1);
	return cli_main(argc, argv, &cli);
}
