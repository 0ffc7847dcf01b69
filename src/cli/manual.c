/* SPDX-License-Identifier: ISC */

/* drover(1): what the table says, between what it does not. */

#include <string.h>

#include "cli/help.h"

#define WIDTH 76

static const char head[] =
    ".Dd $Mdocdate$\n"
    ".Dt DROVER 1\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm drover\n"
    ".Nd keep a herd of HTTP services running, and drive traffic to them\n"
    ".Sh SYNOPSIS\n"
    ".Nm\n"
    ".Ar command\n"
    ".Op Ar options\n"
    ".Op Ar arguments\n"
    ".Sh DESCRIPTION\n"
    ".Nm\n"
    "starts HTTP services as child processes, checks their health, restarts\n"
    "them, and balances requests over every healthy copy.\n"
    ".Nm drover Cm run\n"
    "is the daemon;\n"
    "the other commands ask it over its admin socket, except for\n"
    ".Cm check , version , completion\n"
    "and\n"
    ".Cm help ,\n"
    "which need none.\n"
    ".Pp\n"
    "Where a command takes\n"
    ".Ar service Ns | Ns Ar instance ,\n"
    "a name with a dot, like\n"
    ".Li image.0 ,\n"
    "is an instance.\n"
    "Options may stand before and behind the command.\n"
    ".Sh COMMANDS\n"
    ".Bl -tag -width Ds\n";

static const char tail[] =
    ".Sh ENVIRONMENT\n"
    ".Bl -tag -width DROVER_ADMIN\n"
    ".It Ev DROVER_ADMIN\n"
    "The admin socket, where\n"
    ".Fl Fl socket\n"
    "does not name it.\n"
    ".It Ev NO_COLOR\n"
    "Not empty: no colour on a terminal.\n"
    ".El\n"
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa " CLI_CONFIG "\n"
    "The configuration; one service a file stands in\n"
    ".Pa services.d\n"
    "beside it.\n"
    ".It Pa " CLI_SOCKET "\n"
    "The admin socket.\n"
    ".It Pa drover.service\n"
    "The systemd unit of the whole herd: reload, restart and stop it.\n"
    ".It Pa drover-control.service\n"
    "The unit of the control process, which can be restarted at any time.\n"
    ".It Pa drover.socket\n"
    "The public port, opened by systemd; not enabled by itself.\n"
    ".El\n"
    ".Sh EXIT STATUS\n"
    ".Bl -tag -width Ds -compact\n"
    ".It 0\nall is well\n"
    ".It 1\nan error\n"
    ".It 2\nwrong usage\n"
    ".It 3\n"
    "something is unhealthy, or did not get ready within the timeout\n"
    ".It 4\n"
    "a conflict: another change is under way, or came before\n"
    ".It 5\nno daemon could be reached\n"
    ".It 10\n"
    ".Cm plan\n"
    "found changes\n"
    ".El\n"
    ".Sh EXAMPLES\n"
    "Add a copy of a service, and go on when it takes requests:\n"
    ".Pp\n"
    ".Dl $ drover scale image=3 --wait --timeout 2m\n"
    ".Pp\n"
    "Apply the configuration only if it would change something:\n"
    ".Pp\n"
    ".Dl $ drover check && { drover plan || drover reload --wait; }\n"
    ".Pp\n"
    "Let a shell complete commands and names:\n"
    ".Pp\n"
    ".Dl $ eval \\(dq$(drover completion bash)\\(dq\n";

/* "[service|instance]" as mdoc: Oo Ar service Ns | Ns Ar instance Oc */
static int
put_args(struct buf *out, const struct command *c)
{
	struct span rest = span_of(c->args), part;
	bool optional = c->min == 0, first = true;
	int r = 0;

	if (rest.n == 0)
		return 0;
	if (optional) /* the brackets are mdoc's */
		rest = (struct span){ rest.p + 1, rest.n - 2 };
	r = buf_puts(out, optional ? " Oo" : "");
	while (r == 0 && span_next(&rest, '|', &part)) {
		r = buf_printf(out, "%s Ar %.*s", first ? "" : " Ns | Ns",
		    (int)part.n, part.p);
		first = false;
	}
	return r == 0 && optional ? buf_puts(out, " Oc") : r;
}

/* The bytes up to the next space, or to the end. */
static size_t
word_length(const char *s)
{
	return strcspn(s, " \n");
}

/* A sentence begins a line, as mdoc wants it; no line is over WIDTH. */
static int
put_sentences(struct buf *out, const char *text)
{
	size_t column = 0;
	int r = 0;

	for (const char *p = text; *p != '\0' && r == 0; p++) {
		bool over = column + word_length(p + 1) >= WIDTH;

		if (*p == '\n') {
			r = buf_puts(out, "\n.Pp\n");
			column = 0;
		} else if (*p == ' ' && (over || p[-1] == '.')) {
			r = buf_puts(out, "\n");
			column = 0;
		} else {
			r = buf_append(out, p, 1);
			column++;
		}
	}
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int
put_option(struct buf *out, const struct option_row *o)
{
	int r = buf_puts(out, ".It");

	if (r == 0 && o->letter != 0)
		r = buf_printf(out, " Fl %c ,", o->letter);
	if (r == 0)
		r = buf_printf(out, " Fl Fl %s", o->name);
	if (r == 0 && o->value != NULL)
		r = buf_printf(out, " Ar %s", o->value);
	if (r == 0)
		r = buf_puts(out, "\n");
	return r == 0 ? put_sentences(out, o->text) : r;
}

static int
put_option_names(struct buf *out, unsigned set)
{
	int r = 0;

	for (size_t i = 0; i < noptions && r == 0; i++) {
		if ((set & options[i].bit) == 0)
			continue;
		r = buf_printf(out, " Oo Fl Fl %s", options[i].name);
		if (r == 0 && options[i].value != NULL)
			r = buf_printf(out, " Ar %s", options[i].value);
		if (r == 0)
			r = buf_puts(out, " Oc");
	}
	return r;
}

static int
put_command(struct buf *out, const struct command *c)
{
	int r = buf_printf(out, ".It Cm %s", c->name);

	if (r == 0)
		r = put_option_names(out, c->options & ~(unsigned)OPTS_ALL);
	if (r == 0)
		r = put_args(out, c);
	if (r == 0)
		r = buf_printf(
		    out, "\n%c%s.\n", c->brief[0] - ('a' - 'A'), c->brief + 1);
	if (r == 0)
		r = put_sentences(out, c->text);
	if (r == 0 && c->role != NULL)
		r = buf_printf(out, "Needs the role\n.Li %s .\n", c->role);
	return r;
}

int
help_manual(struct buf *out)
{
	int r = buf_puts(out, head);

	for (size_t i = 0; i < ncommands && r == 0; i++)
		r = put_command(out, &commands[i]);
	if (r == 0)
		r = buf_puts(out, ".El\n.Sh OPTIONS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < noptions && r == 0; i++)
		r = put_option(out, &options[i]);
	if (r == 0)
		r = buf_puts(out, ".El\n");
	return r == 0 ? buf_puts(out, tail) : r;
}
