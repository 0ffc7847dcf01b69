/* SPDX-License-Identifier: ISC */

/*
 * readers - lines of output for those who asked
 *
 * What is kept comes from the log files (older) and from the keeper's rings
 * (newest, and all there is with the journal); followed lines come as they are
 * written. A line is told once: what the ring already held is not told again.
 */

#ifndef CONTROL_READERS_H
#define CONTROL_READERS_H

#include "control/state.h"

#define READERS_MAX 64
#define READERS_HISTORY_MAX (1024 * 1024) /* bytes read from a log file */

void readers_init(struct control *c);
void readers_done(struct control *c);
void readers_line(
    struct control *c, const struct herd_line *line); /* followed */

#endif /* CONTROL_READERS_H */
