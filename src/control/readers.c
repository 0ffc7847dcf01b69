/* SPDX-License-Identifier: ISC */

#include "control/readers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "control/named.h"
#include "control/replica.h"
#include "control/service.h"

#define KEPT_MAX 16384 /* lines of one answer */

/* One kept line, until all rings have answered. */
struct kept {
	uint64_t at;
	bool stderr_;
	char slot[REPLICA_ID_MAX];
	char *text;
};

struct reader;

/* One instance that is read. */
struct source {
	struct reader *reader;
	char slot[REPLICA_ID_MAX];
	bool answered; /* its ring is in: what is followed now is new */
};

struct reader {
	struct link link;
	struct control *control;
	struct control_logs *logs;
	char service[CONF_NAME_MAX + 1];
	bool one; /* an instance was named, not a service */
	bool follow;
	uint64_t since;
	unsigned lines; /* of what is kept; the newest */
	struct source *sources;
	size_t nsources, waiting;
	struct kept *kept;
	size_t nkept;
	struct loop_later later;
};

void
readers_init(struct control *c)
{
	list_init(&c->logs);
}

/* --- one line out --------------------------------------------------------- */

static void
tell(struct reader *r, uint64_t at, const char *slot, bool is_stderr,
    struct span text)
{
	char when[CLOCK_TEXT];
	json_t *o = json_object(), *line = json_stringn(text.p, text.n);

	if (line == NULL) /* not UTF-8: its bytes above 0x7f are lost */
		line = json_string("(binary output)");
	json_object_set_new(o, "at", json_string(clock_text(when, at)));
	json_object_set_new(o, "instance", json_string(slot));
	json_object_set_new(
	    o, "stream", json_string(is_stderr ? "stderr" : "stdout"));
	json_object_set_new(o, "line", line);
	r->logs->line(r->logs->arg, o);
	json_decref(o);
}

static int
keep(struct reader *r, uint64_t at, struct span slot, bool is_stderr,
    struct span text)
{
	struct kept *k;

	if (at < r->since || r->nkept == KEPT_MAX)
		return 0;
	k = &r->kept[r->nkept];
	if (str_copy(k->slot, sizeof(k->slot), slot) < 0)
		return 0;
	k->at = at;
	k->stderr_ = is_stderr;
	k->text = strndup(text.n > 0 ? text.p : "", text.n);
	if (k->text == NULL)
		return -ENOMEM;
	r->nkept++;
	return 0;
}

/* --- history from the file ------------------------------------------------ */

/* "2026-01-31T23:59:59.123Z image.0 out| text" */
static bool
parse_line(struct span line, uint64_t *at, struct span *slot, bool *is_stderr,
    struct span *text)
{
	struct span when, kind;
	struct tm tm = { 0 };
	unsigned ms;

	if (!span_next(&line, ' ', &when) || !span_next(&line, ' ', slot) ||
	    !span_next(&line, ' ', &kind) || when.n != CLOCK_TEXT - 1)
		return false;
	if (sscanf(when.p, "%4d-%2d-%2dT%2d:%2d:%2d.%3uZ", &tm.tm_year,
		&tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
		&ms) != 7)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*at = (uint64_t)timegm(&tm) * 1000 + ms;
	*is_stderr = span_eq(kind, SPAN("err|"));
	*text = line;
	return true;
}

/* The end of the file, at most READERS_HISTORY_MAX bytes. */
static int
read_end(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_size == 0) {
		fd_close(&fd);
		return -ENOENT;
	}
	if (st.st_size > READERS_HISTORY_MAX)
		lseek(fd, -READERS_HISTORY_MAX, SEEK_END);
	r = buf_reserve(b, READERS_HISTORY_MAX);
	n = r < 0 ? -1 : read(fd, b->data, READERS_HISTORY_MAX);
	if (n > 0)
		b->len = (size_t)n;
	fd_close(&fd);
	return n > 0 ? 0 : -EIO;
}

/* The oldest time that the rings gave for this slot; none: UINT64_MAX. */
static uint64_t
ring_begins(const struct reader *r, size_t nring, struct span slot)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; i < nring; i++)
		if (span_eq(span_of(r->kept[i].slot), slot) &&
		    r->kept[i].at < at)
			at = r->kept[i].at;
	return at;
}

static bool
is_read(const struct reader *r, struct span slot)
{
	if (!r->one)
		return true;
	return span_eq(span_of(r->sources[0].slot), slot);
}

static void
keep_history(struct reader *r, struct span file)
{
	size_t nring = r->nkept;
	struct span line, slot, text;
	uint64_t at;
	bool is_stderr;

	while (span_next(&file, '\n', &line))
		if (parse_line(line, &at, &slot, &is_stderr, &text) &&
		    is_read(r, slot) && at < ring_begins(r, nring, slot) &&
		    keep(r, at, slot, is_stderr, text) < 0)
			return;
}

static void
add_history(struct reader *r)
{
	const struct conf *conf = r->control->conf;
	char path[PATH_MAX];
	struct buf b;

	if (conf->log_journal || r->nkept >= r->lines)
		return;
	snprintf(path, sizeof(path), "%s/%s.log", conf->dirs.logs, r->service);
	buf_init(&b, READERS_HISTORY_MAX + 1);
	if (read_end(path, &b) == 0)
		keep_history(r, buf_span(&b));
	buf_done(&b);
}

/* --- the rings ------------------------------------------------------------ */

static int
by_time(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static void
tell_kept(struct reader *r)
{
	size_t skip = r->nkept > r->lines ? r->nkept - r->lines : 0;

	if (r->nkept > 1)
		qsort(r->kept, r->nkept, sizeof(*r->kept), by_time);
	for (size_t i = skip; i < r->nkept && r->logs != NULL; i++) {
		const struct kept *k = &r->kept[i];

		tell(r, k->at, k->slot, k->stderr_, span_of(k->text));
	}
	for (size_t i = 0; i < r->nkept; i++)
		free(r->kept[i].text);
	free(r->kept);
	r->kept = NULL;
	r->nkept = 0;
	if (r->logs != NULL)
		r->logs->line(r->logs->arg, NULL);
}

static void
all_answered(void *arg)
{
	struct reader *r = arg;

	add_history(r);
	tell_kept(r); /* may cancel */
}

static void
on_tail(void *arg, const struct herd_line *lines, size_t n)
{
	struct source *s = arg;
	struct reader *r = s->reader;

	s->answered = true;
	for (size_t i = 0; i < n; i++)
		if (keep(r, lines[i].at_wall_ms, span_of(s->slot),
			lines[i].stderr_, lines[i].text) < 0)
			break;
	if (--r->waiting == 0)
		loop_defer(r->control->loop, &r->later, all_answered, r);
}

void
readers_line(struct control *c, const struct herd_line *line)
{
	LIST_EACH_SAFE (r, &c->logs, struct reader, link) {
		for (size_t i = 0; i < r->nsources; i++) {
			struct source *s = &r->sources[i];

			if (!r->follow || !s->answered || r->kept != NULL ||
			    strcmp(s->slot, line->slot) != 0)
				continue;
			tell(r, line->at_wall_ms, line->slot, line->stderr_,
			    line->text);
			break;
		}
	}
}

/* --- readers -------------------------------------------------------------- */

static void
reader_free(struct reader *r)
{
	struct control *c = r->control;

	list_remove(&r->link);
	loop_defer_cancel(&r->later);
	for (size_t i = 0; i < r->nsources; i++) {
		herd_tail_cancel(c->herd, &r->sources[i]);
		if (r->follow)
			(void)herd_follow(c->herd, r->sources[i].slot, false);
	}
	for (size_t i = 0; i < r->nkept; i++)
		free(r->kept[i].text);
	free(r->kept);
	free(r->sources);
	free(r);
}

void
readers_done(struct control *c)
{
	LIST_EACH_SAFE (r, &c->logs, struct reader, link)
		reader_free(r);
}

static unsigned
count_readers(const struct control *c)
{
	unsigned n = 0;

	LIST_EACH (r, &c->logs, struct reader, link)
		n++;
	return n;
}

static int
add_source(struct reader *r, const char *slot)
{
	struct source *s = &r->sources[r->nsources];

	s->reader = r;
	r->nsources++;
	return str_copy(s->slot, sizeof(s->slot), span_of(slot));
}

static int
name_sources(struct reader *r, struct service *s, struct replica *only)
{
	size_t n = 1;

	LIST_EACH (i, &s->replicas, struct replica, link)
		n++;
	r->sources = calloc(n, sizeof(*r->sources));
	r->kept = calloc(KEPT_MAX, sizeof(*r->kept));
	if (r->sources == NULL || r->kept == NULL)
		return -ENOMEM;
	if (only != NULL)
		return add_source(r, only->id);
	LIST_EACH (i, &s->replicas, struct replica, link)
		if (add_source(r, i->id) < 0)
			return -ENAMETOOLONG;
	return 0;
}

/* Followed first, then the ring: what comes between is in the ring's answer. */
static int
ask(struct reader *r)
{
	struct control *c = r->control;
	int x = 0;

	for (size_t i = 0; i < r->nsources && x == 0; i++) {
		struct source *s = &r->sources[i];

		if (r->follow)
			x = herd_follow(c->herd, s->slot, true);
		if (x == 0)
			x = herd_tail(c->herd, s->slot, r->lines, on_tail, s);
		if (x == 0)
			r->waiting++;
	}
	if (x == 0 && r->waiting == 0)
		loop_defer(c->loop, &r->later, all_answered, r);
	return x;
}

int
control_logs(struct control *c, const char *name, uint64_t since_wall_ms,
    unsigned lines, bool follow, struct control_logs *logs, struct err *err)
{
	struct service *s;
	struct replica *only;
	struct reader *r;
	int x = named_either(c, name, &s, &only, err);

	if (x < 0)
		return x;
	if (count_readers(c) >= READERS_MAX)
		return err_set(
		    err, -EBUSY, "%d readers of logs already", READERS_MAX);
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_errno(err, -ENOMEM, "logs");
	r->control = c;
	r->logs = logs;
	r->one = only != NULL;
	r->follow = follow;
	r->since = since_wall_ms;
	r->lines = lines > KEPT_MAX ? KEPT_MAX : lines;
	list_push(&c->logs, &r->link);
	x = str_copy(r->service, sizeof(r->service), span_of(s->spec->name));
	if (x == 0)
		x = name_sources(r, s, only);
	if (x == 0)
		x = ask(r);
	if (x < 0) {
		reader_free(r);
		return err_errno(err, x, "logs");
	}
	logs->state = r;
	return 0;
}

static void
on_cancelled(void *arg)
{
	reader_free(arg);
}

void
control_logs_cancel(struct control *c, struct control_logs *logs)
{
	struct reader *r = logs->state;

	logs->state = NULL;
	if (r == NULL)
		return;
	r->logs = NULL; /* tell_kept() may be on the stack */
	list_remove(&r->link);
	loop_defer(c->loop, &r->later, on_cancelled, r);
}
