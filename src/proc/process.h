/* SPDX-License-Identifier: ISC */

/*
 * process - start one, know it, signal it, and never another
 *
 * process_fork() makes a child that does nothing until process_go(): the
 * caller writes down what it has to first. If the caller dies before, the
 * child sees the end of its pipe and exits. Then the child makes itself what
 * the plan says and becomes the program, or tells at which stage it failed.
 *
 * A child leads its own session and process group; stdin is /dev/null unless
 * given; every signal is at its default and unblocked; no descriptor but those
 * given is open in it. Nothing between fork and exec allocates, except the
 * look-up of a user's groups when the plan has a uid.
 *
 * Signals go through the pidfd, or to a group whose leader has not been
 * reaped: a recycled pid is never hit.
 */

#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/err.h"
#include "proc/sandbox.h"

#define PROCESS_FDS 16u	  /* descriptors passed, from 3 on */
#define PROCESS_ENV 512u  /* strings */
#define PROCESS_STAGE 16u /* bytes of a stage's name */
#define PROCESS_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct process_plan {
	const char *const *argv; /* argv[0] is looked up in env's PATH */
	const char *const *env;	 /* the whole of it; NULL: empty */
	const char *marker;	 /* one more variable, or NULL */
	const char *directory;	 /* NULL: / */
	const int *fds;		 /* become 3, 4, ... */
	unsigned nfds;
	unsigned listen_fds; /* > 0: LISTEN_FDS and LISTEN_PID */
	int in, out, err;    /* -1: /dev/null */

	uid_t uid; /* (uid_t)-1: the caller's */
	gid_t gid;
	mode_t umask;
	unsigned files;	    /* RLIMIT_NOFILE; 0: inherited */
	unsigned processes; /* RLIMIT_NPROC; 0: inherited */
	struct sandbox sandbox;
};

struct process {
	pid_t pid;
	int pidfd;	  /* owned; -1 when done */
	int go;		  /* owned: -1 once it may go */
	int report;	  /* owned: readable when it runs or failed */
	unsigned missing; /* enum sandbox_missing, once it runs */
	uint64_t started; /* /proc/<pid>/stat: with the pid, it is unique */
};

/* What is borrowed in plan is needed until return only. */
int process_fork(struct process *p, const struct process_plan *plan,
    struct err *err) MUST_CHECK;
int process_go(struct process *p) MUST_CHECK;

/*
 * When p->report is readable: 1 it runs, 0 not known yet, or the negative
 * errno of the stage that failed (stage has PROCESS_STAGE bytes). Other than
 * at 0 the report is closed. p->missing is set by the way.
 */
int process_report(struct process *p, char *stage) MUST_CHECK;

/* Closes what is open; the process itself is not touched. */
void process_done(struct process *p);

/* 0 or a negative errno (-ESRCH). It must not have been reaped. */
int process_signal(const struct process *p, int signo);
int process_signal_group(const struct process *p, int signo);

/* Reap it: 1, 0 if it still runs, or a negative errno. */
int process_reap(const struct process *p, siginfo_t *how) MUST_CHECK;

/* --- any process ---------------------------------------------------------- */

/* Its start time in ticks since boot, or 0 if there is none (or a zombie). */
uint64_t process_start_time(pid_t pid);

/* SIGKILL to the group that pid leads, if it is still that very process. */
int process_kill_recorded(pid_t pid, uint64_t started);

/*
 * Call fn for each child of the calling (single-threaded) process, zombies
 * too: at most `max` of them.
 */
int process_children(unsigned max, void (*fn)(void *arg, pid_t pid), void *arg);

/* The same for every process that /proc shows. */
int process_each(void (*fn)(void *arg, pid_t pid), void *arg);

/*
 * The value of a variable in the environment that pid was started with:
 * -ENOENT not there, -EACCES not ours to see, -ESRCH, or -EAGAIN: it is in the
 * middle of an exec and has none for a moment.
 */
int process_getenv(
    pid_t pid, const char *name, char *value, size_t size) MUST_CHECK;

#endif /* PROC_PROCESS_H */
