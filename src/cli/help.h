/* SPDX-License-Identifier: ISC */

/* help - the table of commands, as text for a person */

#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "base/buf.h"
#include "cli/command.h"

int help_all(struct buf *out) MUST_CHECK;
int help_command(const struct command *c, struct buf *out) MUST_CHECK;

/* drover(1), in mdoc. */
int help_manual(struct buf *out) MUST_CHECK;

#endif /* CLI_HELP_H */
