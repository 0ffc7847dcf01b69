/* SPDX-License-Identifier: ISC */

/*
 * spawn - what control tells the keeper about a process to start
 *
 * Plain values, encoded by link/keeper_msg. Strings are borrowed by the
 * encoder and live in the message on the decoder's side. A whole spec has to
 * fit one message (KEEPER_MSG_MAX, 128 KiB): a larger one is -EMSGSIZE.
 */

#ifndef LINK_SPAWN_H
#define LINK_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPAWN_ARGS_MAX 256
#define SPAWN_ENV_MAX 256
#define SPAWN_NOTE_MAX 4096
#define SPAWN_NAME_MAX 80

/* In what order the keeper ends its children when it must do so by itself. */
enum spawn_rank {
	SPAWN_WORKER = 0,   /* first: they finish what they have */
	SPAWN_INSTANCE = 1, /* plus the depth of its dependencies, to 254;
			     * the deepest first */
	SPAWN_REDIS = 255   /* last */
};

/* What a child was started without: the host did not give it. */
enum spawn_missing {
	SPAWN_NO_USER = 1,
	SPAWN_NO_PRIVATE_TMP = 2,
	SPAWN_NO_READ_ONLY = 4,
	SPAWN_NO_NETWORK = 8,
	SPAWN_NO_CAPABILITIES = 16,
	SPAWN_NO_SECCOMP = 32
};
#define SPAWN_FILTER_MAX 2048u /* bytes */

struct spawn_spec {
	/*
	 * The child's id: chosen by control, above all that were used before
	 * (herd_last_id()); the keeper refuses any other with -EEXIST.
	 */
	uint64_t id;
	const char *slot; /* "image.0", "proxy.1": whose ring the lines go to */
	const char *log;  /* "image": the log file's base name */

	const char *const *argv; /* argv[0] is looked up in PATH if no '/' */
	const char *const
	    *env; /* NAME=VALUE, the whole environment; NULL end */
	const char *directory;

	/* Passed fds become 3, 4, ... LISTEN_FDS and LISTEN_PID are added when
	 * listen_fds > 0. */
	unsigned nfds;
	unsigned listen_fds;

	uid_t uid; /* (uid_t)-1: as the keeper */
	gid_t gid;
	bool no_new_privs;
	bool drop_capabilities;
	bool private_tmp; /* a mount namespace with its own /tmp */
	bool read_only;	  /* everything but `writable` is read-only */
	bool no_network;  /* an empty network namespace */
	bool optional;	  /* go on without what the host cannot give */
	unsigned missing; /* enum spawn_missing: what control left out */
	const char *const *writable; /* folders; NULL at the end */
	const void *filter; /* of system calls, as the kernel reads it */
	size_t filter_len;  /* bytes, 8 a step; 0: none */

	/*
	 * Folders that the keeper makes where they are missing, NULL at the
	 * end: for uid and gid, 0750; and for uid and a group whose members
	 * may change what is in them, 02770.
	 */
	const char *const *owned;
	const char *const *shared;
	gid_t shared_gid;
	mode_t umask;

	uint64_t memory;      /* cgroup memory.max, bytes; 0: none */
	unsigned cpu_percent; /* cgroup cpu.max; 0: none */
	unsigned processes;   /* cgroup pids.max, else RLIMIT_NPROC; 0: none */
	unsigned files;	      /* RLIMIT_NOFILE; 0: inherited */

	/* For a stop without control. */
	uint8_t rank; /* enum spawn_rank */
	uint8_t stop_signal;
	uint32_t stop_timeout_ms;

	const void *note; /* control's own, opaque to the keeper */
	size_t note_len;
};

enum spawn_exit_kind { EXIT_EXITED, EXIT_SIGNALLED, EXIT_OOM, EXIT_UNKNOWN };

struct spawn_exit {
	enum spawn_exit_kind kind;
	int code;   /* EXITED */
	int signal; /* SIGNALLED, OOM */
	uint64_t at_wall_ms;
};

#endif /* LINK_SPAWN_H */
