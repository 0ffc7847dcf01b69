/* SPDX-License-Identifier: ISC */

/*
 * listeners - the sockets on which clients arrive
 *
 * Each TCP address is a group of SO_REUSEPORT sockets, one per worker; a Unix
 * address, and what systemd opened, is one socket that all share. Duplicates
 * stay with the keeper under "listen ID N KIND ADDRESS", so that neither a
 * worker's nor control's death loses a connection that is waiting in a queue,
 * and a new control process gets them back.
 *
 * A first bind without SO_REUSEPORT makes a second daemon on the same address
 * fail instead of sharing it.
 */

#ifndef CONTROL_LISTENERS_H
#define CONTROL_LISTENERS_H

#include "control/state.h"

void listeners_init(struct control *c);
void listeners_done(struct control *c); /* closes our copies only */

/* One that the keeper had; false if name is not of a listener. */
bool listeners_adopt(struct control *c, const char *name, int fd);

/*
 * Bind what conf names and is not there, tell the workers, and drop what it
 * does not name. All or nothing: on error all is as before.
 */
int listeners_apply(
    struct control *c, const struct conf *conf, struct err *err) MUST_CHECK;

/* Only look whether the new ones could be bound. */
int listeners_check(
    struct control *c, const struct conf *conf, struct err *err) MUST_CHECK;

/* The set for one worker. 0 or as worker_msg_send(). */
int listeners_send(struct control *c, struct worker *w) MUST_CHECK;

/* "127.0.0.1:20000": where services call one another. */
const char *listeners_internal(struct control *c);

#endif /* CONTROL_LISTENERS_H */
