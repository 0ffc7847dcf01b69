/* SPDX-License-Identifier: ISC */

/* mini_records - what mini_control prints of records and of bars */

#ifndef TOOLS_MINI_RECORDS_H
#define TOOLS_MINI_RECORDS_H

#include "link/record.h"

int mini_records_open(void); /* what workers are sent */

/* Answers "bars? CELL" and "records? INDEX"; false: another command. */
bool mini_records_ask(const struct scoreboard *board, char **words);

#endif /* TOOLS_MINI_RECORDS_H */
