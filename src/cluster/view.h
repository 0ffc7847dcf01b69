/* SPDX-License-Identifier: ISC */

/*
 * view - the JSON of registry_nodes(): the other nodes as Redis had them, this
 * one as it wishes to be seen, which it knows better
 */

#ifndef CLUSTER_VIEW_H
#define CLUSTER_VIEW_H

#include <jansson.h>

#include "cluster/directory.h"
#include "cluster/wishes.h"

struct view_self {
	const char *cluster;
	const char *node;
	const char *incarnation;
	const char *address; /* "": none */
};

/* Services and instances in the order of their names. NULL: no memory. */
json_t *view_json(const struct directory *d, const struct wishes *w,
    const struct view_self *self, uint64_t now);

#endif /* CLUSTER_VIEW_H */
