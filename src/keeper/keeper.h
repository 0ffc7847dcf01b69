/* SPDX-License-Identifier: ISC */

/*
 * keeper - the parent of every worker and instance
 *
 * It spawns on order, reaps, reads output, keeps descriptors and control's
 * notes, and knows nothing of configuration, HTTP or Redis. One thread, one
 * loop. Its files in the runtime folder:
 *
 *	keeper.sock	where control connects (mode 0600)
 *	herd		the pids and start times of its children: whoever
 *			becomes keeper after this one kills what is left
 *
 * Sockets that systemd hands over (proc/activation.h) go into the store of
 * descriptors, as KEEPER_ACTIVATED and a number.
 *
 * Control connects with herd_connect() (control/herd.h). At most one client is
 * served; a newer one that proves itself replaces it. Peers must be the
 * keeper's own uid, root, or control_uid.
 *
 * SIGTERM, or the order to shut down, ends the herd: all children of one rank
 * (link/spawn.h) get their stop signal, and those that outlive their timeout
 * SIGKILL to the group; then the next rank: workers, then instances from the
 * highest depth to the lowest, then Redis. Control's coming and going means
 * nothing to the children.
 *
 * The order to upgrade makes it another program in place (keeper/upgrade.h).
 *
 * Every child has the variable DROVER_CHILD=<incarnation>.<id> beside the
 * environment that control gave. When a leader exits, SIGKILL goes to its
 * group and its cgroup before it is reaped, and to every orphan that was
 * handed to the keeper and carries that mark, is of that session, or carries
 * no mark of a living child.
 */

#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <sys/types.h>

struct keeper_args {
	const char *runtime; /* the folder; it must exist */
	int ready_fd;	     /* "\n" when it listens, or why not; -1: none */
	uid_t control_uid;   /* who else may connect; (uid_t)-1: nobody */
	const char *cgroup;  /* own cgroup v2 folder; NULL: find out */
	int manifest;	     /* of the program before; 0: a new keeper */
};

/* Runs until the herd is ended. The exit status: 0, or 1 with a log line. */
int keeper_main(const struct keeper_args *args);

/* The trial of keeper/upgrade.h: the sum on stdout. The exit status. */
int keeper_verify(int fd);

#endif /* KEEPER_KEEPER_H */
