/* SPDX-License-Identifier: ISC */

/*
 * yaml_tree - one YAML document as a tree of nodes; libyaml stops here
 *
 * YAML 1.2's core schema: `yes`, `no`, `on` and `off` are strings, octal is
 * 0o17. Refused, each with its line: a second document, a key that stands
 * twice, anchors, aliases and tags, keys that are not scalars, another YAML
 * version, NUL in a string, more than NODE_DEPTH_MAX levels, NODE_KEYS_MAX
 * keys or NODES_MAX nodes. An empty text is an empty map.
 */

#ifndef CONF_YAML_TREE_H
#define CONF_YAML_TREE_H

#include "base/str.h"
#include "conf/fault.h"
#include "conf/node.h"

/* The root, in the arena; or NULL, with one fault. The text may go away. */
struct node *yaml_tree(
    struct arena *a, const char *file, struct span text, struct faults *f);

#endif /* CONF_YAML_TREE_H */
