/* SPDX-License-Identifier: ISC */

/*
 * state - what the files of the keeper share: the keeper itself, a child
 *
 * Not for other rooms. keeper.c owns struct keeper; child.c makes, ends and
 * frees children; client.c turns messages into calls of these and back.
 */

#ifndef KEEPER_STATE_H
#define KEEPER_STATE_H

#include <limits.h>

#include "base/list.h"
#include "keeper/output.h"
#include "keeper/upgrade.h"
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

	const char *runtime; /* borrowed */
	struct upgrade upgrade;
};

struct kept_fd {
	struct link link;
	int fd;
	char name[SPAWN_NAME_MAX + 1];
};

struct child {
	struct link link;
	struct keeper *keeper;
	uint64_t id;
	uint64_t started_ms; /* wall */
	struct process process;
	size_t recorded;  /* its place in the record */
	bool alive;	  /* not reaped yet */
	bool runs;	  /* the exec is done */
	int error;	  /* the stage that failed, else 0 */
	unsigned missing; /* enum spawn_missing */
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

/* Until its exec is done, or said why not. */
void child_watch(struct child *c);

/* Reap whoever has exited; kill what a dead leader left behind. */
void children_reap(struct keeper *k);

/* Kill the orphans of the dead; arg is the keeper. */
void children_sweep(void *arg);

/* --- client.c ------------------------------------------------------------- */

/* At path; or at the listener that an earlier program had. */
int clients_listen(struct keeper *k, const char *path, struct err *err);
int clients_accept(struct keeper *k);
void clients_close(struct keeper *k);

/* The one served: its descriptor (-1: nobody), and back from an exec. */
int client_fd(const struct keeper *k, uint32_t *version, int32_t *pid);
int client_resume(struct keeper *k, int fd, uint32_t version, pid_t pid);

/* Tell the client, if there is one. fd -1: none. */
void client_tell(struct keeper *k, const struct keeper_msg *m, int fd);

/* What the manifest says, to control and to the next program. */
struct keeper_msg client_child(const struct child *c);
struct keeper_msg client_ready(const struct keeper *k);

/* Something waits that the client has not taken. */
bool client_is_behind(const struct keeper *k);

/* Room for more lines, or is it so slow that they must be dropped? */
bool client_keeps_up(const struct keeper *k);

/* *fd is the store's after success. 0 or a negative errno. */
int fds_put(struct keeper *k, const char *name, int *fd);
void fds_free(struct keeper *k);

/* --- keeper.c ------------------------------------------------------------- */

void keeper_stop(struct keeper *k);	 /* the whole herd; again is fine */
void keeper_stop_step(struct keeper *k); /* a child is gone */

/* A file of the runtime folder. 0 or -ENAMETOOLONG. */
int keeper_path(const struct keeper *k, char out[PATH_MAX], const char *name,
    struct err *err) MUST_CHECK;

#endif /* KEEPER_STATE_H */
