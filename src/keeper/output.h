/* SPDX-License-Identifier: ISC */

/*
 * output - what children write, line by line
 *
 * A stream is the reading end of a child's stdout or stderr. Each turn of the
 * loop reads a bounded piece of it, so that a flood delays nobody. Its lines
 * go to the ring of the child's slot (OUTPUT_RING bytes at most, grown as
 * needed; a slot's ring outlives its children), to the child's log file or the
 * journal, and to whoever follows the slot. A line over KEEPER_LINE_MAX is
 * cut. Nothing here waits: what a full disk or journal does not take is
 * dropped, counted, and told in the log once it takes again.
 */

#ifndef KEEPER_OUTPUT_H
#define KEEPER_OUTPUT_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "keeper/logfile.h"
#include "link/keeper_msg.h"
#include "loop/loop.h"

#define OUTPUT_RING KEEPER_RING_MAX
#define OUTPUT_IDLE_SLOTS 256u /* rings kept though no child is left */

struct output {
	struct loop *loop;
	struct map slots;
	struct list idle; /* slots without a child, the longest idle first */
	unsigned nidle;
	struct logs logs;

	/* New lines of a followed slot, as LINES.bytes. */
	void (*followed)(void *arg, const char *slot, struct span lines);
	void *arg;
};

struct slot {
	struct link idle;
	struct output *output;
	unsigned refs; /* children */
	bool followed;
	char *ring; /* lines, oldest first, in LINES.bytes's layout */
	size_t len;
	size_t cap;
	char name[SPAWN_NAME_MAX + 1];
};

struct stream {
	struct loop_io io;
	int fd; /* owned; -1 at its end */
	struct slot *slot;
	struct logfile *log;
	struct buf partial; /* the beginning of a line */
	bool stderr_;
	bool cutting; /* the rest of a long line is skipped */
};

void output_init(struct output *o, struct loop *loop,
    void (*followed)(void *arg, const char *slot, struct span lines),
    void *arg);
void output_done(struct output *o); /* all streams are gone */

/* The slot of that name, made if need be; NULL without memory. */
struct slot *slot_ref(struct output *o, const char *name);
void slot_unref(struct slot *s);
struct slot *slot_find(struct output *o, const char *name); /* or NULL */

/* Whether followed() is told of its lines; the slot need not exist yet. */
void output_follow(struct output *o, const char *name, bool on);
void output_unfollow(struct output *o); /* all of them */

/* These lines for what it has: 0, -EPROTO (not lines) or -ENOMEM. */
int slot_fill(struct slot *s, struct span lines) MUST_CHECK;

/* Its last `lines` lines, as LINES.bytes; valid until the next line. */
struct span slot_tail(const struct slot *s, unsigned lines);

/* Lines from since_ms on as text, the last `size` bytes at most: its length. */
size_t slot_text(
    const struct slot *s, uint64_t since_ms, char *out, size_t size);

/* fd becomes the stream's. slot and log are borrowed. 0 or -ENOMEM. */
int stream_init(struct stream *s, int fd, struct slot *slot,
    struct logfile *log, bool stderr_) MUST_CHECK;

/* What another keeper had of it: the beginning of a line. 0 or -ENOMEM. */
int stream_resume(struct stream *s, struct span rest, bool cutting) MUST_CHECK;

/* Read what is there now, a pipe's worth at most. */
void stream_drain(struct stream *s);
void stream_done(struct stream *s); /* an unfinished line counts as one */

#endif /* KEEPER_OUTPUT_H */
