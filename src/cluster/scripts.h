/* SPDX-License-Identifier: ISC */

/*
 * scripts - the registry's Lua: every change and the one read
 *
 * Each takes one key, `{drover:C}:epoch`, from which it makes the others: they
 * share its hash tag, so they stand in one slot. A script either changes
 * nothing or increments the epoch and publishes it on `{drover:C}:events`.
 * doc/internals/registry.md tells arguments and answers at length.
 */

#ifndef CLUSTER_SCRIPTS_H
#define CLUSTER_SCRIPTS_H

#include "redis/script.h"

#define SCHEMA_VERSION "1"

/*
 * node incarnation address lease_ms birth -> {birth, epoch}
 * SCHEMA n: the data are of another version.
 */
extern struct redis_script script_join;

/*
 * node incarnation, then (set|del) service id value ... ->
 * {birth, epoch, changed, id, holder, id, holder ...}: those refused, because
 * a live node holds them. LEASE: the lease is gone or another herd's.
 */
extern struct redis_script script_mutate;

/*
 * known birth, known epoch -> {} (nobody ever joined), or
 * {version, birth, epoch, {{node, ttl_ms, incarnation, address, acked} ...}
 *  [, {{service, {id, value, ...}} ...}]}: the last unless both are known.
 */
extern struct redis_script script_read;

/* node incarnation -> entries removed */
extern struct redis_script script_leave;

#endif /* CLUSTER_SCRIPTS_H */
