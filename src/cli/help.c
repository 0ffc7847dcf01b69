/* SPDX-License-Identifier: ISC */

#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 76

static int
put_paragraph(struct buf *out, struct span text)
{
	size_t column = 0;
	struct span word;
	int r = 0;

	while (r == 0 && span_next(&text, ' ', &word)) {
		if (column > 0 && column + 1 + word.n > WIDTH) {
			r = buf_puts(out, "\n");
			column = 0;
		}
		if (r == 0 && column > 0)
			r = buf_puts(out, " ");
		if (r == 0)
			r = buf_append(out, word.p, word.n);
		column += word.n + (column > 0);
	}
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int
put_text(struct buf *out, const char *text)
{
	struct span rest = span_of(text), paragraph;
	int r = 0;

	while (r == 0 && span_next(&rest, '\n', &paragraph))
		r = put_paragraph(out, paragraph);
	return r;
}

/* "-f, --follow" */
static const char *
option_words(char *out, size_t size, const struct option_row *o)
{
	char letter[8] = "";

	if (o->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(out, size, "%s--%s%s%s", letter, o->name,
	    o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
	return out;
}

static int
put_options(struct buf *out, unsigned set)
{
	char words[64];
	int r = 0;

	for (size_t i = 0; i < noptions && r == 0; i++)
		if (set & options[i].bit)
			r = buf_printf(out, "  %-22s  %s\n",
			    option_words(words, sizeof(words), &options[i]),
			    options[i].text);
	return r;
}

int
help_all(struct buf *out)
{
	int r = buf_puts(out,
	    "drover keeps a herd of HTTP services running, and drives traffic "
	    "to them.\n\nusage: drover COMMAND [options] [arguments]\n\n");

	for (size_t i = 0; i < ncommands && r == 0; i++)
		r = buf_printf(
		    out, "  %-12s%s\n", commands[i].name, commands[i].brief);
	if (r == 0)
		r = buf_puts(out,
		    "\n`drover help COMMAND` says more; so does drover(1).\n");
	return r;
}

int
help_command(const struct command *c, struct buf *out)
{
	char usage[256];
	int r;

	command_usage(usage, sizeof(usage), c);
	r = buf_printf(out, "usage: %s\n\n%s: %s\n", usage, c->name, c->brief);
	if (r == 0)
		r = put_text(out, c->text);
	if (r == 0)
		r = buf_puts(out, "\n");
	return r == 0 ? put_options(out, c->options) : r;
}
