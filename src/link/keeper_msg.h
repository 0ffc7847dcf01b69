/* SPDX-License-Identifier: ISC */

/*
 * keeper_msg - what control and the keeper say to one another
 *
 * One message is one packet on a SOCK_SEQPACKET socket: a head (version and
 * type) and the fields that the table in keeper_msg.c lists for the type, in
 * that order, little-endian. Descriptors travel beside it (SCM_RIGHTS).
 *
 * Control opens with HELLO: the newest and the oldest version that it speaks.
 * The keeper answers HELLO with the newest that both do, or REFUSED with the
 * reason, then the manifest: CHILD..., FD..., READY. From there on every
 * message is in that version. A field that a version added is read only from
 * messages of that version on, and is zero otherwise. HELLO and REFUSED never
 * change, so that any two versions can at least part with a reason.
 *
 * The same messages, each behind its length, are what a keeper leaves to the
 * program that it becomes (keeper/manifest.h); some exist for that alone.
 *
 * Every length is bounded before it is used. Nothing here allocates but the
 * buffer of the encoder.
 */

#ifndef LINK_KEEPER_MSG_H
#define LINK_KEEPER_MSG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "link/spawn.h"

#ifndef KEEPER_MSG_VERSION
#define KEEPER_MSG_VERSION 4
#endif
#define KEEPER_MSG_OLDEST (KEEPER_MSG_VERSION > 1 ? KEEPER_MSG_VERSION - 1 : 1)

#define KEEPER_MSG_MAX (128u << 10) /* bytes a message */
#define KEEPER_MSG_FDS 16u	    /* descriptors beside it */
#define KEEPER_TEXT_MAX 4096u	    /* bytes a string */
#define KEEPER_WRITABLE_MAX 32u	    /* folders in a spec */
#define KEEPER_TAIL_MAX 1024u	    /* an exit's last lines */
#define KEEPER_LINE_MAX 4096u	    /* a line of output; cut */
#define KEEPER_LINE_HEAD 11u	    /* what a stored line adds to its text */
#define KEEPER_RING_MAX (16u << 10) /* a slot's last lines */
#define KEEPER_PLACES_MAX 4096u	    /* in the record of children */

enum keeper_msg_type {
	KEEPER_MSG_NONE,
	KEEPER_MSG_HELLO,   /* both ways: version, oldest */
	KEEPER_MSG_REFUSED, /* text: why; then the keeper hangs up */

	/* from the keeper */
	KEEPER_MSG_CHILD,   /* id pid started_ms text note exited exit bytes;
			     * number: enum spawn_missing */
	KEEPER_MSG_FD,	    /* text: its name; one descriptor */
	KEEPER_MSG_READY,   /* id: the last used; pid text host */
	KEEPER_MSG_SPAWNED, /* id pid, number: enum spawn_missing */
	KEEPER_MSG_SPAWN_FAILED, /* id number: errno, text: stage */
	KEEPER_MSG_EXITED,	 /* id exit, bytes: the last lines */
	KEEPER_MSG_LINES, /* id: the TAIL's, 0 followed; text: slot, bytes */

	/* from control */
	KEEPER_MSG_SPAWN,    /* spec; spec.nfds descriptors */
	KEEPER_MSG_NOTE,     /* id note */
	KEEPER_MSG_SIGNAL,   /* id, number: signal, flag: the group */
	KEEPER_MSG_FORGET,   /* id */
	KEEPER_MSG_PUT_FD,   /* text: its name; one descriptor */
	KEEPER_MSG_DROP_FD,  /* text */
	KEEPER_MSG_SHUTDOWN, /* */
	KEEPER_MSG_SET_LOGS, /* text: folder, size, files, flag: journal */
	KEEPER_MSG_TAIL,     /* id: of the answer, text: slot, number: lines */
	KEEPER_MSG_FOLLOW,   /* text: slot, flag: on */

	/* since version 3 */
	KEEPER_MSG_UPGRADE,  /* id, text: program, flag: not only a trial */
	KEEPER_MSG_UPGRADED, /* the keeper's answer: id, text: why not */

	/* from keeper to keeper, beside those above */
	KEEPER_MSG_SELF,    /* self, text: the version of the program */
	KEEPER_MSG_KEPT,    /* after its CHILD: kept, text: log, spec.rank... */
	KEEPER_MSG_KEPT_FD, /* text: its name, number: the descriptor */
	KEEPER_MSG_RING,    /* text: slot, bytes: lines, flag: followed */
	KEEPER_MSG_NTYPES
};

/* The names of sockets that systemd handed to the keeper: this and a number. */
#define KEEPER_ACTIVATED "activated "

enum { /* keeper_msg.host */
	KEEPER_HOST_MEMORY = 1,
	KEEPER_HOST_CPU = 2,
	KEEPER_HOST_PIDS = 4,
	KEEPER_HOST_NAMESPACES = 8
};

/* Descriptors are numbers that stay open through an exec; -1: none. */
struct keeper_self {
	int32_t listener, record, cgroup, client;
	uint32_t client_version;
	int32_t client_pid;
	uint32_t control_uid;
	uint64_t upgrade; /* the id of the order */
};

struct keeper_kept {
	int32_t pidfd, report, out, err;
	uint64_t started; /* process.started */
	uint32_t recorded;
	bool runs;
	bool out_cut, err_cut;		/* the rest of a long line is skipped */
	struct span out_rest, err_rest; /* lines without their ends */
};

struct keeper_msg {
	enum keeper_msg_type type;
	uint32_t version; /* HELLO; else what the message was written in */
	uint32_t oldest;
	uint64_t id;
	int32_t pid;
	uint32_t number;
	uint32_t host;
	uint32_t files;
	uint64_t size;
	uint64_t started_ms;
	bool flag;
	bool exited;
	const char *text; /* may be NULL */
	struct span bytes;
	struct span note;   /* SPAWN: also in spec */
	struct span filter; /* SPAWN: likewise */
	struct spawn_exit exit;
	struct spawn_spec spec;
	struct keeper_self self;
	struct keeper_kept kept;

	/* Where the lists of a decoded spec stand. */
	const char *
	    lists[SPAWN_ARGS_MAX + SPAWN_ENV_MAX + 3 * KEEPER_WRITABLE_MAX + 5];
	size_t nlists;
};

/*
 * Write m into out, in place of what is there; out's ceiling should be
 * KEEPER_MSG_MAX. -EMSGSIZE over it or over a field's own bound, -ENOMEM.
 */
int keeper_msg_encode(
    const struct keeper_msg *m, uint32_t version, struct buf *out) MUST_CHECK;

/*
 * Read one packet. Strings, spans and lists of m point into data and into m
 * itself: m may not be copied. -EPROTO with the reason: not a message of ours;
 * -EPROTONOSUPPORT: of a version that we do not read.
 */
int keeper_msg_decode(struct keeper_msg *m, const void *data, size_t n,
    struct err *err) MUST_CHECK;

/*
 * The version for two that speak newest..oldest each, or -EPROTONOSUPPORT and
 * the reason, told from the side of `own`.
 */
int keeper_msg_agree(uint32_t own_newest, uint32_t own_oldest,
    uint32_t peer_newest, uint32_t peer_oldest, struct err *err) MUST_CHECK;

/* --- lines of output, in LINES.bytes and in the keeper's rings ------------ */

struct keeper_line {
	uint64_t at_ms; /* wall */
	bool stderr_;
	struct span text;
};

/* The head of a line: text follows it. out has KEEPER_LINE_HEAD bytes. */
void keeper_line_head(unsigned char *out, const struct keeper_line *line);

/* Take the first line off *rest: 1, 0 at the end, -EPROTO. */
int keeper_line_next(struct span *rest, struct keeper_line *line);

#endif /* LINK_KEEPER_MSG_H */
