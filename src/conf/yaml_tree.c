/* SPDX-License-Identifier: ISC */

#include "conf/yaml_tree.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

struct level {
	struct node *node;
	const char *key; /* read, its value not yet */
	unsigned key_line;
};

struct builder {
	struct arena *arena;
	const char *file;
	struct span text;
	struct faults *faults;
	struct node *root;
	struct level levels[NODE_DEPTH_MAX];
	size_t depth;
	size_t nodes;
	bool ended; /* the one document */
};

static unsigned
line_of(yaml_mark_t mark)
{
	return (unsigned)mark.line + 1;
}

static int
refuse(
    struct builder *b, yaml_mark_t mark, const char *found, const char *allowed)
{
	fault_add(b->faults, b->file, line_of(mark), "yaml",
	    "found %s at column %zu; allowed %s", found, mark.column + 1,
	    allowed);
	return -EINVAL;
}

static int
out_of_memory(struct builder *b)
{
	fault_nomem(b->faults, b->file);
	return -ENOMEM;
}

/* libyaml gives what its reader refuses an offset, and no line. */
static yaml_mark_t
mark_at(struct span text, size_t offset)
{
	yaml_mark_t mark = { 0 };

	for (size_t i = 0; i < offset && i < text.n; i++) {
		mark.column += ((unsigned char)text.p[i] & 0xc0) != 0x80;
		if (text.p[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

/* The column of a tab that indents this line, from 1; 0 if none does. */
static size_t
tab_in_indent(struct span text, size_t line)
{
	const char *end = text.p + text.n;
	const char *p = text.p;

	for (; line > 0 && p < end; p++)
		if (*p == '\n')
			line--;
	for (const char *start = p; p < end && (*p == ' ' || *p == '\t'); p++)
		if (*p == '\t')
			return (size_t)(p - start) + 1;
	return 0;
}

static int
syntax_error(struct builder *b, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;
	const char *what = parser->problem;
	size_t tab;

	if (parser->error == YAML_MEMORY_ERROR)
		return out_of_memory(b);
	if (parser->error == YAML_READER_ERROR)
		mark = mark_at(b->text, parser->problem_offset);
	tab = tab_in_indent(b->text, mark.line);
	if (parser->error == YAML_SCANNER_ERROR && tab > 0) {
		mark.column = tab - 1;
		return refuse(b, mark, "a tab", "spaces to indent");
	}
	fault_add(b->faults, b->file, line_of(mark), "yaml",
	    "found no YAML at column %zu: %s; allowed YAML 1.2",
	    mark.column + 1, what != NULL ? what : "unreadable");
	return -EINVAL;
}

static struct node *
new_node(struct builder *b, enum node_kind kind, yaml_mark_t mark)
{
	struct node *n = arena_alloc(b->arena, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->kind = kind;
	n->line = line_of(mark);
	return n;
}

/* Hang it where it belongs: below the innermost list or map, or as root. */
static int
place(struct builder *b, struct node *n, yaml_mark_t mark)
{
	struct level *top = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;

	if (++b->nodes > NODES_MAX)
		return refuse(b, mark, "a value too many", "20000 in a file");
	if (top == NULL) {
		b->root = n;
		return 0;
	}
	if (top->node->kind == NODE_MAP) {
		n->key = top->key;
		n->line = top->key_line;
		top->key = NULL;
	}
	node_append(top->node, n);
	return 0;
}

static bool
wants_key(const struct builder *b)
{
	const struct level *top;

	if (b->depth == 0)
		return false;
	top = &b->levels[b->depth - 1];
	return top->node->kind == NODE_MAP && top->key == NULL;
}

static int
take_key(struct builder *b, const char *text, yaml_mark_t mark)
{
	struct level *top = &b->levels[b->depth - 1];
	const struct node *twin = node_get(top->node, text);

	if (twin != NULL) {
		fault_add(b->faults, b->file, line_of(mark), text,
		    "found a key that stands in line %u already; allowed once",
		    twin->line);
		return -EINVAL;
	}
	if (top->node->n >= NODE_KEYS_MAX)
		return refuse(b, mark, "a key too many", "1024 in a mapping");
	top->key = text;
	top->key_line = line_of(mark);
	return 0;
}

static int
refuse_marks(struct builder *b, yaml_mark_t mark, const yaml_char_t *anchor,
    const yaml_char_t *tag)
{
	if (anchor != NULL)
		return refuse(b, mark, "an anchor", "every value written out");
	if (tag != NULL)
		return refuse(b, mark, "a tag", "values without a tag");
	return 0;
}

static int
on_scalar(struct builder *b, const yaml_event_t *ev)
{
	const char *value = (const char *)ev->data.scalar.value;
	struct span s = { value, ev->data.scalar.length };
	struct node *n;
	char *text;
	int r;

	r = refuse_marks(
	    b, ev->start_mark, ev->data.scalar.anchor, ev->data.scalar.tag);
	if (r < 0)
		return r;
	if (strlen(value) != s.n)
		return refuse(
		    b, ev->start_mark, "a NUL in a string", "text without one");
	text = arena_copy(b->arena, s);
	if (text == NULL)
		return out_of_memory(b);
	if (wants_key(b))
		return take_key(b, text, ev->start_mark);
	n = new_node(b, NODE_STRING, ev->start_mark);
	if (n == NULL)
		return out_of_memory(b);
	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		node_resolve(n, text);
	else
		n->text = text;
	return place(b, n, ev->start_mark);
}

static int
on_start(struct builder *b, enum node_kind kind, yaml_mark_t mark)
{
	struct node *n;
	int r;

	if (wants_key(b))
		return refuse(b, mark, "a list or mapping as a key", "text");
	if (b->depth == NODE_DEPTH_MAX)
		return refuse(b, mark, "a level too many", "32");
	n = new_node(b, kind, mark);
	if (n == NULL)
		return out_of_memory(b);
	r = place(b, n, mark);
	if (r == 0)
		b->levels[b->depth++] = (struct level){ .node = n };
	return r;
}

static int
on_document(struct builder *b, const yaml_event_t *ev)
{
	const yaml_version_directive_t *v =
	    ev->data.document_start.version_directive;

	if (b->ended)
		return refuse(
		    b, ev->start_mark, "a second document", "one in a file");
	if (v != NULL && (v->major != 1 || v->minor != 2))
		return refuse(
		    b, ev->start_mark, "another version of YAML", "1.2");
	return 0;
}

static int
on_event(struct builder *b, const yaml_event_t *ev)
{
	int r;

	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(b, ev);
	case YAML_MAPPING_START_EVENT:
		r = refuse_marks(b, ev->start_mark,
		    ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
		return r < 0 ? r : on_start(b, NODE_MAP, ev->start_mark);
	case YAML_SEQUENCE_START_EVENT:
		r = refuse_marks(b, ev->start_mark,
		    ev->data.sequence_start.anchor,
		    ev->data.sequence_start.tag);
		return r < 0 ? r : on_start(b, NODE_LIST, ev->start_mark);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(
		    b, ev->start_mark, "an alias", "every value written out");
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, ev);
	case YAML_DOCUMENT_END_EVENT:
		b->ended = true;
		return 0;
	default:
		return 0;
	}
}

static int
build(struct builder *b, yaml_parser_t *parser)
{
	bool over = false;
	int r = 0;

	while (!over && r == 0) {
		yaml_event_t ev;

		if (!yaml_parser_parse(parser, &ev))
			return syntax_error(b, parser);
		over = ev.type == YAML_STREAM_END_EVENT;
		r = on_event(b, &ev);
		yaml_event_delete(&ev);
	}
	return r;
}

struct node *
yaml_tree(struct arena *a, const char *file, struct span text, struct faults *f)
{
	struct builder b = {
		.arena = a,
		.file = file,
		.text = text,
		.faults = f,
	};
	yaml_parser_t parser;
	int r;

	if (!yaml_parser_initialize(&parser)) {
		out_of_memory(&b);
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &parser, (const unsigned char *)text.p, text.n);
	r = build(&b, &parser);
	yaml_parser_delete(&parser);
	if (r == 0 && b.root == NULL)
		b.root = new_node(&b, NODE_MAP, (yaml_mark_t){ 0 });
	if (r == 0 && b.root == NULL)
		out_of_memory(&b);
	if (r == 0 && b.root != NULL && b.root->kind == NODE_NULL)
		b.root->kind = NODE_MAP; /* `---` and nothing below it */
	return r == 0 ? b.root : NULL;
}
