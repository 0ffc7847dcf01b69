/* SPDX-License-Identifier: ISC */

/*
 * adopt - take over the children that an earlier control process left
 *
 * The manifest's children are kept aside until the configuration is in force,
 * and then matched by their notes: workers and replicas go on as they are,
 * with pid, counters and verdict; an exit that nobody heard is heard now. A
 * child whose note fits nothing is killed and forgotten.
 */

#ifndef CONTROL_ADOPT_H
#define CONTROL_ADOPT_H

#include "control/state.h"

/* From the herd's child(): copied aside. */
void adopt_keep(struct control *c, const struct herd_child *child);

bool adopt_any(const struct control *c); /* is there a herd to take over? */

void adopt_all(struct control *c); /* services and workers are made */
void adopt_done(struct control *c);

#endif /* CONTROL_ADOPT_H */
