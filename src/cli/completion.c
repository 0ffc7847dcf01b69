/* SPDX-License-Identifier: ISC */

/*
 * Scripts for shells, made from the table. They ask `drover completion names`
 * for services and instances, so that they offer what runs.
 */

#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/show.h"

#define ROLLOUT_VERBS "status promote undo pause resume"

#define SCRIPT_MAX (256 * 1024)

static const char *const shells[] = { "bash", "zsh", "fish", "names" };

/* In single quotes; an apostrophe steps out of them, in all three shells. */
static int
put_quoted(struct buf *out, const char *before, const char *text)
{
	int r = buf_printf(out, "'%s", before);

	for (; *text != '\0' && r == 0; text++)
		r = *text == '\'' ? buf_puts(out, "'\\''")
				  : buf_append(out, text, 1);
	return r == 0 ? buf_puts(out, "'") : r;
}

static int
put_command_names(struct buf *out, const char *between)
{
	int r = 0;

	for (size_t i = 0; i < ncommands && r == 0; i++)
		r = buf_printf(
		    out, "%s%s", i > 0 ? between : "", commands[i].name);
	return r;
}

static int
put_option_names(struct buf *out, unsigned set)
{
	int r = 0;

	for (size_t i = 0; i < noptions && r == 0; i++)
		if (set & options[i].bit)
			r = buf_printf(out, "--%s ", options[i].name);
	return r;
}

/* The words for a command's argument, as a shell's word list. */
static const char *
words_of(const struct command *c)
{
	switch (c->words) {
	case WORDS_SERVICE:
		return "$(drover completion names 2>/dev/null | grep -v '[.]')";
	case WORDS_TARGET:
		return "$(drover completion names 2>/dev/null)";
	case WORDS_SCALE:
		return "$(drover completion names 2>/dev/null | "
		       "sed '/[.]/d;s/$/=/')";
	case WORDS_SHELL:
		return "bash zsh fish names";
	case WORDS_ROLLOUT:
		return ROLLOUT_VERBS " $(drover completion names 2>/dev/null | "
				     "grep -v '[.]')";
	default:
		return "";
	}
}

/* --- bash ----------------------------------------------------------------- */

static int
put_bash_case(struct buf *out, const struct command *c)
{
	int r = buf_printf(out, "\t%s)\n\t\toptions=\"", c->name);

	if (r == 0)
		r = put_option_names(out, c->options);
	if (r == 0 && c->words == WORDS_COMMAND)
		r = buf_puts(out, "\"\n\t\twords=\"$commands\"\n\t\t;;\n");
	else if (r == 0)
		r = buf_printf(
		    out, "\"\n\t\twords=\"%s\"\n\t\t;;\n", words_of(c));
	return r;
}

static int
put_bash(struct buf *out)
{
	int r = buf_puts(out,
	    "# bash completion for drover\n"
	    "_drover()\n{\n"
	    "\tlocal current=${COMP_WORDS[COMP_CWORD]}\n"
	    "\tlocal before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	    "\tlocal command=${COMP_WORDS[1]} commands options words\n\n"
	    "\tcommands=\"");

	if (r == 0)
		r = put_command_names(out, " ");
	if (r == 0)
		r = buf_puts(out,
		    "\"\n"
		    "\tcase $before in\n"
		    "\t--config | -c | --socket)\n"
		    "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
		    "\t\treturn\n\t\t;;\n"
		    "\tesac\n"
		    "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$commands\" -- "
		    "\"$current\")\n"
		    "\t\treturn\n\tfi\n"
		    "\tcase $command in\n");
	for (size_t i = 0; i < ncommands && r == 0; i++)
		r = put_bash_case(out, &commands[i]);
	return r < 0
	    ? r
	    : buf_puts(out,
		  "\tesac\n"
		  "\tcase $current in\n"
		  "\t-*) words=$options ;;\n"
		  "\tesac\n"
		  "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
		  "\"$current\")\n"
		  "\tcase ${COMPREPLY[0]} in\n"
		  "\t*=) compopt -o nospace ;;\n"
		  "\tesac\n"
		  "}\n"
		  "complete -F _drover drover\n");
}

/* --- zsh ------------------------------------------------------------------ */

static int
put_zsh_row(
    struct buf *out, const char *dashes, const char *name, const char *text)
{
	char before[64];
	int r = buf_puts(out, "\n\t\t");

	snprintf(before, sizeof(before), "%s%s:", dashes, name);
	return r == 0 ? put_quoted(out, before, text) : r;
}

static int
put_zsh_case(struct buf *out, const struct command *c)
{
	int r = buf_printf(out, "\t%s)\n\t\toptions=(", c->name);

	for (size_t i = 0; i < noptions && r == 0; i++)
		if (c->options & options[i].bit)
			r = put_zsh_row(
			    out, "--", options[i].name, options[i].text);
	if (r == 0 && c->words == WORDS_COMMAND)
		r = buf_puts(out, ")\n\t\twords_=($names)\n\t\t;;\n");
	else if (r == 0)
		r = buf_printf(
		    out, ")\n\t\twords_=(%s)\n\t\t;;\n", words_of(c));
	return r;
}

static int
put_zsh(struct buf *out)
{
	int r = buf_puts(out,
	    "#compdef drover\n"
	    "_drover()\n{\n"
	    "\tlocal -a commands names options words_\n\n"
	    "\tnames=(");

	if (r == 0)
		r = put_command_names(out, " ");
	if (r == 0)
		r = buf_puts(out, ")\n\tcommands=(");
	for (size_t i = 0; i < ncommands && r == 0; i++)
		r = put_zsh_row(out, "", commands[i].name, commands[i].brief);
	if (r == 0)
		r = buf_puts(out,
		    "\n\t)\n"
		    "\tif (( CURRENT == 2 )); then\n"
		    "\t\t_describe command commands\n"
		    "\t\treturn\n\tfi\n"
		    "\tcase $words[CURRENT-1] in\n"
		    "\t--config | -c | --socket)\n"
		    "\t\t_files\n\t\treturn\n\t\t;;\n"
		    "\tesac\n"
		    "\tcase $words[2] in\n");
	for (size_t i = 0; i < ncommands && r == 0; i++)
		r = put_zsh_case(out, &commands[i]);
	return r < 0 ? r
		     : buf_puts(out,
			   "\tesac\n"
			   "\tif [[ $PREFIX == -* ]]; then\n"
			   "\t\t_describe option options\n"
			   "\telse\n"
			   "\t\tcompadd -S '' -- $words_\n"
			   "\tfi\n"
			   "}\n"
			   "compdef _drover drover\n");
}

/* --- fish ----------------------------------------------------------------- */

static const char *
fish_words(const struct command *c)
{
	switch (c->words) {
	case WORDS_SERVICE:
		return "(drover completion names 2>/dev/null | "
		       "string match -v \"*.*\")";
	case WORDS_TARGET:
		return "(drover completion names 2>/dev/null)";
	case WORDS_SCALE:
		return "(drover completion names 2>/dev/null | "
		       "string match -v \"*.*\" | "
		       "string replace -r \\$ =)";
	case WORDS_SHELL:
		return "bash zsh fish names";
	case WORDS_ROLLOUT:
		return ROLLOUT_VERBS " (drover completion names 2>/dev/null | "
				     "string match -v \"*.*\")";
	default:
		return "";
	}
}

static int
put_fish_option(
    struct buf *out, const struct command *c, const struct option_row *o)
{
	int r = buf_printf(out,
	    "complete -c drover -n '__fish_seen_subcommand_from %s' -l %s",
	    c->name, o->name);

	if (r == 0 && o->value != NULL)
		r = buf_puts(out, " -r");
	if (r == 0 && o->letter != 0)
		r = buf_printf(out, " -s %c", o->letter);
	if (r == 0)
		r = buf_puts(out, " -d ");
	if (r == 0)
		r = put_quoted(out, "", o->text);
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int
put_fish_words(struct buf *out, const struct command *c)
{
	int r = buf_printf(out,
	    "complete -c drover -f -n '__fish_seen_subcommand_from %s' -a '",
	    c->name);

	if (r == 0 && c->words == WORDS_COMMAND)
		r = put_command_names(out, " ");
	else if (r == 0)
		r = buf_puts(out, fish_words(c));
	return r == 0 ? buf_puts(out, "'\n") : r;
}

static int
put_fish_command(struct buf *out, const struct command *c)
{
	int r = buf_printf(out,
	    "complete -c drover -f -n __fish_use_subcommand -a %s -d ",
	    c->name);

	if (r == 0)
		r = put_quoted(out, "", c->brief);
	if (r == 0)
		r = buf_puts(out, "\n");
	for (size_t i = 0; i < noptions && r == 0; i++)
		if (c->options & options[i].bit)
			r = put_fish_option(out, c, &options[i]);
	return r == 0 && c->words != WORDS_NONE ? put_fish_words(out, c) : r;
}

static int
put_fish(struct buf *out)
{
	int r = buf_puts(out, "# fish completion for drover\n");

	for (size_t i = 0; i < ncommands && r == 0; i++)
		r = put_fish_command(out, &commands[i]);
	return r;
}

/* --- names ---------------------------------------------------------------- */

static int
put_names(const json_t *services, struct buf *out)
{
	size_t i, k;
	json_t *service, *instance;
	int r = 0;

	json_array_foreach(services, i, service)
	{
		if (r == 0)
			r = buf_printf(out, "%s\n", json_text(service, "name"));
		json_array_foreach(json_object_get(service, "instances"), k,
		    instance) if (r == 0)
		    r = buf_printf(out, "%s\n", json_text(instance, "id"));
	}
	return r;
}

/* Silent without a daemon: a shell asks in the middle of a line. */
static int
names(const struct invocation *in, struct buf *out)
{
	json_t *services;
	int r = remote_try(in, "/v1/services", &services);

	if (r == CLI_OK && put_names(services, out) < 0)
		r = CLI_ERROR;
	json_decref(services);
	return r;
}

int
run_completion(const struct invocation *in)
{
	const char *shell = in->args[0];
	int (*put)(struct buf * out) = NULL;
	struct buf out;
	int r = CLI_OK;

	if (strcmp(shell, "bash") == 0)
		put = put_bash;
	else if (strcmp(shell, "zsh") == 0)
		put = put_zsh;
	else if (strcmp(shell, "fish") == 0)
		put = put_fish;
	else if (strcmp(shell, "names") != 0) {
		const char *near = near_name(shell, shells, ARRAY_LEN(shells));

		fprintf(stderr,
		    "drover completion: %s: there are bash, zsh, fish%s%s%s\n",
		    shell, near != NULL ? "; did you mean " : "",
		    near != NULL ? near : "", near != NULL ? "?" : "");
		return CLI_USAGE;
	}
	buf_init(&out, SCRIPT_MAX);
	if (put == NULL)
		r = names(in, &out);
	else if (put(&out) < 0)
		r = print_failed("completion");
	if (r == CLI_OK)
		r = print_buf(&out);
	buf_done(&out);
	return r;
}
