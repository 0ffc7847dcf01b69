/* SPDX-License-Identifier: ISC */

/*
 * registry_owner - an owner of a registry that only writes down what it hears,
 * with a Redis of its own; its instances are s0.0 of service s0, s1.0 of s1 ...
 */

#ifndef TESTS_UNIT_REGISTRY_OWNER_H
#define TESTS_UNIT_REGISTRY_OWNER_H

#include <stdbool.h>

#include "cluster/registry.h"
#include "redis_server.h"

struct owner {
	struct loop *loop;
	struct redis_server server;
	struct registry *reg;
	enum registry_state state;
	char reason[256];
	unsigned told;
	bool link;
	bool left;
	unsigned want; /* instances, for is_complete() */
};

extern const struct registry_ops owner_ops;

struct registry *owner_registry(
    struct owner *o, const char *node, const char *incarnation);

int owner_setup(void **state); /* for cmocka; node a, incarnation i1 */
int owner_teardown(void **state);
void owner_wish(struct registry *reg, unsigned n, const char *state);

/* As a program of another kind would, with commands to Redis alone. */
const char *owner_ask(struct owner *o, const char *command);
uint64_t owner_ask_u64(struct owner *o, const char *command);
unsigned owner_count_up(struct owner *o); /* of the wanted, ready in Redis */
void owner_on_left(void *arg);

/* For loop_until(); arg is the owner. */
bool is_up(void *arg);
bool is_down(void *arg);
bool is_complete(void *arg);
bool is_clear(void *arg);
bool has_reason(void *arg);
bool has_left(void *arg);

void owner_start_with(struct owner *o, unsigned n);

#endif /* TESTS_UNIT_REGISTRY_OWNER_H */
