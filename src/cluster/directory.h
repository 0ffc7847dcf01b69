/* SPDX-License-Identifier: ISC */

/*
 * directory - every node, service and instance, as the read script told them
 *
 * Plain values. A reply that carries data replaces them; one that only says
 * that nothing changed renews the nodes and their leases. Entries whose value
 * is not what drover writes are left out and counted: a hand in Redis must not
 * blind the cluster. A reply of another shape is -EPROTO.
 */

#ifndef CLUSTER_DIRECTORY_H
#define CLUSTER_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "redis/reply.h"

#define DIRECTORY_BIRTH_MAX 64
#define DIRECTORY_VALUE_MAX 2048 /* bytes of one entry's JSON */
#define DIRECTORY_MEMORY (64 * 1024 * 1024)

struct directory_node {
	const char *name;
	const char *incarnation; /* NULL without a lease */
	const char *address;	 /* NULL without one */
	int64_t lease_ms;	 /* left when it was read; <= 0: expired */
};

struct directory_entry {
	const char *service;
	const char *id;
	struct span value; /* as it stands in Redis */
	const char *node;
	const char *incarnation;
	const char *address; /* NULL: none yet */
	const char *state;
	unsigned weight;
};

struct directory {
	char birth[DIRECTORY_BIRTH_MAX + 1]; /* "": nothing read */
	uint64_t epoch;
	uint64_t at; /* when it was read, monotonic ms */
	struct directory_node *nodes;
	size_t nnodes;
	struct directory_entry *entries; /* by service */
	size_t nentries;
	size_t strange; /* entries left out */
	struct arena node_arena;
	struct arena entry_arena;
};

void directory_init(struct directory *d);
void directory_done(struct directory *d);

/*
 * 1 it holds new data, 0 only the leases are new, -ENOENT nobody ever joined
 * (it is then empty), -EPROTO, -ENOMEM, -ENOBUFS: it is empty.
 */
int directory_read(struct directory *d, const struct redis_reply *reply,
    uint64_t now) MUST_CHECK;

const struct directory_node *directory_node(
    const struct directory *d, const char *name); /* or NULL */

/* What is left of its lease, in ms; 0: none. */
int64_t directory_lease(
    const struct directory *d, const struct directory_node *node, uint64_t now);

/* Does the entry count: do its node's lease and incarnation stand? */
bool directory_live(const struct directory *d,
    const struct directory_entry *entry, uint64_t now);

/*
 * The value of one entry, as it stands in Redis: to be freed; NULL out of
 * memory. address may be NULL.
 */
char *directory_value(const char *node, const char *incarnation,
    const char *address, const char *state, unsigned weight);

#endif /* CLUSTER_DIRECTORY_H */
