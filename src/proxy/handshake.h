/* SPDX-License-Identifier: ISC */

/*
 * handshake - a client's connection until TLS is on it
 *
 * It comes from the gate and goes on, in the same place there, as what the two
 * agreed upon (ALPN). Until then it may take so long and no longer, and there
 * may be so many of a worker's at a time: one more ends the oldest, so that
 * clients that do not finish keep nobody out. A client that speaks HTTP without
 * TLS is told so.
 */

#ifndef PROXY_HANDSHAKE_H
#define PROXY_HANDSHAKE_H

#include "base/list.h"

#define HANDSHAKE_LINGER_MAX (64U * 1024)

struct gate_arrival;
struct table_listener;
struct worker;

struct handshakes {
	struct list all; /* the oldest first */
	unsigned n;
};

void handshakes_init(struct handshakes *hs);

/* a->fd becomes its own. -ENOMEM: it was closed. */
int handshake_open(struct worker *w, const struct gate_arrival *a,
    const struct table_listener *l) MUST_CHECK;

#endif /* PROXY_HANDSHAKE_H */
