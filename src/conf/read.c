/* SPDX-License-Identifier: ISC */

#include "conf/read.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/near.h"
#include "conf/schema.h"
#include "conf/value.h"

#define SHOWN_MAX 128 /* of a key in a message */

static bool read_row(const struct reader *rd, const struct schema *row,
    const char *shown, const struct node *n, void *base);

static struct value_site
site_of(const struct reader *rd, const char *shown)
{
	return (struct value_site){
		.arena = rd->arena,
		.faults = rd->faults,
		.file = rd->file,
		.shown = shown,
	};
}

static bool
refuse_key(const struct reader *rd, const char *parent, const char *shown,
    const struct node *n)
{
	const char *known[64];
	const char *near;
	char list[ERR_MAX];
	size_t count = 0, len = 0;

	list[0] = '\0';
	for (size_t i = 0; rd->table[i].path != NULL; i++) {
		const char *leaf = schema_leaf(&rd->table[i], parent);

		if (leaf == NULL || count == ARRAY_LEN(known) ||
		    len >= sizeof(list))
			continue;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
		    count > 0 ? ", " : "", leaf);
		known[count++] = leaf;
	}
	near = near_name(n->key, known, count);
	fault_add(rd->faults, rd->file, n->line, shown,
	    near != NULL ? "found an unknown key (%s?); allowed %s"
			 : "found an unknown key%s; allowed %s",
	    near != NULL ? near : "", list);
	return false;
}

static void
show_key(char out[SHOWN_MAX], const char *parent, const char *key)
{
	snprintf(
	    out, SHOWN_MAX, "%s%s%s", parent, *parent != '\0' ? "." : "", key);
}

/* Keys that must be there and are not. */
static bool
read_absent(const struct reader *rd, const char *parent, const char *shown,
    const struct node *map)
{
	bool ok = true;

	for (size_t i = 0; rd->table[i].path != NULL; i++) {
		const struct schema *row = &rd->table[i];
		const char *leaf = schema_leaf(row, parent);
		char key[SHOWN_MAX], allowed[ERR_MAX];

		if (leaf == NULL || !row->required ||
		    node_get(map, leaf) != NULL)
			continue;
		show_key(key, shown, leaf);
		fault_add(rd->faults, rd->file, map->line, key,
		    "found no such key, which is required; allowed %s",
		    schema_allowed(row, allowed, sizeof(allowed)));
		ok = false;
	}
	return ok;
}

static bool
read_map(const struct reader *rd, const char *parent, const char *shown,
    const struct node *map, void *base)
{
	bool ok = true;

	for (const struct node *n = map->first; n != NULL; n = n->next) {
		size_t row = schema_child(rd->table, parent, n->key);
		char key[SHOWN_MAX];

		show_key(key, shown, n->key);
		if (row == SIZE_MAX)
			ok = refuse_key(rd, parent, key, n);
		else if (!read_row(rd, &rd->table[row], key, n, base))
			ok = false;
	}
	return read_absent(rd, parent, shown, map) && ok;
}

/* The defaults of the elements of a list, or of what is in no list. */
static bool
preset_rows(const struct reader *rd, const char *list, void *base)
{
	size_t n = strlen(list);

	for (size_t i = 0; rd->table[i].path != NULL; i++) {
		const struct schema *row = &rd->table[i];
		struct value_site site = site_of(rd, row->path);
		struct node node = { 0 }, only = { 0 };
		const char *end = strchr(row->path, ']');

		if (row->preset == NULL || (end == NULL) != (n == 0) ||
		    strncmp(row->path, list, n) != 0)
			continue;
		if (node_preset(&node, &only, row->preset, site.arena) < 0)
			return value_nomem(&site);
		if (!value_read(&site, row, &node, base))
			return false;
	}
	return true;
}

static bool
read_element(const struct reader *rd, const struct schema *row,
    const char *shown, const struct node *n, void *base)
{
	struct reader inner = *rd;
	char parent[32];

	inner.lines = NULL;
	snprintf(parent, sizeof(parent), "%s[]", row->path);
	if (!preset_rows(&inner, parent, base))
		return false;
	if (row->line != 0)
		*(unsigned *)(void *)((char *)base + row->line) = n->line;
	return read_map(&inner, parent, shown, n, base);
}

static bool
read_elements(const struct reader *rd, const struct schema *row,
    const char *shown, const struct node *n, void *base)
{
	struct value_site site = site_of(rd, shown);
	char *elements;
	size_t i = 0;
	bool ok = true;

	if (n->kind != NODE_LIST || n->n > row->max || n->n < row->min)
		return value_refuse(&site, row, n);
	elements = arena_alloc(site.arena, n->n * row->size + 1);
	if (elements == NULL)
		return value_nomem(&site);
	for (const struct node *e = n->first; e != NULL; e = e->next, i++) {
		char at[2 * SHOWN_MAX];

		snprintf(at, sizeof(at), "%s[%zu]", shown, i);
		site.shown = at;
		if (e->kind != NODE_MAP)
			ok = value_refuse(
			    &site, &(struct schema){ .type = SCHEMA_GROUP }, e);
		else if (!read_element(
			     rd, row, at, e, elements + i * row->size))
			ok = false;
	}
	*(char **)(void *)((char *)base + row->offset) = elements;
	*(size_t *)(void *)((char *)base + row->count) = n->n;
	return ok;
}

static bool
read_row(const struct reader *rd, const struct schema *row, const char *shown,
    const struct node *n, void *base)
{
	struct value_site site = site_of(rd, shown);

	if (rd->lines != NULL)
		rd->lines[row - rd->table] = n->line;
	if (row->type == SCHEMA_ELEMENTS)
		return read_elements(rd, row, shown, n, base);
	if (row->type != SCHEMA_GROUP && row->type != SCHEMA_CHECK)
		return value_read(&site, row, n, base);
	if (row->noted)
		*(bool *)((char *)base + row->offset) = true;
	if (n->kind == NODE_MAP)
		return read_map(rd, row->path, shown, n, base);
	if (n->kind == NODE_NULL && row->key == NULL)
		return true; /* all keys below it commented out */
	if (row->scalar == NULL || n->kind == NODE_LIST)
		return value_refuse(&site, row, n);
	row = &rd->table[schema_find(rd->table, row->scalar)];
	return value_read(&site, row, n, base);
}

bool
read_presets(const struct reader *rd, void *base)
{
	return preset_rows(rd, "", base);
}

bool
read_tree(const struct reader *rd, const struct node *root, void *base)
{
	struct value_site site = site_of(rd, "(file)");

	if (root->kind == NODE_MAP)
		return read_map(rd, "", "", root, base);
	return value_refuse(
	    &site, &(struct schema){ .type = SCHEMA_GROUP }, root);
}
