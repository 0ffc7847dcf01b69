/* SPDX-License-Identifier: ISC */

/*
 * node - a value of a configuration file that knows its line
 *
 * What YAML and JSON have in common, as a tree in an arena. (Not json_t: its
 * true, false and null are one object each, which can have no line.) Nodes of
 * a map stand in the order of the file and bear distinct keys.
 */

#ifndef CONF_NODE_H
#define CONF_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define NODE_DEPTH_MAX 32
#define NODE_KEYS_MAX 1024 /* of one map */
#define NODES_MAX 20000	   /* of one file */
#define NODE_FOUND_MAX 80  /* bytes of node_found(), with the NUL */

enum node_kind {
	NODE_NULL,
	NODE_BOOL,
	NODE_INT,
	NODE_OTHER, /* a number that is not an int64: nothing takes one */
	NODE_STRING,
	NODE_LIST,
	NODE_MAP
};

struct node {
	enum node_kind kind;
	unsigned line;	  /* of its key, in a map; 0: from JSON */
	const char *key;  /* in a map, else NULL */
	const char *text; /* of a scalar, as it was written */
	int64_t number;	  /* INT; BOOL: 0 or 1 */
	size_t n;	  /* children */
	struct node *first;
	struct node *last;
	struct node *next; /* sibling */
};

/*
 * The default of a key: a plain scalar, [], {}, or a list of one string, which
 * is `only`. -ENOMEM.
 */
int node_preset(struct node *n, struct node *only, const char *text,
    struct arena *arena) MUST_CHECK;

/* A plain scalar under the YAML 1.2 core schema; text is borrowed. */
void node_resolve(struct node *n, const char *text);

void node_append(struct node *parent, struct node *child);
const struct node *node_get(const struct node *map, const char *key);

/* What it is, for a message: `"two"`, `12`, `a list`. Returns out. */
const char *node_found(const struct node *n, char out[NODE_FOUND_MAX]);

/*
 * The same tree from JSON; strings are borrowed from root. NULL: out of memory
 * (the arena's ceiling included), or deeper than NODE_DEPTH_MAX.
 */
struct node *node_from_json(struct arena *a, json_t *root);

#endif /* CONF_NODE_H */
