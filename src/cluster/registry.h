/* SPDX-License-Identifier: ISC */

/*
 * registry - what this node runs, kept true in Redis
 *
 * The owner says which instances there are (registry_set, registry_remove);
 * that table of wishes is the truth, and the registry makes Redis agree with it
 * whenever Redis can be reached: at most one batch of changes is under way,
 * changes made in one turn of the loop travel together, and the latest wish
 * wins. Redis stopped, stalled, emptied, failed over or out of memory is
 * nothing the owner has to act on: each new connection begins with a full
 * comparison. No call blocks, and none waits for Redis.
 *
 *	 OFF                          `registry: none`; everything is accepted
 *	 DOWN <-----> UP              UP: joined, and all wishes were written
 *
 * The node holds a lease of 15 s, renewed every 5 s by PEXPIRE alone, so that
 * a Redis out of memory keeps the node alive; changes it refuses are tried
 * again, and the reason says that they wait. Every 2 s one script reads epoch
 * and leases, and the data when the epoch moved: registry_nodes() shows it.
 * Keys, scripts and what other programs may rely on: doc/internals/registry.md.
 *
 * Logs one line for each change of state or reason. One loop, one thread.
 */

#ifndef CLUSTER_REGISTRY_H
#define CLUSTER_REGISTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

#define REGISTRY_WISHES_MAX 16384 /* instances of one node */
#define REGISTRY_LEASE_MS 15000
#define REGISTRY_RENEW_MS 5000
#define REGISTRY_POLL_MS 2000

enum registry_state { REGISTRY_OFF, REGISTRY_DOWN, REGISTRY_UP };

struct registry;

struct registry_args {		 /* all copied */
	const char *cluster;	 /* C of {drover:C} */
	const char *node;	 /* this node's name */
	const char *incarnation; /* the herd's, i.e. the keeper's */
	const char *address;	 /* host:port for peers; NULL: alone */
	const char *url;	 /* redis/url.h; NULL: `registry: none` */
};

struct registry_ops {
	/* Either differs from what it was. reason is "" or one sentence. */
	void (*state)(
	    void *owner, enum registry_state state, const char *reason);

	/*
	 * Redis answers PING (or no longer). Comes before UP: it is true also
	 * while Redis refuses our writes. The readiness of a managed Redis.
	 */
	void (*link)(void *owner, bool up);
};

/*
 * ops and owner are borrowed; ops are never called from inside a call to the
 * registry. Nothing is sent before registry_start(), which the owner calls
 * when its wishes are complete: what Redis still holds of this node and nobody
 * wishes is then removed. NULL with the reason: a bad url or name, no memory.
 */
struct registry *registry_new(struct loop *loop,
    const struct registry_args *args, const struct registry_ops *ops,
    void *owner, struct err *err);
void registry_start(struct registry *reg);

/* Stop at once; the lease and the entries stay in Redis until it expires. */
void registry_free(struct registry *reg);

/*
 * A clean end: remove the lease and the entries, then done(arg), in a later
 * turn and after at most 1 s whatever happens; the owner frees then.
 */
void registry_leave(struct registry *reg, void (*done)(void *arg), void *arg);

/* Do not wait for the next try: Redis was just started. */
void registry_kick(struct registry *reg);

struct registry_instance {
	const char *service; /* at most CONF_NAME_MAX bytes */
	const char *id;	     /* "image.0"; at most 95 bytes */
	const char *address; /* where it listens; at most 255 bytes, or NULL */
	const char *state;   /* instance_state_name() */
	unsigned weight;
};

/*
 * Wish an instance, or change it; the same wish again costs nothing. 0,
 * -EINVAL (a name too long or empty), -ENOBUFS over REGISTRY_WISHES_MAX,
 * -ENOMEM: then the wish stays as it was.
 */
int registry_set(
    struct registry *reg, const struct registry_instance *in) MUST_CHECK;
void registry_remove(struct registry *reg, const char *id); /* or unknown */

enum registry_state registry_state(const struct registry *reg);
const char *registry_reason(const struct registry *reg); /* never NULL */
const char *registry_state_name(enum registry_state state);

/*
 * Every node, service and instance: the others' as Redis had them at the last
 * read (at most REGISTRY_POLL_MS ago while UP), this node's own as wished. The
 * caller's value, or NULL out of memory:
 *
 *	{"cluster", "epoch", "birth",
 *	 "nodes": [{"node", "self", "live", "incarnation", "address",
 *		"lease_ms"}],
 *	 "services": [{"name", "instances": [{"id", "node", "address", "state",
 *		"weight", "live"}]}]}
 *
 * `live`: the node's lease and incarnation still stand (this node's always
 * do); only then does an entry count. The id is the entry's key in Redis:
 * "image.0", and with an address in args "image.0@node", because in a cluster
 * each node has an image.0.
 */
json_t *registry_nodes(const struct registry *reg);

struct registry_stats {
	uint64_t epoch;	    /* of the last read */
	size_t wishes;	    /* instances in the table */
	size_t pending;	    /* of them not yet as wished in Redis */
	uint64_t connects;  /* connections that came up */
	uint64_t resyncs;   /* full comparisons */
	uint64_t mutations; /* scripts that were accepted */
	uint64_t refused;   /* scripts that were refused */
};

void registry_stats(const struct registry *reg, struct registry_stats *out);

#endif /* CLUSTER_REGISTRY_H */
