/* SPDX-License-Identifier: ISC */

/* The shorter views: nodes, changes, events, lines. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/show.h"
#include "cli/table.h"

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void
add_node(struct table *t, const json_t *node)
{
	bool live = json_is_true(json_object_get(node, "live"));
	bool self = json_is_true(json_object_get(node, "self"));
	json_int_t lease_ms = json_number(node, "lease_ms");
	char lease[32];

	table_add(t, PLAIN, "%s%s", or_dash(json_text(node, "node")),
	    self ? " (this)" : "");
	table_add(t, live ? GREEN : YELLOW, live ? "up" : "suspect");
	table_add(t, PLAIN, "%s", or_dash(json_text(node, "address")));
	table_add(t, PLAIN, "%s",
	    lease_ms > 0 ? str_show_ms(lease, sizeof(lease), (uint64_t)lease_ms)
			 : "-");
}

int
show_nodes(const json_t *view, bool colour, struct buf *out)
{
	/* clang-format off */
	static const struct table_column columns[] = {
		{ "NODE", 8, 2 }, { "STATE", 7, 2 }, { "ADDRESS", 7, 2 },
		{ "LEASE", 5, 0 }, { NULL, 0, 0 },
	};
	/* clang-format on */
	const json_t *nodes = json_object_get(view, "nodes");
	struct table t;
	size_t i;
	json_t *node;
	int r;

	table_init(&t, columns, colour);
	json_array_foreach(nodes, i, node) add_node(&t, node);
	r = json_array_size(nodes) > 0
	    ? table_print(&t, out)
	    : buf_puts(out, "the registry knows no nodes\n");
	table_done(&t);
	return r;
}

static const char *
change_mark(const char *kind)
{
	static const struct {
		const char *kind;
		const char *mark;
	} marks[] = {
		{ "added", "+" },
		{ "removed", "-" },
		{ "changed", "~" },
		{ "restarted", "!" },
	};

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (strcmp(marks[i].kind, kind) == 0)
			return marks[i].mark;
	return "*";
}

static int
show_change(const json_t *change, struct buf *out)
{
	const char *kind = json_text(change, "kind");
	const char *service = json_text(change, "service");
	const char *key = json_text(change, "key");
	const char *from = json_text(change, "from");
	const char *to = json_text(change, "to");
	int r = buf_printf(out, "%s %s %s", change_mark(kind),
	    service[0] != '\0' ? service : "drover.yaml", kind);

	if (r == 0 && key[0] != '\0')
		r = buf_printf(out, "  %s", key);
	if (r == 0 && (from[0] != '\0' || to[0] != '\0'))
		r = buf_printf(out, ": %s -> %s", or_dash(from), or_dash(to));
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int
show_held(const json_t *plan, struct buf *out)
{
	const json_t *held = json_object_get(plan, "held");
	size_t i;
	json_t *one;
	int r = 0;

	json_array_foreach(held, i, one) if (r == 0) r = buf_printf(out,
	    "= %s held at the version before: %s; reload --retry tries the "
	    "one in the files\n",
	    json_text(one, "service"), json_text(one, "why"));
	return r;
}

int
show_changes(const json_t *plan, struct buf *out)
{
	const json_t *changes = json_object_get(plan, "changes");
	size_t i;
	json_t *change;
	int r = show_held(plan, out);

	if (r == 0 && json_array_size(changes) == 0)
		return buf_puts(out, "nothing changes\n");
	json_array_foreach(changes, i, change) if (r == 0)
	    r = show_change(change, out);
	return r;
}

int
show_event(const json_t *event, struct buf *out)
{
	const char *who = json_text(event, "instance");
	const char *cause = json_text(event, "cause");
	json_int_t ms = json_number(event, "ms");
	char took[32];
	int r;

	if (who[0] == '\0')
		who = json_text(event, "service");
	if (who[0] == '\0')
		who = json_text(event, "type");
	r = buf_printf(out, "%s %s %s -> %s", json_text(event, "at"), who,
	    or_dash(json_text(event, "from")), or_dash(json_text(event, "to")));
	if (r == 0 && cause[0] != '\0')
		r = buf_printf(out, " cause=%s", cause);
	if (r == 0 && ms > 0)
		r = buf_printf(out, " after %s",
		    str_show_ms(took, sizeof(took), (uint64_t)ms));
	return r == 0 ? buf_puts(out, "\n") : r;
}

int
show_line(const json_t *line, bool clean, struct buf *out)
{
	size_t start = out->len;
	int r = buf_printf(out, "%s %s | %s\n", json_text(line, "at"),
	    json_text(line, "instance"), json_text(line, "line"));

	if (r < 0 || !clean)
		return r;
	text_clean(out->data + start);
	out->len = start + strlen(out->data + start);
	return 0;
}

/* ESC [ ... letter, ESC ] ... BEL or ESC \, or ESC and one character. */
static const char *
skip_escape(const char *s)
{
	char kind = *s;

	if (kind == '\0')
		return s;
	s++;
	if (kind == '[')
		while (*s != '\0' && !(*s >= '@' && *s <= '~'))
			s++;
	else if (kind == ']')
		while (*s != '\0' && *s != '\a' && *s != '\033')
			s++;
	else
		return s;
	if (s[0] == '\033' && s[1] == '\\')
		s++;
	return *s != '\0' ? s + 1 : s;
}

void
text_clean(char *text)
{
	const char *from = text;
	char *to = text;

	while (*from != '\0') {
		unsigned char c = (unsigned char)*from++;

		if (c == '\033')
			from = skip_escape(from);
		else
			*to++ = (char)(c != '\t' && c != '\n' &&
				    (c < ' ' || c == 0x7f)
				? '?'
				: c);
	}
	*to = '\0';
}
