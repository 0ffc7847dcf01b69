/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "keeper/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define CHUNK (16u << 10)    /* bytes a turn and stream */
#define DRAINED (128u << 10) /* bytes at an exit: more than a pipe holds */
#define RING_FIRST 512u
#define BATCH (64u << 10) /* bytes of followed lines in one message */

/*
 * One thread, and never two chunks at once: what a chunk needs while it is
 * taken apart is not each stream's own.
 */
static struct {
	char chunk[CHUNK];
	unsigned char batch[BATCH];
	size_t batched;
} scratch;

void
output_init(struct output *o, struct loop *loop,
    void (*followed)(void *arg, const char *slot, struct span lines), void *arg)
{
	*o = (struct output){ .loop = loop, .followed = followed, .arg = arg };
	map_init(&o->slots);
	list_init(&o->idle);
	logs_init(&o->logs);
}

/* --- slots ---------------------------------------------------------------- */

static void
slot_free(struct slot *s)
{
	map_del(&s->output->slots, span_of(s->name));
	free(s->ring);
	free(s);
}

static void
trim_idle(struct output *o, unsigned most)
{
	while (o->nidle > most) {
		struct slot *s = LIST_FIRST(&o->idle, struct slot, idle);

		list_remove(&s->idle);
		o->nidle--;
		slot_free(s);
	}
}

void
output_done(struct output *o)
{
	trim_idle(o, 0);
	map_done(&o->slots);
	logs_done(&o->logs);
}

struct slot *
slot_find(struct output *o, const char *name)
{
	return map_get(&o->slots, span_of(name));
}

struct slot *
slot_ref(struct output *o, const char *name)
{
	struct slot *s = slot_find(o, name);

	if (s != NULL) {
		if (s->refs++ == 0) {
			list_remove(&s->idle);
			o->nidle--;
		}
		return s;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->output = o;
	s->refs = 1;
	if (str_copy(s->name, sizeof(s->name), span_of(name)) < 0 ||
	    map_put(&o->slots, span_of(s->name), s) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

void
slot_unref(struct slot *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	list_push(&s->output->idle, &s->idle);
	s->output->nidle++;
	trim_idle(s->output, OUTPUT_IDLE_SLOTS);
}

void
output_follow(struct output *o, const char *name, bool on)
{
	struct slot *s = slot_ref(o, name);

	if (s == NULL)
		return;
	s->followed = on;
	slot_unref(s);
}

void
output_unfollow(struct output *o)
{
	const char *name;
	struct slot *s;
	size_t at = 0;

	while ((s = map_next(&o->slots, &at, &name)) != NULL)
		s->followed = false;
}

/* --- the ring ------------------------------------------------------------- */

static bool
ring_grow(struct slot *s, size_t need)
{
	size_t cap = s->cap == 0 ? RING_FIRST : s->cap;
	char *ring;

	while (cap < need && cap < OUTPUT_RING)
		cap *= 2;
	if (cap == s->cap)
		return true;
	ring = realloc(s->ring, cap);
	if (ring == NULL)
		return false;
	s->ring = ring;
	s->cap = cap;
	return true;
}

/*
 * Forget the oldest half at once: lines then stay in one piece, and each byte
 * is moved once at most.
 */
static void
ring_halve(struct slot *s, size_t need)
{
	struct span rest = { s->ring, s->len };
	struct keeper_line line;
	size_t keep = OUTPUT_RING / 2;

	if (keep > OUTPUT_RING - need)
		keep = OUTPUT_RING - need;
	while (rest.n > keep && keeper_line_next(&rest, &line) > 0)
		;
	memmove(s->ring, rest.p, rest.n);
	s->len = rest.n;
}

static void
ring_add(struct slot *s, const struct keeper_line *line)
{
	size_t need = KEEPER_LINE_HEAD + line->text.n;

	if (s->len + need > s->cap && !ring_grow(s, s->len + need) &&
	    s->cap < need)
		return;
	if (s->len + need > s->cap)
		ring_halve(s, need);
	if (s->len + need > s->cap)
		return; /* it could not grow */
	keeper_line_head((unsigned char *)s->ring + s->len, line);
	if (line->text.n > 0)
		memcpy(s->ring + s->len + KEEPER_LINE_HEAD, line->text.p,
		    line->text.n);
	s->len += need;
}

int
slot_fill(struct slot *s, struct span lines)
{
	struct span rest = lines;
	struct keeper_line line;
	int r;

	while ((r = keeper_line_next(&rest, &line)) > 0)
		;
	if (r < 0 || lines.n > OUTPUT_RING)
		return -EPROTO;
	if (lines.n > 0 && !ring_grow(s, lines.n))
		return -ENOMEM;
	if (lines.n > 0)
		memcpy(s->ring, lines.p, lines.n);
	s->len = lines.n;
	return 0;
}

struct span
slot_tail(const struct slot *s, unsigned lines)
{
	struct span rest = { s->ring, s->len }, at = rest;
	struct keeper_line line;
	size_t n = 0;

	while (keeper_line_next(&at, &line) > 0)
		n++;
	for (; n > lines; n--)
		if (keeper_line_next(&rest, &line) <= 0)
			break;
	return rest;
}

size_t
slot_text(const struct slot *s, uint64_t since_ms, char *out, size_t size)
{
	struct span rest = { s->ring, s->len };
	struct keeper_line line;
	size_t n = 0;

	while (keeper_line_next(&rest, &line) > 0) {
		size_t take = line.text.n < size - 1 ? line.text.n : size - 1;

		if (line.at_ms < since_ms)
			continue;
		if (n + take + 1 > size) { /* make room at the front */
			size_t over = n + take + 1 - size;

			memmove(out, out + over, n - over);
			n -= over;
		}
		if (take > 0)
			memcpy(out + n, line.text.p, take);
		n += take;
		out[n++] = '\n';
	}
	return n > 0 ? n - 1 : 0;
}

/* --- streams -------------------------------------------------------------- */

static void
flush_batch(struct slot *s)
{
	struct output *o = s->output;

	if (scratch.batched > 0)
		o->followed(o->arg, s->name,
		    (struct span){ (char *)scratch.batch, scratch.batched });
	scratch.batched = 0;
}

static void
follow_line(struct slot *s, const struct keeper_line *line)
{
	size_t need = KEEPER_LINE_HEAD + line->text.n;

	if (need > BATCH - scratch.batched)
		flush_batch(s);
	keeper_line_head(scratch.batch + scratch.batched, line);
	if (line->text.n > 0)
		memcpy(scratch.batch + scratch.batched + KEEPER_LINE_HEAD,
		    line->text.p, line->text.n);
	scratch.batched += need;
}

static void
take_line(struct stream *s, struct span text, uint64_t now)
{
	const struct keeper_line line = {
		.at_ms = now, .stderr_ = s->stderr_, .text = text
	};

	ring_add(s->slot, &line);
	logfile_line(s->log, s->slot->name, &line);
	if (s->slot->followed)
		follow_line(s->slot, &line);
}

/* A piece of a line; ends says whether it is the last. */
static void
take_piece(struct stream *s, struct span piece, bool ends, uint64_t now)
{
	size_t room = KEEPER_LINE_MAX - s->partial.len;

	if (s->cutting) {
		s->cutting = !ends;
		return;
	}
	if (!ends && piece.n < room) {
		if (buf_append(&s->partial, piece.p, piece.n) < 0)
			s->cutting = true;
		return;
	}
	s->cutting = !ends;
	if (piece.n > room)
		piece.n = room;
	if (s->partial.len == 0)
		take_line(s, piece, now);
	else if (buf_append(&s->partial, piece.p, piece.n) == 0)
		take_line(s, buf_span(&s->partial), now);
	buf_done(&s->partial);
}

static void
take_chunk(struct stream *s, const char *p, size_t n)
{
	uint64_t now = clock_wall_ms();

	while (n > 0) {
		const char *nl = memchr(p, '\n', n);
		size_t piece = nl != NULL ? (size_t)(nl - p) : n;

		take_piece(s, (struct span){ p, piece }, nl != NULL, now);
		piece += nl != NULL;
		p += piece;
		n -= piece;
	}
	logfile_flush(s->log);
	flush_batch(s->slot);
}

static void
stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	loop_io_done(&s->io);
	fd_close(&s->fd);
	if (s->partial.len > 0)
		take_chunk(s, "\n", 1);
	buf_done(&s->partial);
}

/* Bytes read; 0 when there is nothing now, or no more at all. */
static size_t
read_chunk(struct stream *s)
{
	ssize_t got = read(s->fd, scratch.chunk, sizeof(scratch.chunk));

	if (got > 0)
		take_chunk(s, scratch.chunk, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		stream_close(s);
	return got > 0 ? (size_t)got : 0;
}

static void
on_output(void *arg, unsigned what)
{
	(void)what;
	read_chunk(arg);
}

int
stream_init(struct stream *s, int fd, struct slot *slot, struct logfile *log,
    bool stderr_)
{
	int r = fd_nonblock(fd);

	*s = (struct stream){
		.fd = fd, .slot = slot, .log = log, .stderr_ = stderr_
	};
	buf_init(&s->partial, KEEPER_LINE_MAX);
	loop_io_init(&s->io, slot->output->loop, fd, on_output, s);
	if (r == 0)
		r = loop_io_want(&s->io, LOOP_READ);
	if (r < 0)
		stream_close(s);
	return r;
}

int
stream_resume(struct stream *s, struct span rest, bool cutting)
{
	s->cutting = cutting;
	return rest.n == 0 ? 0 : buf_append(&s->partial, rest.p, rest.n);
}

void
stream_drain(struct stream *s)
{
	size_t total = 0, got;

	while (s->fd >= 0 && total < DRAINED && (got = read_chunk(s)) > 0)
		total += got;
}

void
stream_done(struct stream *s)
{
	stream_close(s);
}
