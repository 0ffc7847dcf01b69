/* SPDX-License-Identifier: ISC */

/*
 * passed - public sockets that systemd opened and the keeper keeps
 *
 * One is used for the address of the configuration that equals its own
 * (control/listeners.h), and waits while none does. They are never closed or
 * unlinked while the herd lives: they are systemd's.
 */

#ifndef CONTROL_PASSED_H
#define CONTROL_PASSED_H

#include "control/state.h"
#include "link/address.h"

void passed_init(struct control *c);
void passed_done(struct control *c); /* closes our copies only */

/* One that the keeper had; false if name is not of one. fd is ours then. */
bool passed_adopt(struct control *c, const char *name, int fd);

/* A duplicate of the one at that address; -ENOENT or another errno. */
int passed_dup(struct control *c, const struct address *a) MUST_CHECK;

/* Log those that no address of conf names. */
void passed_tell_unused(struct control *c, const struct conf *conf);

#endif /* CONTROL_PASSED_H */
