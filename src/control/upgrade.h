/* SPDX-License-Identifier: ISC */

/*
 * upgrade - all of drover becomes another program, and no request is lost
 *
 *	TRIAL	  the keeper asks the program whether it can read what the
 *		  keeper knows; the old ones go on if not
 *	WORKERS	  control has become it (args.upgrade, an exec in place) and
 *		  taken over; the workers are replaced one by one: a new one
 *		  listens on the same sockets, then the old one drains, for as
 *		  long as its WebSockets may take
 *	KEEPER	  and the keeper becomes it, in place
 *
 * Which upgrade it is, and how far it came, stands in a memfd with the keeper:
 * if control dies, the next one goes on; if that is not the program, it becomes
 * it, once more. Each worker's note has the number of
 * the upgrade that started it, its epoch. A new worker that does not get ready
 * ends the upgrade: the old ones stay, and the reason is in the status.
 */

#ifndef CONTROL_UPGRADE_H
#define CONTROL_UPGRADE_H

#include "control/state.h"

#define UPGRADE_FD "upgrade" /* its name with the keeper */

void upgrade_open(struct control *c);
void upgrade_close(struct control *c);

/* The memfd, from the keeper; taken also when it is not usable. */
void upgrade_adopt(struct control *c, int fd);

/* Go on from where things stand: a worker changed, or control has begun. */
void upgrade_soon(struct control *c);

/* The keeper's answer: NULL, or why not. */
void upgrade_answered(struct control *c, const char *why);

/* For the status: {"phase", "epoch", "failed"}; NULL without memory. */
json_t *upgrade_json(const struct control *c);

#endif /* CONTROL_UPGRADE_H */
