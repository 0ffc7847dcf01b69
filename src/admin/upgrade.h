/* SPDX-License-Identifier: ISC */

/* upgrade - the one call that is answered later */

#ifndef ADMIN_UPGRADE_H
#define ADMIN_UPGRADE_H

struct admin;
struct call;

void on_upgrade(struct call *call);
void upgrade_end(struct admin *a); /* whoever waits is hung up on */

#endif /* ADMIN_UPGRADE_H */
