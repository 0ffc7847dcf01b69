/* SPDX-License-Identifier: ISC */

/*
 * sample - what is measured each second, and on demand
 *
 * Request rates and latencies from the scoreboard; memory and CPU of each
 * replica's session from /proc. Where the host has no cgroup v2 memory
 * controller, a replica over `resources.memory` is restarted from here.
 */

#ifndef CONTROL_SAMPLE_H
#define CONTROL_SAMPLE_H

#include "control/state.h"

void sample_begin(struct control *c);
void sample_end(struct control *c);

/* Memory and CPU of every replica, unless read within the last 500 ms. */
void sample_processes(struct control *c);

#endif /* CONTROL_SAMPLE_H */
