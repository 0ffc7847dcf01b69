/* SPDX-License-Identifier: ISC */

/*
 * certificates - what workers need for TLS and cannot read themselves
 *
 * Certificates and private keys are read from the files of the configuration,
 * at the beginning and with every reload; the snapshot carries them. Where they
 * cannot be read at the beginning, workers go on with those that they have, and
 * it is tried again every minute.
 *
 * The keys for session tickets are made here, and are the same for all workers.
 * A new one is made every CERTIFICATES_TURN_MS; tickets that were sealed with
 * one of the two before are still taken. They are in a memfd with the keeper,
 * never on disk: the next control process goes on with them, and the end of the
 * herd forgets them.
 */

#ifndef CONTROL_CERTIFICATES_H
#define CONTROL_CERTIFICATES_H

#include "conf/pem.h"
#include "control/state.h"

#define CERTIFICATES_FD "tickets" /* their name with the keeper */
#define CERTIFICATES_TURN_MS (12U * 3600 * 1000)

struct snapshot;
struct snapshot_listener;

void certificates_init(struct control *c);
void certificates_done(struct control *c);

/* Keys that the keeper had; what cannot be used is not. */
void certificates_adopt(struct control *c, int fd);

/* The configuration is in force: read, and keep an eye on all of it. */
void certificates_begin(struct control *c);

/* These are in force from now on; they become control's. */
void certificates_set(struct control *c, struct pems *pems);

/* What a listener of this address has; arena memory comes from room(). */
void certificates_fill(struct control *c, struct snapshot_listener *l,
    void *(*room)(void *arg, size_t n), void *arg);
void certificates_tickets(const struct control *c, struct snapshot *s);

/* The metrics. 0 or why out is full. */
int certificates_metrics(struct control *c, struct buf *out) MUST_CHECK;

#endif /* CONTROL_CERTIFICATES_H */
