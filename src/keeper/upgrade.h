/* SPDX-License-Identifier: ISC */

/*
 * upgrade - the keeper becomes another program, and nobody notices
 *
 * The order names a program, which nobody but root and ourselves may be able to
 * change, or to put another in its place. That is first run as a candidate,
 * `<program> keeper --verify`, with a copy of the manifest on its stdin: within
 * UPGRADE_TRIAL_MS it must print the manifest's sum, which shows that it can
 * read all of it. Then the keeper writes what it knows now, and execs the
 * program: the same process, with the same children, descriptors and locks,
 * and with the connection to control, that hears UPGRADED from whoever is on
 * the other side of the exec. Signals are blocked meanwhile, and what was
 * caught before is obeyed first; a child that dies is reaped after.
 *
 * Whatever goes wrong before is the text of UPGRADED, and this keeper goes on.
 */

#ifndef KEEPER_UPGRADE_H
#define KEEPER_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "link/keeper_msg.h"
#include "loop/loop.h"
#include "proc/process.h"

#define UPGRADE_TRIAL_MS 5000

struct keeper;

struct upgrade {
	uint64_t id; /* of the order; 0: none is under way */
	char *program;
	bool really;	/* not only the trial */
	bool passed;	/* the trial */
	unsigned turns; /* since signals are blocked; 0: they are not */
	uint64_t until; /* loop time: then it is given up */
	char from[SPAWN_NAME_MAX + 1]; /* after: the version before */

	struct process candidate;
	uint64_t sum;
	char said[32];
	size_t nsaid;
	int out; /* its stdout; -1 */
	struct loop_io io;
	struct loop_timer timer;
};

void upgrade_init(struct keeper *k);
void upgrade_done(struct keeper *k);

/* The order; the answer comes by itself. */
void upgrade_begin(struct keeper *k, const struct keeper_msg *m);

/* A candidate is nobody's orphan. */
bool upgrade_is_candidate(const struct keeper *k, pid_t pid);

/* After the exec, once all stands. */
void upgrade_told(struct keeper *k);

#endif /* KEEPER_UPGRADE_H */
