/* SPDX-License-Identifier: ISC */

/*
 * command - one row for each command of the command line
 *
 * The rows and the table of options are all there is: parsing, usage, help,
 * completion and the manual page are made from them.
 */

#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/cli.h"

/* What the shell offers for an argument. */
enum command_words {
	WORDS_NONE,
	WORDS_SERVICE,
	WORDS_TARGET, /* service or instance */
	WORDS_SCALE,  /* service= */
	WORDS_SHELL,
	WORDS_ROLLOUT, /* a verb of rollout, or a service */
	WORDS_COMMAND
};

/* Options; a set of them stands in each row. */
enum {
	OPT_HELP = 1,
	OPT_JSON = 2,
	OPT_SOCKET = 4,
	OPT_CONFIG = 8,
	OPT_WAIT = 16,
	OPT_TIMEOUT = 32,
	OPT_FOLLOW = 64,
	OPT_SINCE = 128,
	OPT_LINES = 256,
	OPT_GENERATION = 512,
	OPT_ATTACH = 1024,
	OPT_CANARY = 2048,
	OPT_RETRY = 4096,
	OPT_ONCE = 8192
};

#define OPTS_ALL (OPT_HELP | OPT_JSON | OPT_SOCKET)
#define OPTS_CHANGE (OPTS_ALL | OPT_WAIT | OPT_TIMEOUT | OPT_GENERATION)

struct option_row {
	unsigned bit;
	char letter;	   /* 0: none */
	const char *name;  /* without the dashes */
	const char *value; /* what stands for its value; NULL: it has none */
	const char *text;
};

/* One call of the program, parsed. */
struct invocation {
	const struct command *command; /* NULL: none was given */
	unsigned given;		       /* options */
	const char *socket;
	const char *config;
	uint64_t timeout_ms;
	const char *since;
	unsigned lines;
	uint64_t generation;
	unsigned canary; /* 0: none */
	char *const *args;
	size_t nargs;
	const struct cli_daemon *daemon;
};

struct command {
	const char *name;
	const char *args; /* "[service]", for people */
	size_t min, max;  /* of them */
	enum command_words words;
	unsigned options;
	const char *role; /* what the admin API asks for; NULL: not asked */
	const char *brief;
	const char *text; /* the manual's: paragraphs with newlines between */
	int (*run)(const struct invocation *in);
};

extern const struct command commands[];
extern const size_t ncommands;
extern const struct option_row options[];
extern const size_t noptions;

const struct command *command_find(const char *name); /* or NULL */
const char *command_nearest(const char *name);	      /* or NULL */

/*
 * Options may stand anywhere, before and behind the command; "--" ends them.
 * argv is reordered: in->args points into it. -EINVAL with what is wrong, and
 * in->command as far as it was known.
 */
int command_parse(
    int argc, char **argv, struct invocation *in, struct err *err) MUST_CHECK;

/* "drover status [service]" */
void command_usage(char *out, size_t size, const struct command *command);

#endif /* CLI_COMMAND_H */
