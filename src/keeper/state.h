/* SPDX-License-Identifier: ISC */

/*
 * state - what the files of the keeper share: the keeper itself, a child
 *
 * Not for other rooms. keeper.c owns struct keeper; child.c makes, ends and
 * frees children; client.c turns messages into calls of these and back.
 */

#ifndef KEEPER_STATE_H
#define KEEPER_STATE_H

#include "base/list.h"
#include "keeper/output.h"
#include "link/keeper_msg.h"
#include "loop/loop.h"
#include "proc/cgroup.h"
#include "proc/packet.h"
#include "proc/process.h"
#include "proc/record.h"

#define KEEPER_CHILDREN_MAX 4096u /* exited ones that nobody forgot too */
#define KEEPER_FDS_MAX 4096u	  /* in the store */

struct keeper {
	struct loop *loop;
	struct output output;
	struct record *record;
	struct cgroup cgroup;
	char incarnation[33];
	uint64_t last_id;
	uint32_t host; /* KEEPER_HOST_* */

	struct list children; /* struct child, in the order of birth */
	unsigned nchildren;
	unsigned nalive;
	struct loop_later sweep;
	struct loop_timer sweep_timer; /* some orphan could not be told */

	struct list fds; /* struct kept_fd */
	unsigned nfds;

	int listener;
	struct loop_io accept;
	uid_t control_uid;
	struct list clients;
	struct client *current; /* the one served, or NULL */
	struct buf out;		/* a message being written */

	bool stopping;
	struct loop_timer stop_timer;
	struct loop_signal signals[3];
};

struct child {
	struct link link;
	struct keeper *keeper;
	uint64_t id;
	uint64_t started_ms; /* wall */
	struct process process;
	size_t recorded; /* its place in the record */
	bool alive;	 /* not reaped yet */
	bool runs;	 /* the exec is done */
	int error;	 /* the stage that failed, else 0 */
	char stage[PROCESS_STAGE];
	struct loop_io report;
	struct stream streams[2]; /* stdout, stderr */
	struct slot *slot;
	struct logfile *log;

	uint8_t rank;
	uint8_t stop_signal;
	uint32_t stop_timeout_ms;
	bool told;	   /* the stop signal was sent */
	bool killed;	   /* and SIGKILL */
	uint64_t deadline; /* of the stop, on the loop's clock */

	struct spawn_exit exit; /* once it is no longer alive */
	char *tail;
	size_t tail_len;
	char *note;
	size_t note_len;
};

/* --- child.c -------------------------------------------------------------- */

/* Start one. What fails is told to the client, not returned. */
void child_spawn(struct keeper *k, const struct spawn_spec *spec,
    const int *fds, unsigned nfds);

struct child *child_find(struct keeper *k, uint64_t id); /* or NULL */
void child_signal(struct child *c, int signo, bool group);
int child_note(struct child *c, struct span note);
void child_free(struct child *c); /* must not be alive */

/* Reap whoever has exited; kill what a dead leader left behind. */
void children_reap(struct keeper *k);

/* Kill the orphans of the dead; arg is the keeper. */
void children_sweep(void *arg);

/* --- client.c ------------------------------------------------------------- */

int clients_listen(struct keeper *k, const char *path, struct err *err);
void clients_close(struct keeper *k);

/* Tell the client, if there is one. fd -1: none. */
void client_tell(struct keeper *k, const struct keeper_msg *m, int fd);

/* Room for more lines, or is it so slow that they must be dropped? */
bool client_keeps_up(const struct keeper *k);

void fds_free(struct keeper *k);

/* --- keeper.c ------------------------------------------------------------- */

void keeper_stop(struct keeper *k);	 /* the whole herd; again is fine */
void keeper_stop_step(struct keeper *k); /* a child is gone */

#endif /* KEEPER_STATE_H */
