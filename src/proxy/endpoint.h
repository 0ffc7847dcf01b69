/* SPDX-License-Identifier: ISC */

/*
 * endpoint - one address of a service, as this worker knows it
 *
 * It lives as long as a snapshot names it or an exchange holds it, so pools
 * and marks survive a change of the snapshot. Idle connections are kept last
 * in, first out; reading stays armed on them, so that one that the service
 * closes goes at once. Those that carry an exchange are on a list too: when
 * control finds that the service does not answer its checks either, what waits
 * there goes elsewhere.
 */

#ifndef PROXY_ENDPOINT_H
#define PROXY_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "link/address.h"
#include "link/scoreboard.h"
#include "link/snapshot.h"
#include "model/outlier.h"

#define ENDPOINT_FULL_MS 5 /* after EAGAIN: not asked for so long */

struct worker;

struct endpoint {
	struct worker *w;
	unsigned refs;
	char name[SNAPSHOT_NAME_MAX + 1];
	char text[SNAPSHOT_ADDRESS_MAX + 1];
	struct address address;
	uint64_t serial; /* of this worker, never used again */
	uint32_t cell;
	uint32_t weight;
	uint64_t ready_since_ms;
	struct scoreboard_endpoint *count;
	struct scoreboard_bars *bars;
	uint16_t record_name;
	struct list idle; /* struct upstream, the last used first */
	struct list busy; /* those with an exchange */
	struct link left; /* gone, and held: on the worker's list */
	unsigned nidle;
	struct outlier outlier;
	bool down;   /* refused a connect; until the next generation */
	bool gone;   /* in no snapshot any more */
	bool silent; /* and to be forsaken */
	bool trial;  /* its version is not proven: SNAPSHOT_ENDPOINT_TRIAL */
	uint64_t full_until_ms;
};

/* One reference, the caller's. NULL when out of memory. */
struct endpoint *endpoint_new(
    struct worker *w, const struct snapshot_endpoint *conf);
struct endpoint *endpoint_ref(struct endpoint *ep);
void endpoint_unref(struct endpoint *ep); /* NULL is fine */

bool endpoint_is(
    const struct endpoint *ep, const struct snapshot_endpoint *conf);

/* Whether an error of a connect is its fault, not, say, our descriptors'. */
bool endpoint_blamed(int error);

/* A new snapshot names it again: it may have new weight, and is not down. */
void endpoint_renew(struct endpoint *ep, const struct snapshot_endpoint *conf);

/* No snapshot names it: its idle connections are closed. */
void endpoint_retire(struct endpoint *ep);

/*
 * It is gone and does not answer: each exchange that waits there is told to
 * (exchange_forsaken), which may end it and others.
 */
void endpoint_forsake(struct endpoint *ep);

/* A connect was refused: nothing goes there until the next generation. */
void endpoint_down(struct endpoint *ep, int error);

/* A non-blocking socket and a connect(): fd, or a negative errno. */
int endpoint_connect(struct endpoint *ep, bool *done);

/* Whether nobody listens there any more: tried by a connect that is dropped. */
bool endpoint_refuses(struct endpoint *ep);

#endif /* PROXY_ENDPOINT_H */
