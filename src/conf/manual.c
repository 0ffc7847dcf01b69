/* SPDX-License-Identifier: ISC */

#include "conf/manual.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "conf/schema.h"

#define WIDTH 76

/* --- prose ---------------------------------------------------------------- */

static const char mdoc_head[] =
    ".Dd $Mdocdate$\n"
    ".Dt DROVER.YAML 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm drover.yaml\n"
    ".Nd what drover runs, and how\n"
    ".Sh DESCRIPTION\n"
    "The configuration is one file,\n"
    ".Nm ,\n"
    "and one more for each service, whose name ends in\n"
    ".Pa .yaml ,\n"
    "in the folder\n"
    ".Pa services.d\n"
    "beside it.\n"
    "They are YAML 1.2 with its core types:\n"
    ".Li true\n"
    "and\n"
    ".Li false\n"
    "are the only truth values, and\n"
    ".Li yes , no , on\n"
    "and\n"
    ".Li off\n"
    "are text.\n"
    "Anchors, aliases, tags and a second document are refused, and so is\n"
    "a key that is not described here or stands twice.\n"
    "A file may have 1 MiB and 32 levels.\n"
    ".Pp\n"
    "A duration is a number with\n"
    ".Li ms , s , m , h\n"
    "or\n"
    ".Li d ;\n"
    "a size is a number with\n"
    ".Li B , KiB , MiB\n"
    "or\n"
    ".Li GiB .\n"
    "A name is a lower-case letter, then lower-case letters, digits and\n"
    "dashes, at most 63 in all.\n"
    ".Pp\n"
    ".Nm drover Cm check\n"
    "says what is wrong, at most 20 errors at a time;\n"
    ".Nm drover Cm plan\n"
    "says what a reload would change, and\n"
    ".Nm drover Cm reload\n"
    "does it, as a whole or not at all.\n"
    "After each key stands what a reload does when it changes: it is applied\n"
    "in place, the service's processes are replaced one by one, or\n"
    ".Nm drover\n"
    "itself must be restarted and the reload is refused.\n";

static const char mdoc_tail[] =
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa " DROVER_SYSCONFDIR "/drover.yaml\n"
    "The configuration, unless\n"
    ".Fl Fl config\n"
    "names another.\n"
    ".It Pa " DROVER_SYSCONFDIR "/services.d/*.yaml\n"
    "One service a file.\n"
    ".El\n"
    ".Sh EXAMPLES\n"
    "A program that knows nothing of\n"
    ".Nm drover ,\n"
    "twice:\n"
    ".Bd -literal -offset indent\n"
    "service: files\n"
    "command: [python3, -m, http.server, --bind, 127.0.0.1, \"${PORT}\"]\n"
    "directory: /srv/files\n"
    "listen: port\n"
    "replicas: 2\n"
    "route: [{path: /files/, strip: true}]\n"
    ".Ed\n"
    ".Sh SEE ALSO\n"
    ".Xr drover 1\n";

static const char markdown_head[] =
    "# Configuration\n"
    "\n"
    "`drover.yaml`, and one file for each service in `services.d` beside "
    "it, in YAML 1.2.\n"
    "Durations are written `250ms`, `5s`, `2m`, `1h`; sizes `64KiB`, "
    "`512MiB`, `4GiB`.\n"
    "A key that does not stand here is an error. `drover check` says what "
    "is wrong,\n"
    "`drover plan` what a reload would change, and `drover reload` does it, "
    "as a whole or\n"
    "not at all. The last column says what a change asks for: *live* is "
    "applied in place,\n"
    "*processes* replaces the service's processes one by one, *drover* "
    "needs a restart of\n"
    "drover, and a reload refuses it.\n"
    "\n"
    "This page is made from the table that the configuration is read by "
    "(`src/conf/mkconf\n"
    "markdown`), as is drover.yaml(5). `conf/` holds an example of every "
    "key.\n";

/* --- what both say -------------------------------------------------------- */

static bool
is_group(const struct schema *row)
{
	return row->type == SCHEMA_GROUP || row->type == SCHEMA_CHECK ||
	    row->type == SCHEMA_ELEMENTS;
}

static bool
has_range(const struct schema *row)
{
	switch (row->type) {
	case SCHEMA_INT:
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_PERCENT:
	case SCHEMA_REPLICAS:
	case SCHEMA_WORKERS:
		return true;
	default:
		return row->choices != NULL;
	}
}

/* "an integer from 1 to 256" for what has a range, else the type's name. */
static void
describe_type(const struct schema *row, char *out, size_t size)
{
	char *example;

	if (!has_range(row)) {
		snprintf(out, size, "%s", schema_type_name(row->type));
		return;
	}
	schema_allowed(row, out, size);
	example = strstr(out, ", as ");
	if (example != NULL)
		*example = '\0';
}

static const char *
describe_default(const struct schema *row)
{
	if (row->required)
		return "required";
	return row->preset != NULL ? row->preset : row->derived;
}

/* --- mdoc ----------------------------------------------------------------- */

static int
put_word(struct buf *out, struct span word)
{
	int r = 0;

	if (word.n > 0 && (*word.p == '.' || *word.p == '\''))
		r = buf_puts(out, "\\&");
	return r == 0 ? buf_append(out, word.p, word.n) : r;
}

/* A sentence begins a line, as mdoc wants it; no line is over WIDTH. */
static int
put_text(struct buf *out, const char *text)
{
	struct span rest = span_of(text), word;
	size_t column = 0;
	bool ended = false;
	int r = 0;

	while (r == 0 && span_next(&rest, ' ', &word)) {
		if (column > 0) {
			bool wrap = ended || column + word.n >= WIDTH;

			r = buf_puts(out, wrap ? "\n" : " ");
			column = wrap ? 0 : column + 1;
		}
		if (r == 0)
			r = put_word(out, word);
		column += word.n;
		ended = word.n > 1 && word.p[word.n - 1] == '.';
	}
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int
put_mdoc_facts(struct buf *out, const struct schema *row)
{
	static const char *const reload[] = {
		[SCHEMA_LIVE] = "applied in place",
		[SCHEMA_RESPAWN] = "replaces the processes",
		[SCHEMA_DROVER] = "refused",
	};
	char type[ERR_MAX], text[2 * ERR_MAX];

	describe_type(row, type, sizeof(type));
	if (describe_default(row) != NULL)
		snprintf(text, sizeof(text), "(%s; %s%s; reload: %s)", type,
		    row->required ? "" : "default: ", describe_default(row),
		    reload[row->reload]);
	else
		snprintf(text, sizeof(text), "(%s)", type);
	return put_text(out, text);
}

static int
put_mdoc_keys(struct buf *out, const struct schema *row)
{
	int r = buf_puts(out, ".Bl -tag -width Ds\n");

	for (; r == 0 && row->path != NULL; row++) {
		r = buf_printf(out, ".It Ic %s\n", row->path);
		if (r == 0)
			r = put_text(out, row->text);
		if (r == 0)
			r = put_mdoc_facts(out, row);
	}
	return r == 0 ? buf_puts(out, ".El\n") : r;
}

int
conf_manual_mdoc(struct buf *out)
{
	int r = buf_puts(out, mdoc_head);

	if (r == 0)
		r = buf_puts(out, ".Sh DROVER.YAML\n");
	if (r == 0)
		r = put_mdoc_keys(out, schema_root);
	if (r == 0)
		r = buf_puts(out, ".Sh SERVICES\n");
	if (r == 0)
		r = put_mdoc_keys(out, schema_service);
	return r == 0 ? buf_puts(out, mdoc_tail) : r;
}

/* --- markdown ------------------------------------------------------------- */

/* A table's cell: `|` ends it, and `*` and `<` mean something else. */
static int
put_cell(struct buf *out, const char *text)
{
	int r = buf_puts(out, "| ");

	for (; r == 0 && *text != '\0'; text++) {
		if (strchr("|*<_", *text) != NULL)
			r = buf_puts(out, "\\");
		if (r == 0)
			r = buf_append(out, text, 1);
	}
	return r == 0 ? buf_puts(out, " ") : r;
}

static int
put_markdown_row(struct buf *out, const struct schema *row)
{
	static const char *const reload[] = {
		[SCHEMA_LIVE] = "live",
		[SCHEMA_RESPAWN] = "processes",
		[SCHEMA_DROVER] = "drover",
	};
	const char *preset = describe_default(row);
	char type[ERR_MAX];
	int r = buf_printf(out, "| `%s` ", row->path);

	describe_type(row, type, sizeof(type));
	if (r == 0)
		r = put_cell(out, type);
	if (r == 0)
		r = put_cell(out, preset != NULL ? preset : "");
	if (r == 0)
		r = put_cell(out, row->text);
	return r == 0 ? buf_printf(out, "| %s |\n",
			    is_group(row) && row->type != SCHEMA_ELEMENTS
				? ""
				: reload[row->reload])
		      : r;
}

static int
put_markdown_table(struct buf *out, const char *title, const struct schema *row)
{
	int r = buf_printf(out,
	    "\n## %s\n\n"
	    "| key | type | default | what | change |\n"
	    "|---|---|---|---|---|\n",
	    title);

	for (; r == 0 && row->path != NULL; row++)
		r = put_markdown_row(out, row);
	return r;
}

int
conf_manual_markdown(struct buf *out)
{
	int r = buf_puts(out, markdown_head);

	if (r == 0)
		r = put_markdown_table(out, "drover.yaml", schema_root);
	if (r == 0)
		r = put_markdown_table(
		    out, "services.d/*.yaml", schema_service);
	return r;
}
