/* SPDX-License-Identifier: ISC */

/*
 * strangers - who connects to control.sock before it is known as a worker
 *
 * Anybody on the machine may connect: whose pid (the kernel's word) is no
 * worker's, while no worker is awaited, is hung up on at once. Who may be one
 * that the keeper is yet to tell of waits for that word, STRANGERS_MAX at
 * most; one more, and the oldest goes. So nobody who is silent keeps a worker
 * out. The log has one line a second for all of them.
 */

#ifndef CONTROL_STRANGERS_H
#define CONTROL_STRANGERS_H

#include "control/state.h"

#define STRANGERS_MAX 64u

/* control.sock is readable; arg is the control. */
void strangers_accept(void *arg, unsigned what);

/* The keeper told of a worker, or of its end: who waits is looked at again. */
void strangers_look(struct control *c);
void strangers_close(struct control *c);

#endif /* CONTROL_STRANGERS_H */
