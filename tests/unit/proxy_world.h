/* SPDX-License-Identifier: ISC */

/*
 * proxy_world - a worker in the test's own process
 *
 * It has a scoreboard and takes snapshots as from control, which is not there.
 * Clients are downstreams without a socket; what they are answered is text.
 * Origins listen on sockets of their own in the worker's loop, and allocate
 * nothing: the allocations that fail are the worker's.
 */

#ifndef TESTS_UNIT_PROXY_WORLD_H
#define TESTS_UNIT_PROXY_WORLD_H

#include "link/snapshot.h"
#include "proxy/downstream.h"
#include "proxy/worker.h"

#define WORLD_CONNS 8

struct world;

struct world_conn {
	struct world_origin *o;
	struct loop_io io;
	int fd; /* -1: free */
};

/* It answers each piece that it reads with `answer`. */
struct world_origin {
	struct world *world;
	char address[128];
	int fd;
	struct loop_io io;
	struct world_conn conns[WORLD_CONNS];
	const char *answer;
	unsigned asked;
	char heard[16384]; /* the last piece */
};

struct world {
	struct worker *w;
	char folder[64];
	uint64_t generation;
	struct world_origin web, judge;
	struct loop_timer late, turn;
};

struct world_client {
	struct downstream d; /* first */
	struct peer peer;
	char said[8192];
	size_t n;
	unsigned ends; /* how often it was told that it is over */
};

int world_setup(void **state); /* struct world */
int world_teardown(void **state);

/* In force from here on; generation and cells are set. 0 or -ENOMEM. */
int world_publish(struct world *t, const struct snapshot *s);

/* A request, up to its answer's end. Its status; 0: it was hung up on. */
unsigned world_ask(struct world *t, struct world_client *c, const char *head);

bool world_over(void *client); /* for world_until() */

/* Begin it, and do not wait. */
void world_begin(struct world *t, struct world_client *c, const char *head);

/* Turns of the loop until what(arg); fails the test after 10 s. */
void world_until(struct world *t, bool (*what)(void *arg), void *arg);

#endif /* TESTS_UNIT_PROXY_WORLD_H */
