/* SPDX-License-Identifier: ISC */

#include "cluster/directory.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "cluster/scripts.h"

#define ARENA_FIRST 1024
#define WEIGHT_MAX 65535

void
directory_init(struct directory *d)
{
	memset(d, 0, sizeof(*d));
	arena_init(&d->node_arena, ARENA_FIRST, DIRECTORY_MEMORY);
	arena_init(&d->entry_arena, ARENA_FIRST, DIRECTORY_MEMORY);
}

void
directory_done(struct directory *d)
{
	arena_done(&d->node_arena);
	arena_done(&d->entry_arena);
	directory_init(d);
}

/* --- reading --------------------------------------------------------------
 */

static int
copy(struct arena *arena, const struct redis_reply *reply, const char **out)
{
	if (!redis_reply_is(reply, REDIS_STRING) ||
	    memchr(reply->str.p, '\0', reply->str.n) != NULL)
		return -EPROTO;
	*out = arena_copy(arena, reply->str);
	return *out == NULL ? -ENOMEM : 0;
}

/* The same; nil and "" become NULL. */
static int
copy_maybe(
    struct arena *arena, const struct redis_reply *reply, const char **out)
{
	*out = NULL;
	if (redis_reply_is(reply, REDIS_NIL) ||
	    (redis_reply_is(reply, REDIS_STRING) && reply->str.n == 0))
		return 0;
	return copy(arena, reply, out);
}

static int
read_node(struct arena *arena, const struct redis_reply *reply,
    struct directory_node *node)
{
	const struct redis_reply *ttl = redis_reply_at(reply, 1);
	int r = copy(arena, redis_reply_at(reply, 0), &node->name);

	if (r == 0 && !redis_reply_is(ttl, REDIS_INTEGER))
		r = -EPROTO;
	if (r == 0)
		r = copy_maybe(
		    arena, redis_reply_at(reply, 2), &node->incarnation);
	if (r == 0)
		r = copy_maybe(arena, redis_reply_at(reply, 3), &node->address);
	if (r == 0)
		node->lease_ms = ttl->integer;
	return r;
}

static int
read_nodes(struct directory *d, const struct redis_reply *reply)
{
	int r = 0;

	d->nodes = NULL;
	d->nnodes = 0;
	arena_done(&d->node_arena);
	if (!redis_reply_is(reply, REDIS_ARRAY))
		return -EPROTO;
	if (reply->n == 0)
		return 0;
	d->nodes = arena_alloc(&d->node_arena, reply->n * sizeof(*d->nodes));
	if (d->nodes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < reply->n && r == 0; i++)
		r = read_node(&d->node_arena, reply->item[i], &d->nodes[i]);
	d->nnodes = r == 0 ? reply->n : 0;
	return r;
}

static int
copy_member(struct arena *arena, json_t *object, const char *key, size_t max,
    const char **out)
{
	const json_t *s = json_object_get(object, key);
	size_t n = json_string_length(s);

	if (!json_is_string(s) || n == 0 || n > max)
		return -EINVAL;
	*out = arena_copy(arena, (struct span){ json_string_value(s), n });
	return *out == NULL ? -ENOMEM : 0;
}

/* -EINVAL: not what drover writes; no object has no members. */
static int
read_members(struct arena *arena, json_t *object, struct directory_entry *e)
{
	const json_t *address = json_object_get(object, "address");
	const json_t *weight = json_object_get(object, "weight");
	int r = copy_member(arena, object, "node", 255, &e->node);

	if (r == 0)
		r = copy_member(
		    arena, object, "incarnation", 255, &e->incarnation);
	if (r == 0)
		r = copy_member(arena, object, "state", 63, &e->state);
	if (r == 0 && !json_is_null(address))
		r = copy_member(arena, object, "address", 255, &e->address);
	if (r == 0 &&
	    (!json_is_integer(weight) || json_integer_value(weight) < 0 ||
		json_integer_value(weight) > WEIGHT_MAX))
		r = -EINVAL;
	if (r == 0)
		e->weight = (unsigned)json_integer_value(weight);
	return r;
}

/* -EINVAL: the value is not ours. */
static int
read_value(struct arena *arena, struct span value, struct directory_entry *e)
{
	json_error_t why;
	json_t *object;
	char *text;
	int r;

	if (value.n > DIRECTORY_VALUE_MAX)
		return -EINVAL;
	object = json_loadb(value.p, value.n, 0, &why);
	/* As far as jansson says so: at times it takes it for bad syntax. */
	if (object == NULL)
		return why.text[0] == '\0' ||
			json_error_code(&why) == json_error_out_of_memory
		    ? -ENOMEM
		    : -EINVAL;
	r = read_members(arena, object, e);
	json_decref(object);
	if (r < 0)
		return r;
	text = arena_copy(arena, value);
	e->value = (struct span){ text, value.n };
	return text == NULL ? -ENOMEM : 0;
}

static int
read_pair(struct directory *d, const char *service,
    const struct redis_reply *id, const struct redis_reply *value)
{
	struct directory_entry e = { .service = service };
	int r = copy(&d->entry_arena, id, &e.id);

	if (r == 0 && !redis_reply_is(value, REDIS_STRING))
		r = -EPROTO;
	if (r < 0)
		return r;
	r = read_value(&d->entry_arena, value->str, &e);
	if (r == 0)
		d->entries[d->nentries++] = e;
	else if (r == -EINVAL)
		d->strange++;
	return r == -EINVAL ? 0 : r;
}

/* {service, {id, value, id, value ...}}; count_entries() saw the pairs. */
static int
read_service(struct directory *d, const struct redis_reply *reply)
{
	const struct redis_reply *pairs = redis_reply_at(reply, 1);
	const char *service;
	int r = copy(&d->entry_arena, redis_reply_at(reply, 0), &service);

	for (size_t i = 0; i < pairs->n && r == 0; i += 2)
		r = read_pair(d, service, pairs->item[i], pairs->item[i + 1]);
	return r;
}

static int
count_entries(const struct redis_reply *reply, size_t *n)
{
	*n = 0;
	if (!redis_reply_is(reply, REDIS_ARRAY))
		return -EPROTO;
	for (size_t i = 0; i < reply->n; i++) {
		const struct redis_reply *pairs = redis_reply_at(
		    reply->item[i], 1);

		if (!redis_reply_is(pairs, REDIS_ARRAY) || pairs->n % 2 != 0)
			return -EPROTO;
		*n += pairs->n / 2;
	}
	return 0;
}

static int
read_services(struct directory *d, const struct redis_reply *reply)
{
	size_t n;
	int r = count_entries(reply, &n);

	d->entries = NULL;
	d->nentries = d->strange = 0;
	arena_done(&d->entry_arena);
	if (r < 0 || n == 0)
		return r;
	d->entries = arena_alloc(&d->entry_arena, n * sizeof(*d->entries));
	if (d->entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < reply->n && r == 0; i++)
		r = read_service(d, reply->item[i]);
	return r;
}

static int
read_head(struct directory *d, const struct redis_reply *reply)
{
	const struct redis_reply *version = redis_reply_at(reply, 0);
	const struct redis_reply *birth = redis_reply_at(reply, 1);

	if (!redis_reply_is(version, REDIS_STRING) ||
	    !span_eq(version->str, SPAN(SCHEMA_VERSION)))
		return -EPROTO;
	if (!redis_reply_is(birth, REDIS_STRING) || birth->str.n == 0 ||
	    str_copy(d->birth, sizeof(d->birth), birth->str) < 0)
		return -EPROTO;
	if (redis_reply_u64(redis_reply_at(reply, 2), &d->epoch) < 0)
		return -EPROTO;
	return 0;
}

static int
read_reply(struct directory *d, const struct redis_reply *reply)
{
	int r;

	if (!redis_reply_is(reply, REDIS_ARRAY))
		return -EPROTO;
	if (reply->n == 0)
		return -ENOENT;
	r = read_head(d, reply);
	if (r == 0)
		r = read_nodes(d, redis_reply_at(reply, 3));
	if (r == 0 && reply->n > 4) {
		r = read_services(d, reply->item[4]);
		return r < 0 ? r : 1;
	}
	return r;
}

int
directory_read(
    struct directory *d, const struct redis_reply *reply, uint64_t now)
{
	int r = read_reply(d, reply);

	if (r < 0)
		directory_done(d);
	else
		d->at = now;
	return r;
}

/* --- looking --------------------------------------------------------------
 */

const struct directory_node *
directory_node(const struct directory *d, const char *name)
{
	for (size_t i = 0; i < d->nnodes; i++)
		if (strcmp(d->nodes[i].name, name) == 0)
			return &d->nodes[i];
	return NULL;
}

int64_t
directory_lease(
    const struct directory *d, const struct directory_node *node, uint64_t now)
{
	int64_t left = node->lease_ms - (int64_t)(now - d->at);

	return node->incarnation == NULL || left < 0 ? 0 : left;
}

bool
directory_live(const struct directory *d, const struct directory_entry *entry,
    uint64_t now)
{
	const struct directory_node *node = directory_node(d, entry->node);

	return node != NULL && directory_lease(d, node, now) > 0 &&
	    strcmp(node->incarnation, entry->incarnation) == 0;
}

char *
directory_value(const char *node, const char *incarnation, const char *address,
    const char *state, unsigned weight)
{
	json_t *object = json_pack("{ss ss ss? ss si si}", "node", node,
	    "incarnation", incarnation, "address", address, "state", state,
	    "weight", (int)weight, "token", 0);
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return text;
}
