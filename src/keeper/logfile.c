/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "keeper/logfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rotate.h"

#define LOG_SUBSYSTEM "keeper"
#include "base/log.h"

#define PENDING (32u << 10)
#define FRAME (CLOCK_TEXT + SPAWN_NAME_MAX + 8) /* around a line's text */
#define JOURNAL "/run/systemd/journal/socket"

struct logfile {
	struct link link;
	struct logs *logs;
	unsigned refs;
	struct rotate file;
	uint64_t lost; /* lines since the last that was written */
	int error;     /* why */
	char name[SPAWN_NAME_MAX + 1];
};

/* Lines of the chunk at hand: one thread, one logfile at a time. */
static struct {
	char text[PENDING];
	size_t len;
	unsigned lines;
	uint64_t at_ms; /* what `at` says */
	char at[CLOCK_TEXT];
} pending;

void
logs_init(struct logs *l)
{
	*l = (struct logs){ .journal = -1, .journal_path = JOURNAL };
	list_init(&l->files);
}

static void
close_files(struct logs *l)
{
	LIST_EACH (f, &l->files, struct logfile, link)
		rotate_close(&f->file);
}

void
logs_done(struct logs *l)
{
	close_files(l);
	free(l->folder);
	l->folder = NULL;
	fd_close(&l->journal);
}

static int
open_journal(struct logs *l)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int r = 0;

	if (str_copy(sun.sun_path, sizeof(sun.sun_path),
		span_of(l->journal_path)) < 0)
		return -ENAMETOOLONG;
	l->journal = socket(
	    AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->journal < 0 ||
	    connect(l->journal, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		r = -errno;
		fd_close(&l->journal);
	}
	return r;
}

int
logs_set(struct logs *l, const char *folder, uint64_t size, unsigned keep,
    bool journal)
{
	char *copy = folder == NULL ? NULL : strdup(folder);
	int r = 0;

	if (folder != NULL && copy == NULL)
		return -ENOMEM;
	close_files(l);
	free(l->folder);
	l->folder = copy;
	l->size = size;
	l->keep = keep;
	if (folder != NULL)
		r = fd_mkdirs(folder, 0750, NULL);
	fd_close(&l->journal);
	l->to_journal = journal;
	if (journal && r == 0)
		r = open_journal(l);
	return r;
}

struct logfile *
logfile_ref(struct logs *l, const char *name)
{
	struct logfile *f;

	LIST_EACH (old, &l->files, struct logfile, link)
		if (strcmp(old->name, name) == 0) {
			old->refs++;
			return old;
		}
	f = calloc(1, sizeof(*f));
	if (f == NULL ||
	    str_copy(f->name, sizeof(f->name), span_of(name)) < 0) {
		free(f);
		return NULL;
	}
	f->logs = l;
	f->refs = 1;
	rotate_init(&f->file, 0, 0);
	list_push(&l->files, &f->link);
	return f;
}

const char *
logfile_name(const struct logfile *f)
{
	return f->name;
}

void
logfile_unref(struct logfile *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	list_remove(&f->link);
	rotate_close(&f->file);
	free(f);
}

/* --- files ---------------------------------------------------------------- */

static int
append(struct logfile *f, const char *text, size_t n)
{
	char path[PATH_MAX];
	int len = snprintf(
	    path, PATH_MAX, "%s/%s.log", f->logs->folder, f->name);

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	f->file.max = f->logs->size;
	f->file.keep = f->logs->keep;
	return rotate_append(&f->file, path, text, n);
}

static void
drop(struct logfile *f, unsigned lines, int error)
{
	if (f->lost == 0)
		log_error(
		    f->name, "log lines are dropped: %s", strerror(-error));
	f->lost += lines;
	f->error = error;
	f->logs->dropped += lines;
}

/* Written before the first line that goes through again. */
static int
confess(struct logfile *f)
{
	char text[256], at[CLOCK_TEXT];
	int n, r;

	if (f->lost == 0)
		return 0;
	n = snprintf(text, sizeof(text),
	    "%s %s err drover: lost %llu lines: %s\n",
	    clock_text(at, clock_wall_ms()), f->name,
	    (unsigned long long)f->lost, strerror(-f->error));
	r = append(f, text, (size_t)n);
	if (r == 0)
		f->lost = 0;
	return r;
}

static void
flush_pending(struct logfile *f)
{
	int r = confess(f);

	if (r == 0)
		r = append(f, pending.text, pending.len);
	if (r < 0)
		drop(f, pending.lines, r);
	pending.len = pending.lines = 0;
}

void
logfile_flush(struct logfile *f)
{
	if (pending.len > 0)
		flush_pending(f);
	if (f->logs->to_journal && f->logs->journal < 0)
		open_journal(f->logs);
}

static void
to_file(struct logfile *f, const char *slot, const struct keeper_line *line)
{
	char *p;

	if (line->at_ms != pending.at_ms)
		clock_text(pending.at, line->at_ms);
	pending.at_ms = line->at_ms;
	if (pending.len + FRAME + line->text.n > PENDING)
		flush_pending(f);
	p = pending.text + pending.len;
	p += snprintf(p, FRAME, "%s %s %s ", pending.at, slot,
	    line->stderr_ ? "err" : "out");
	if (line->text.n > 0)
		memcpy(p, line->text.p, line->text.n);
	p += line->text.n;
	*p++ = '\n';
	pending.len = (size_t)(p - pending.text);
	pending.lines++;
}

/* --- the journal ---------------------------------------------------------- */

/* Its native protocol; no field of ours can hold a newline. */
static void
to_journal(struct logfile *f, const char *slot, const struct keeper_line *line)
{
	char head[2 * SPAWN_NAME_MAX + 80];
	int n = snprintf(head, sizeof(head),
	    "SYSLOG_IDENTIFIER=%s\nDROVER_INSTANCE=%s\nPRIORITY=%d\nMESSAGE=",
	    f->name, slot, line->stderr_ ? 4 : 6);
	struct iovec iov[] = {
		{ head, (size_t)n },
		{ (void *)(uintptr_t)line->text.p, line->text.n },
		{ (void *)(uintptr_t) "\n", 1 },
	};
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	if (f->logs->journal >= 0 &&
	    sendmsg(f->logs->journal, &msg, MSG_NOSIGNAL) >= 0)
		return;
	f->logs->dropped++;
	if (errno != EAGAIN && errno != EMSGSIZE)
		fd_close(&f->logs->journal); /* the next chunk tries anew */
}

void
logfile_line(
    struct logfile *f, const char *slot, const struct keeper_line *line)
{
	if (f->logs->folder != NULL)
		to_file(f, slot, line);
	if (f->logs->to_journal)
		to_journal(f, slot, line);
}
