/* SPDX-License-Identifier: ISC */

/*
 * logs - lines of output for those who asked
 *
 * What is kept comes from the log files (older) and from the keeper's rings
 * (newest, and all there is with the journal); followed lines come as they are
 * written. A line is told once: what the ring already held is not told again.
 */

#ifndef CONTROL_LOGS_H
#define CONTROL_LOGS_H

#include "control/state.h"

#define LOGS_READERS_MAX 64
#define LOGS_HISTORY_MAX (1024 * 1024) /* bytes read from a log file */

void logs_init(struct control *c);
void logs_done(struct control *c);
void logs_line(struct control *c, const struct herd_line *line); /* followed */

#endif /* CONTROL_LOGS_H */
