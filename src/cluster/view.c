/* SPDX-License-Identifier: ISC */

#include "cluster/view.h"

#include <stdlib.h>
#include <string.h>

struct row {
	const char *service;
	const char *id;
	json_t *json;
};

static int
row_cmp(const void *va, const void *vb)
{
	const struct row *a = va, *b = vb;
	int c = strcmp(a->service, b->service);

	return c != 0 ? c : strcmp(a->id, b->id);
}

static json_t *
entry_json(
    const struct directory *d, const struct directory_entry *e, uint64_t now)
{
	return json_pack("{ss ss ss? ss si sb}", "id", e->id, "node", e->node,
	    "address", e->address, "state", e->state, "weight", (int)e->weight,
	    "live", directory_live(d, e, now));
}

static json_t *
wish_json(const struct wish *wish)
{
	json_t *value = json_loads(wish->value, 0, NULL);
	json_t *json = json_pack("{ss sO* sO* sO* sO* sb}", "id", wish->field,
	    "node", json_object_get(value, "node"), "address",
	    json_object_get(value, "address"), "state",
	    json_object_get(value, "state"), "weight",
	    json_object_get(value, "weight"), "live", 1);

	json_decref(value);
	return json;
}

/* How many rows; their json may be NULL where there was no memory. */
static size_t
collect(struct row *rows, const struct directory *d, const struct wishes *w,
    const char *self, uint64_t now)
{
	const struct wish *wish;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < d->nentries; i++) {
		const struct directory_entry *e = &d->entries[i];

		if (strcmp(e->node, self) != 0)
			rows[n++] = (struct row){ e->service, e->id,
				entry_json(d, e, now) };
	}
	while ((wish = map_next(&w->by_field, &at, NULL)) != NULL)
		rows[n++] = (struct row){ wish->service, wish->field,
			wish_json(wish) };
	return n;
}

/* Takes the rows' json. */
static json_t *
group(struct row *rows, size_t n)
{
	json_t *services = json_array(), *instances = NULL;
	bool ok = services != NULL;

	for (size_t i = 0; i < n; i++) {
		bool same = i > 0 &&
		    strcmp(rows[i].service, rows[i - 1].service) == 0;

		if (!same) {
			instances = json_array();
			ok = json_array_append_new(services,
				 json_pack("{ss so}", "name", rows[i].service,
				     "instances", instances)) == 0 &&
			    ok;
		}
		/* A service that did not fit took its list with it. */
		if (ok)
			ok = json_array_append_new(instances, rows[i].json) ==
			    0;
		else
			json_decref(rows[i].json);
	}
	if (!ok) {
		json_decref(services);
		return NULL;
	}
	return services;
}

static json_t *
services_json(const struct directory *d, const struct wishes *w,
    const char *self, uint64_t now)
{
	size_t max = d->nentries + wishes_count(w);
	struct row *rows = calloc(max + 1, sizeof(*rows));
	json_t *services;
	size_t n;

	if (rows == NULL)
		return NULL;
	n = collect(rows, d, w, self, now);
	qsort(rows, n, sizeof(*rows), row_cmp);
	services = group(rows, n);
	free(rows);
	return services;
}

static json_t *
node_json(
    const struct directory *d, const struct directory_node *node, uint64_t now)
{
	int64_t left = directory_lease(d, node, now);

	return json_pack("{ss sb sb ss? ss? sI}", "node", node->name, "self", 0,
	    "live", left > 0, "incarnation", node->incarnation, "address",
	    node->address, "lease_ms", (json_int_t)left);
}

static json_t *
self_json(const struct directory *d, const struct view_self *self, uint64_t now)
{
	const struct directory_node *node = directory_node(d, self->node);
	int64_t left = node != NULL ? directory_lease(d, node, now) : 0;

	return json_pack("{ss sb sb ss ss? sI}", "node", self->node, "self", 1,
	    "live", 1, "incarnation", self->incarnation, "address",
	    self->address[0] != '\0' ? self->address : NULL, "lease_ms",
	    (json_int_t)left);
}

static json_t *
nodes_json(
    const struct directory *d, const struct view_self *self, uint64_t now)
{
	json_t *nodes = json_array();
	bool ok = json_array_append_new(nodes, self_json(d, self, now)) == 0;

	for (size_t i = 0; i < d->nnodes && ok; i++)
		if (strcmp(d->nodes[i].name, self->node) != 0)
			ok = json_array_append_new(
				 nodes, node_json(d, &d->nodes[i], now)) == 0;
	if (!ok) {
		json_decref(nodes);
		return NULL;
	}
	return nodes;
}

json_t *
view_json(const struct directory *d, const struct wishes *w,
    const struct view_self *self, uint64_t now)
{
	return json_pack("{ss sI ss so so}", "cluster", self->cluster, "epoch",
	    (json_int_t)d->epoch, "birth", d->birth, "nodes",
	    nodes_json(d, self, now), "services",
	    services_json(d, w, self->node, now));
}
