/* SPDX-License-Identifier: ISC */

#include "cli/cli.h"

#include <stdio.h>

#include "cli/help.h"
#include "cli/remote.h"

#define HELP_MAX (64 * 1024)

/* The help itself; as an answer to nothing asked it goes to stderr. */
static int
print_help(const struct command *c, FILE *to, int code)
{
	struct buf out;
	int r;

	buf_init(&out, HELP_MAX);
	r = c != NULL ? help_command(c, &out) : help_all(&out);
	if (r == 0)
		fwrite(buf_str(&out), 1, out.len, to);
	buf_done(&out);
	return r < 0 ? print_failed("help") : code;
}

static int
bad_usage(const struct command *c, const struct err *err)
{
	char usage[256] = "drover help";

	fprintf(stderr, "drover: %s\n", err->text);
	if (c != NULL)
		command_usage(usage, sizeof(usage), c);
	fprintf(stderr, "%s%s\n", c != NULL ? "usage: " : "see: ", usage);
	return CLI_USAGE;
}

int
cli_main(int argc, char **argv, const struct cli_daemon *daemon)
{
	struct invocation in;
	struct err err = { "" };

	if (command_parse(argc, argv, &in, &err) < 0)
		return bad_usage(in.command, &err);
	if (in.given & OPT_HELP)
		return print_help(in.command, stdout, CLI_OK);
	if (in.command == NULL)
		return print_help(NULL, stderr, CLI_USAGE);
	in.daemon = daemon;
	return in.command->run(&in);
}
