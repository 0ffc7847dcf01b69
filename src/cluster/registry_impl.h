/* SPDX-License-Identifier: ISC */

/*
 * registry_impl - what registry.c (the owner's side) and sync.c (Redis's side)
 * share; for no one else
 */

#ifndef CLUSTER_REGISTRY_IMPL_H
#define CLUSTER_REGISTRY_IMPL_H

#include "cluster/directory.h"
#include "cluster/registry.h"
#include "cluster/wishes.h"
#include "redis/redis.h"

#define REGISTRY_NAME_MAX 63   /* cluster, node, service */
#define REGISTRY_ID_MAX 95     /* an instance's */
#define REGISTRY_FIELD_MAX 160 /* id@node */
#define REGISTRY_STATE_MAX 31
#define REGISTRY_ADDRESS_MAX 255
#define REGISTRY_REASON_MAX 256

enum phase {
	IDLE,	 /* not started, or no connection */
	JOINING, /* the lease is asked for */
	FIRST,	 /* the first comparison is under way */
	LIVE,
	FOREIGN, /* another drover holds our name: read on, write nothing */
	LEAVING
};

struct registry {
	struct loop *loop;
	const struct registry_ops *ops;
	void *owner;
	char cluster[REGISTRY_NAME_MAX + 1];
	char node[REGISTRY_NAME_MAX + 1];
	char incarnation[REGISTRY_ID_MAX + 1];
	char address[REGISTRY_ADDRESS_MAX + 1];
	char lease_key[2 * REGISTRY_NAME_MAX + 32];
	char epoch_key[REGISTRY_NAME_MAX + 32];

	struct redis *redis; /* NULL: off */
	enum phase phase;
	bool mutating, reading, freed;
	unsigned polls; /* since the last data */
	struct loop_timer poll, renew, retry, leave;
	struct loop_later flush, tell;

	struct wishes wishes;
	struct directory directory;
	enum registry_state state, told_state;
	char reason[REGISTRY_REASON_MAX], told_reason[REGISTRY_REASON_MAX];
	char held[REGISTRY_REASON_MAX]; /* what another node holds, or "" */
	uint64_t since;			/* of the state */
	bool link, told_link;
	struct registry_stats stats;
	void (*answered)(struct registry *reg);
	void (*left)(void *arg);
	void *left_arg;
};

/* --- registry.c ----------------------------------------------------------- */

/* Log it if it differs, and tell the owner in a later turn. */
void registry_set_state(
    struct registry *reg, enum registry_state state, const char *reason);
void registry_set_link(struct registry *reg, bool up);

/* --- sync.c --------------------------------------------------------------- */

extern const struct redis_ops sync_redis_ops;

void sync_init(struct registry *reg);
void sync_done(struct registry *reg);

/* Write what is to be written, at the end of this turn. */
void sync_soon(struct registry *reg);

/* Send the farewell: answered(reg) once, unless Redis cannot be reached (<0) */
int sync_leave(struct registry *reg, void (*answered)(struct registry *reg));

#endif /* CLUSTER_REGISTRY_IMPL_H */
