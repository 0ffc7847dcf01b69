/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/box.h"
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/value.h"

static int map_json(const struct schema *table, const char *parent,
    const void *base, json_t **out);

/* A group says nothing when it is empty, not noted, lacks its key, or is a
 * check that is not made. */
static int
group_json(const struct schema *table, const struct schema *row,
    const void *base, json_t **out)
{
	const struct conf_check *check = (const void *)((const char *)base +
	    row->offset);
	json_t *map, *bare;
	int r;

	*out = NULL;
	if (row->count != 0 &&
	    *(const size_t *)(const void *)((const char *)base + row->count) ==
		0)
		return 0;
	if (row->type == SCHEMA_CHECK &&
	    (check->kind == CONF_CHECK_NONE ||
		check->kind == CONF_CHECK_NOTIFY))
		return 0;
	if (row->noted && !*(const bool *)((const char *)base + row->offset))
		return 0;
	r = map_json(table, row->path, base, &map);
	if (r < 0)
		return r;
	bare = row->scalar != NULL && json_object_size(map) == 1
	    ? json_object_get(map, strrchr(row->scalar, '.') + 1)
	    : NULL;
	if (bare != NULL)
		*out = json_incref(bare);
	else if (json_object_size(map) > 0 &&
	    (row->key == NULL || json_object_get(map, row->key) != NULL))
		*out = json_incref(map);
	json_decref(map);
	return 0;
}

static int
elements_json(const struct schema *table, const struct schema *row,
    const void *base, json_t **out)
{
	const char *element = *(
	    const char *const *)(const void *)((const char *)base +
	    row->offset);
	size_t n = *(
	    const size_t *)(const void *)((const char *)base + row->count);
	char parent[32];
	json_t *list = json_array();
	int r = list != NULL ? 0 : -ENOMEM;

	snprintf(parent, sizeof(parent), "%s[]", row->path);
	for (size_t i = 0; r == 0 && i < n; i++) {
		json_t *map = NULL;

		r = map_json(table, parent, element + i * row->size, &map);
		if (r == 0 && json_array_append_new(list, map) < 0)
			r = -ENOMEM;
	}
	if (r < 0)
		json_decref(list);
	*out = r == 0 ? list : NULL;
	return r;
}

static int
row_json(const struct schema *table, const struct schema *row, const void *base,
    json_t **out)
{
	switch (row->type) {
	case SCHEMA_GROUP:
	case SCHEMA_CHECK:
		return group_json(table, row, base, out);
	case SCHEMA_ELEMENTS:
		return elements_json(table, row, base, out);
	default:
		return value_write(row, base, out);
	}
}

/* The rows directly below parent, as an object. */
static int
map_json(const struct schema *table, const char *parent, const void *base,
    json_t **out)
{
	json_t *map = json_object();
	int r = map != NULL ? 0 : -ENOMEM;

	for (; r == 0 && table->path != NULL; table++) {
		const char *leaf = schema_leaf(table, parent);
		json_t *value = NULL;

		if (leaf == NULL)
			continue;
		r = row_json(table, table, base, &value);
		if (value != NULL && json_object_set_new(map, leaf, value) < 0)
			r = -ENOMEM;
	}
	if (r < 0)
		json_decref(map);
	*out = r == 0 ? map : NULL;
	return r;
}

json_t *
conf_service_json(const struct conf_service *service)
{
	json_t *json;

	return map_json(schema_service, "", service, &json) == 0 ? json : NULL;
}

json_t *
conf_root_json(const struct conf *conf)
{
	json_t *json;

	return map_json(schema_root, "", conf, &json) == 0 ? json : NULL;
}

static json_t *
services_json(const struct conf *conf)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < conf->nservices; i++) {
		if (json_array_append_new(
			list, conf_service_json(&conf->services[i])) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

json_t *
conf_json(const struct conf *conf)
{
	json_t *root = conf_root_json(conf);

	if (root == NULL)
		return NULL;
	if (json_object_set_new(root, "services", services_json(conf)) == 0)
		return root;
	json_decref(root);
	return NULL;
}

json_t *
conf_json_at(json_t *root, const char *path)
{
	struct span rest = span_of(path), part;
	char key[64];

	while (root != NULL && span_next(&rest, '.', &part)) {
		if (str_copy(key, sizeof(key), part) < 0)
			return NULL;
		/* `balance: least` is short for balance.policy. */
		if (!json_is_object(root) && strcmp(key, "policy") == 0)
			return root;
		root = json_object_get(root, key);
	}
	return root;
}

struct text {
	struct buf *out;
	int error;
};

static int
on_text(const char *bytes, size_t n, void *arg)
{
	struct text *t = arg;

	if (t->error == 0)
		t->error = buf_append(t->out, bytes, n);
	return t->error;
}

int
conf_json_text(const json_t *json, struct buf *out)
{
	struct text t = { .out = out };
	int r = json_dump_callback(
	    json, on_text, &t, JSON_COMPACT | JSON_ENCODE_ANY);

	return r == 0 && t.error == 0 ? 0 : -ENOMEM;
}

bool
conf_json_is_preset(const struct schema *row, const json_t *value)
{
	const char *preset = row->preset != NULL ? row->preset : "";
	char number[24];

	if (value == NULL)
		return true;
	if (json_is_string(value))
		return strcmp(json_string_value(value), preset) == 0;
	if (json_is_boolean(value))
		return strcmp(json_is_true(value) ? "true" : "false", preset) ==
		    0;
	if (json_is_array(value))
		return json_array_size(value) == 0 && strcmp(preset, "[]") == 0;
	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
	    json_integer_value(value));
	return json_is_integer(value) && strcmp(number, preset) == 0;
}
