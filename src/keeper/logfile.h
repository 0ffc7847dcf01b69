/* SPDX-License-Identifier: ISC */

/*
 * logfile - lines into rotated files, and into the journal
 *
 * <folder>/<name>.log is renamed to .1 (and .1 to .2, ...) before it would
 * exceed its size; `files` old ones are kept. A line is
 *
 *	2026-01-31T23:59:59.123Z image.0 out text
 *
 * Files open at their first line and close with the last child that uses
 * them. No call waits for a reader; one that fails drops its lines and counts
 * them, and the count is written when writing works again; that it fails is
 * said once, in our own log.
 */

#ifndef KEEPER_LOGFILE_H
#define KEEPER_LOGFILE_H

#include "base/list.h"
#include "base/str.h"
#include "link/keeper_msg.h"

struct logs {
	struct list files; /* struct logfile */
	char *folder;	   /* NULL: no files */
	uint64_t size;
	unsigned keep;
	bool to_journal;
	int journal; /* the socket; -1: none, or not there just now */
	const char *journal_path;
	uint64_t dropped; /* lines, since the start */
};

struct logfile;

void logs_init(struct logs *l);
void logs_done(struct logs *l);

/* From the next line on. folder NULL: none. 0 or a negative errno. */
int logs_set(struct logs *l, const char *folder, uint64_t size, unsigned keep,
    bool journal) MUST_CHECK;

struct logfile *logfile_ref(struct logs *l, const char *name); /* or NULL */
void logfile_unref(struct logfile *f);
const char *logfile_name(const struct logfile *f);

/* All lines of one read at once: one write, not one a line. */
void logfile_line(
    struct logfile *f, const char *slot, const struct keeper_line *line);
void logfile_flush(struct logfile *f);

#endif /* KEEPER_LOGFILE_H */
