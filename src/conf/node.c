/* SPDX-License-Identifier: ISC */

#include "conf/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool
is_null(const char *text)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	return one_of(text, words, ARRAY_LEN(words));
}

static bool
is_truth(const char *text, int64_t *number)
{
	static const char *const yes[] = { "true", "True", "TRUE" };
	static const char *const no[] = { "false", "False", "FALSE" };

	*number = one_of(text, yes, ARRAY_LEN(yes));
	return *number != 0 || one_of(text, no, ARRAY_LEN(no));
}

static const char decimal[] = "0123456789";

/* [-+]?[0-9]+, 0o[0-7]+, 0x[0-9a-fA-F]+: the base, or 0. */
static int
integer_base(const char *text)
{
	const char *digits = decimal;
	int base = 10;

	if (strncmp(text, "0o", 2) == 0) {
		digits = "01234567";
		base = 8;
	} else if (strncmp(text, "0x", 2) == 0) {
		digits = "0123456789abcdefABCDEF";
		base = 16;
	}
	if (base != 10)
		text += 2;
	else if (*text == '-' || *text == '+')
		text++;
	return *text != '\0' && text[strspn(text, digits)] == '\0' ? base : 0;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?, .inf and .nan. */
static bool
is_float(const char *text)
{
	static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan",
		".NaN", ".NAN" };
	size_t whole, part = 0;

	if (*text == '-' || *text == '+')
		text++;
	if (one_of(text, words, ARRAY_LEN(words)))
		return true;
	whole = strspn(text, decimal);
	text += whole;
	if (*text == '.') {
		part = strspn(++text, decimal);
		text += part;
	}
	if (whole + part == 0)
		return false;
	if (*text == 'e' || *text == 'E') {
		text += text[1] == '-' || text[1] == '+' ? 2 : 1;
		if (*text == '\0')
			return false;
		text += strspn(text, decimal);
	}
	return *text == '\0';
}

void
node_resolve(struct node *n, const char *text)
{
	int base = integer_base(text);

	n->text = text;
	if (base != 0) {
		errno = 0;
		n->number = strtoll(base == 10 ? text : text + 2, NULL, base);
		n->kind = errno == 0 ? NODE_INT : NODE_OTHER;
	} else if (is_null(text))
		n->kind = NODE_NULL;
	else if (is_truth(text, &n->number))
		n->kind = NODE_BOOL;
	else
		n->kind = is_float(text) ? NODE_OTHER : NODE_STRING;
}

void
node_append(struct node *parent, struct node *child)
{
	if (parent->last != NULL)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
}

const struct node *
node_get(const struct node *map, const char *key)
{
	if (map->kind != NODE_MAP)
		return NULL;
	for (const struct node *n = map->first; n != NULL; n = n->next)
		if (strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

const char *
node_found(const struct node *n, char out[NODE_FOUND_MAX])
{
	int cut = 60;

	switch (n->kind) {
	case NODE_NULL:
		snprintf(out, NODE_FOUND_MAX, "nothing");
		break;
	case NODE_LIST:
		snprintf(out, NODE_FOUND_MAX, "a list");
		break;
	case NODE_MAP:
		snprintf(out, NODE_FOUND_MAX, "a mapping");
		break;
	case NODE_STRING:
		if (strlen(n->text) <= (size_t)cut) {
			snprintf(out, NODE_FOUND_MAX, "\"%s\"", n->text);
			break;
		}
		while (cut > 0 && ((unsigned char)n->text[cut] & 0xc0) == 0x80)
			cut--; /* not through the middle of a character */
		snprintf(out, NODE_FOUND_MAX, "\"%.*s...\"", cut, n->text);
		break;
	default:
		snprintf(out, NODE_FOUND_MAX, "%.*s", cut, n->text);
	}
	return out;
}

static struct node *new_from_json(struct arena *a, json_t *json, unsigned left);

static bool
children_from_json(struct arena *a, struct node *n, json_t *json, unsigned left)
{
	struct node *child;
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(json)) {
		json_object_foreach(json, key, value)
		{
			child = new_from_json(a, value, left);
			if (child == NULL)
				return false;
			child->key = key;
			node_append(n, child);
		}
		return true;
	}
	json_array_foreach(json, i, value)
	{
		child = new_from_json(a, value, left);
		if (child == NULL)
			return false;
		node_append(n, child);
	}
	return true;
}

static bool
scalar_from_json(struct arena *a, struct node *n, const json_t *json)
{
	char text[32];

	switch (json_typeof(json)) {
	case JSON_STRING:
		n->text = json_string_value(json);
		return true;
	case JSON_INTEGER:
		n->number = json_integer_value(json);
		snprintf(text, sizeof(text), "%lld", (long long)n->number);
		n->text = arena_copy(a, span_of(text));
		return n->text != NULL;
	case JSON_REAL:
		snprintf(text, sizeof(text), "%g", json_real_value(json));
		n->text = arena_copy(a, span_of(text));
		return n->text != NULL;
	case JSON_TRUE:
		n->number = 1;
		n->text = "true";
		return true;
	case JSON_FALSE:
		n->text = "false";
		return true;
	default:
		n->text = "null";
		return true;
	}
}

static struct node *
new_from_json(struct arena *a, json_t *json, unsigned left)
{
	static const enum node_kind kinds[] = {
		[JSON_OBJECT] = NODE_MAP,
		[JSON_ARRAY] = NODE_LIST,
		[JSON_STRING] = NODE_STRING,
		[JSON_INTEGER] = NODE_INT,
		[JSON_REAL] = NODE_OTHER,
		[JSON_TRUE] = NODE_BOOL,
		[JSON_FALSE] = NODE_BOOL,
		[JSON_NULL] = NODE_NULL,
	};
	struct node *n = arena_alloc(a, sizeof(*n));
	bool ok;

	if (n == NULL || left == 0)
		return NULL;
	n->kind = kinds[json_typeof(json)];
	if (json_is_object(json) || json_is_array(json))
		ok = children_from_json(a, n, json, left - 1);
	else
		ok = scalar_from_json(a, n, json);
	return ok ? n : NULL;
}

struct node *
node_from_json(struct arena *a, json_t *root)
{
	return new_from_json(a, root, NODE_DEPTH_MAX);
}

int
node_preset(
    struct node *n, struct node *only, const char *text, struct arena *arena)
{
	struct span inside = span_of(text);

	node_resolve(n, text);
	if (text[0] == '{')
		n->kind = NODE_MAP;
	if (text[0] != '[')
		return 0;
	n->kind = NODE_LIST;
	if (inside.n == 2)
		return 0;
	only->kind = NODE_STRING;
	only->text = arena_copy(
	    arena, (struct span){ inside.p + 1, inside.n - 2 });
	n->first = n->last = only;
	n->n = 1;
	return only->text == NULL ? -ENOMEM : 0;
}
