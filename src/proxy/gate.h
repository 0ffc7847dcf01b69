/* SPDX-License-Identifier: ISC */

/*
 * gate - the listeners, and the clients that came through them
 *
 * Control says which descriptors to accept on. At the ceiling of connections
 * accepting stops, and what waits is the kernel's queue; it goes on when one
 * in sixteen has left. Of one address (IPv6: of one /64) there may be fewer:
 * one too many is accepted and closed. Trusted proxies, services and Unix
 * sockets are not counted against that.
 */

#ifndef PROXY_GATE_H
#define PROXY_GATE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "link/snapshot.h"
#include "loop/loop.h"
#include "model/tally.h"

#define GATE_BATCH 64	  /* accepted in one turn */
#define GATE_PAUSE_MS 100 /* after running out of descriptors */

struct gate_client;
struct sockaddr;
struct tls_conn;
struct worker;

struct gate_client_ops {
	/* Whether it waits for a request and has nothing of one. */
	bool (*idle)(struct gate_client *c);
	void (*close)(struct gate_client *c);

	/* Answer what was asked, and no more; it closes later. NULL: it has
	 * no word for that. */
	void (*leave)(struct gate_client *c);
};

/* A connection, of whatever protocol; embedded in its owner. */
struct gate_client {
	const struct gate_client_ops *ops;
	void *owner;
	struct link link;
	uint64_t tag; /* of its address; 0: not counted */
};

/* A connection that was accepted. */
struct gate_arrival {
	int fd;
	const struct sockaddr *from;
	bool internal;		    /* through an internal listener */
	uint16_t http2;		    /* streams of it, if it may be; or 0 */
	struct tls_conn *tls;	    /* what is on it, or NULL; goes with fd */
	struct gate_client *before; /* whose place it takes, or NULL */
};

struct gate_listener {
	struct worker *w;
	uint32_t id;
	int fd;
	bool open; /* its event is armed */
	struct event ev;
};

struct gate {
	struct worker *w;
	struct gate_listener listeners[SNAPSHOT_LISTENERS_MAX];
	unsigned nlisteners;
	struct list clients; /* struct gate_client */
	unsigned nclients;
	unsigned limit;
	unsigned descriptors;	/* what RLIMIT_NOFILE allows for clients */
	struct tally addresses; /* of clients */
	uint64_t arriving;	/* the tag of the next to enter */
	bool full;
	bool starved; /* no memory for more */
	bool closed;  /* draining */
	struct loop_timer pause;
};

void gate_init(struct gate *g, struct worker *w);
void gate_done(struct gate *g);

/* Accept on these from now on; the descriptors become the gate's. */
void gate_set(struct gate *g, const uint32_t *ids, const int *fds, unsigned n);

/* How many clients there may be. */
void gate_limit(struct gate *g, unsigned limit);
void gate_starve(struct gate *g, bool on);

/* No snapshot, or draining: nobody comes in. */
void gate_update(struct gate *g);
void gate_close(struct gate *g);

/* The arrival that a is has become client, in its own place or a new one. */
void gate_enter(
    struct gate *g, struct gate_client *client, const struct gate_arrival *a);
void gate_leave(struct gate *g, struct gate_client *client);

#endif /* PROXY_GATE_H */
