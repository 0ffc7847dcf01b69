/* SPDX-License-Identifier: ISC */

/* run - what each command does; each returns the exit code */

#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/command.h"

int run_daemon(const struct invocation *in); /* local.c */
int run_explain(const struct invocation *in);
int run_check(const struct invocation *in);
int run_version(const struct invocation *in);
int run_help(const struct invocation *in);

int run_completion(const struct invocation *in); /* completion.c */

int run_status(const struct invocation *in); /* look.c */
int run_plan(const struct invocation *in);
int run_nodes(const struct invocation *in);

int run_start(const struct invocation *in); /* change.c */
int run_stop(const struct invocation *in);
int run_restart(const struct invocation *in);
int run_scale(const struct invocation *in);
int run_reload(const struct invocation *in);
int run_upgrade(const struct invocation *in);
int run_shutdown(const struct invocation *in);

int run_rollout(const struct invocation *in); /* rollout.c */

int run_logs(const struct invocation *in); /* follow.c */
int run_events(const struct invocation *in);

int run_top(const struct invocation *in); /* top.c */

#endif /* CLI_RUN_H */
