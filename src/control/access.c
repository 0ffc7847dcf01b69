/* SPDX-License-Identifier: ISC */

#include "control/access.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/story.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define ACCESS_MS 100
#define LINES_MAX 8192 /* of one worker at a time, so that the loop goes on */
#define BATCH (512U * 1024)

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define STORE(x, v) atomic_store(&(x), (v))

static bool
wanted(const struct control *c)
{
	return c->conf->access.format != CONF_ACCESS_OFF &&
	    c->workers.records != NULL;
}

/* --- the file ------------------------------------------------------------- */

static void
failed(struct control *c, int r)
{
	c->access.failures++;
	if (!c->access.failing)
		log_error("access log", "cannot write %s: %s",
		    c->conf->access.file, strerror(-r));
	c->access.failing = true;
}

static void
succeeded(struct control *c)
{
	if (c->access.failing)
		log_info("access log", "written again");
	c->access.failing = false;
}

/* Said before it is done, so that the next control can see whether it was. */
static int
declare(struct control *c, struct record_cursor *cur, uint64_t to)
{
	struct rotate *f = &c->access.file;
	size_t n = c->access.batch.len;
	struct stat st;
	int r = rotate_open(f, c->conf->access.file, n);

	if (r < 0)
		return r;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	STORE(cur->wanted_size, f->size);
	STORE(cur->wanted_len, n);
	STORE(cur->wanted_inode, (uint64_t)st.st_ino);
	STORE(cur->wanted_at, to);
	return 0;
}

static bool
write_batch(struct control *c, struct record_cursor *cur, uint64_t to)
{
	struct buf *b = &c->access.batch;
	int r = b->len > 0 ? declare(c, cur, to) : 0;

	if (r == 0 && b->len > 0)
		r = rotate_append(
		    &c->access.file, c->conf->access.file, b->data, b->len);
	if (r < 0) {
		STORE(cur->wanted_at, 0);
		rotate_close(&c->access.file);
		failed(c, r);
		return false;
	}
	STORE(cur->at, to);
	STORE(cur->wanted_at, 0);
	if (b->len > 0)
		succeeded(c);
	return true;
}

/* The write that a control before us died in: done, half done or not. */
static void
settle(struct control *c, struct record_cursor *cur)
{
	uint64_t to = LOAD(cur->wanted_at), size = LOAD(cur->wanted_size);
	struct rotate *f = &c->access.file;
	struct stat st;

	if (to == 0)
		return;
	if (rotate_open(f, c->conf->access.file, 0) == 0 &&
	    fstat(f->fd, &st) == 0 &&
	    (uint64_t)st.st_ino == LOAD(cur->wanted_inode)) {
		uint64_t more = (uint64_t)st.st_size - size;

		if (more == LOAD(cur->wanted_len))
			STORE(cur->at, to);
		else if ((uint64_t)st.st_size > size &&
		    more < LOAD(cur->wanted_len) &&
		    ftruncate(f->fd, (off_t)size) == 0)
			f->size = size;
	}
	STORE(cur->wanted_at, 0);
}

/* --- lines ---------------------------------------------------------------- */

/* The same choice for all records of a trace. */
static bool
sampled(const struct control *c, const struct record *rec)
{
	unsigned v = (unsigned)rec->trace[14] << 8 | rec->trace[15];

	return v * 100 < c->conf->access.sample * 65536 &&
	    (rec->flags & RECORD_UNLOGGED) == 0;
}

static int
put_line(struct control *c, const struct story *s)
{
	int r;

	if (!sampled(c, &s->rec))
		return 0;
	r = c->conf->access.format == CONF_ACCESS_JSON
	    ? story_json_line(&c->access.batch, s)
	    : story_combined_line(&c->access.batch, s);
	if (r == 0)
		c->access.pending++;
	return r;
}

static uint64_t
begin_at(struct records *r, struct record_cursor *cur, unsigned worker)
{
	uint64_t at = LOAD(cur->at), tail = record_tail(r, worker);

	if (at >= tail)
		return at;
	STORE(cur->lost, LOAD(cur->lost) + tail - at);
	STORE(cur->at, tail);
	return tail;
}

/* A batch of one worker's lines. False: nothing more can be done now. */
static bool
read_batch(struct control *c, unsigned worker, int64_t offset, unsigned *left)
{
	static struct story s;
	struct records *r = c->workers.records;
	struct record_cursor *cur = record_cursor(r, worker);
	uint64_t at = begin_at(r, cur, worker), from = at, lost = 0;
	uint64_t head = record_head(r, worker);

	buf_clear(&c->access.batch);
	c->access.pending = 0;
	for (; at<head && * left> 0; at++, (*left)--) {
		if (!story_read(&s, r, worker, at, offset))
			lost++;
		else if (put_line(c, &s) < 0)
			break;
	}
	if (at == from || !write_batch(c, cur, at))
		return false;
	c->access.lines += c->access.pending;
	STORE(cur->lost, LOAD(cur->lost) + lost);
	return at<head && * left> 0;
}

/* Whether some worker has more. */
static bool
read_all(struct control *c)
{
	int64_t offset = story_offset_us();
	bool more = false;

	for (unsigned w = 0; w < c->workers.n; w++) {
		unsigned left = LINES_MAX;

		while (read_batch(c, w, offset, &left))
			continue;
		more |= left == 0;
	}
	return more && !c->access.failing;
}

static void
on_turn(void *arg)
{
	struct control *c = arg;
	bool more = read_all(c);

	loop_timer_arm(&c->access.timer, more ? 0 : ACCESS_MS);
}

/* --- on and off ----------------------------------------------------------- */

/* One that was off begins with what comes now. */
static void
begin_reading(struct control *c)
{
	for (unsigned w = 0; w < c->workers.n; w++) {
		struct record_cursor *cur = record_cursor(
		    c->workers.records, w);

		if (LOAD(cur->on))
			settle(c, cur);
		else
			STORE(cur->at, record_head(c->workers.records, w));
		STORE(cur->on, 1);
	}
}

static void
end_reading(struct control *c)
{
	for (unsigned w = 0; w < c->workers.n && c->workers.records; w++)
		STORE(record_cursor(c->workers.records, w)->on, 0);
	buf_done(&c->access.batch);
}

void
access_init(struct control *c)
{
	rotate_init(&c->access.file, 0, 0);
	buf_init(&c->access.batch, BATCH);
	loop_timer_init(&c->access.timer, c->loop, on_turn, c);
}

void
access_apply(struct control *c)
{
	rotate_close(&c->access.file);
	c->access.file.max = c->conf->access.size;
	c->access.file.keep = c->conf->access.files - 1;
	c->access.failing = false;
	if (!wanted(c)) {
		loop_timer_disarm(&c->access.timer);
		end_reading(c);
		return;
	}
	begin_reading(c);
	loop_timer_arm(&c->access.timer, ACCESS_MS);
}

void
access_close(struct control *c)
{
	if (c->conf != NULL && loop_timer_armed(&c->access.timer))
		while (read_all(c))
			continue;
	loop_timer_done(&c->access.timer);
	rotate_close(&c->access.file);
	buf_done(&c->access.batch);
}

int
access_metrics(struct control *c, struct buf *out)
{
	uint64_t lost = 0, records = 0;

	for (unsigned w = 0; w < c->workers.n && c->workers.records; w++) {
		records += record_head(c->workers.records, w);
		lost += LOAD(record_cursor(c->workers.records, w)->lost);
	}
	return buf_printf(out,
	    "# HELP drover_records_total Requests that were recorded.\n"
	    "# TYPE drover_records_total counter\n"
	    "drover_records_total %" PRIu64 "\n"
	    "# HELP drover_records_overflow_total Records that were "
	    "overwritten before the access log had them.\n"
	    "# TYPE drover_records_overflow_total counter\n"
	    "drover_records_overflow_total %" PRIu64 "\n"
	    "# HELP drover_access_log_lines_total Lines that this control "
	    "wrote.\n"
	    "# TYPE drover_access_log_lines_total counter\n"
	    "drover_access_log_lines_total %" PRIu64 "\n"
	    "# HELP drover_access_log_failures_total Writes that failed.\n"
	    "# TYPE drover_access_log_failures_total counter\n"
	    "drover_access_log_failures_total %" PRIu64 "\n",
	    records, lost, c->access.lines, c->access.failures);
}
