/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "link/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/map.h"

#define MAGIC 0x63725244u /* "DRrc" on a little-endian machine */
#define PAGE 4096
#define WORKERS SCOREBOARD_WORKERS

struct area {
	_Atomic uint64_t head;
	_Atomic uint64_t text_head;
	_Atomic uint32_t nnames;
	unsigned char pad0[44];
	struct record_cursor cursor; /* the reader's: a line of its own */
	unsigned char pad1[PAGE - 64 - sizeof(struct record_cursor)];
	char names[RECORD_NAMES][RECORD_NAME_MAX + 1];
	struct record ring[RECORD_RING];
	char texts[RECORD_TEXTS];
};

_Static_assert(sizeof(struct area) % PAGE == 0, "whole pages");
_Static_assert(offsetof(struct area, cursor) == 64, "a line each");

#define FILE_SIZE (PAGE + WORKERS * sizeof(struct area))

struct records {
	struct area *areas; /* the writer's has one */
	size_t size;
	struct map names; /* the writer's: number by name */
};

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define STORE(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)

/* --- owner ---------------------------------------------------------------- */

int
record_create(int *fd, struct err *err)
{
	uint32_t words[2] = { MAGIC, RECORD_VERSION };
	int r;

	*fd = memfd_create("drover-records", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return err_errno(err, -errno, "cannot make the records");
	if (ftruncate(*fd, (off_t)FILE_SIZE) < 0 ||
	    pwrite(*fd, words, sizeof(words), 0) != sizeof(words) ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) <
		0) {
		r = err_errno(err, -errno, "cannot size the records");
		fd_close(fd);
		return r;
	}
	return 0;
}

static int
check_file(int fd, struct err *err)
{
	uint32_t words[2];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "records");
	if (pread(fd, words, sizeof(words), 0) != sizeof(words) ||
	    words[0] != MAGIC)
		return err_set(err, -EPROTO, "not a file of records");
	if (words[1] != RECORD_VERSION || (size_t)st.st_size != FILE_SIZE)
		return err_set(err, -EPROTO,
		    "records of version %u, and this process knows %u",
		    words[1], RECORD_VERSION);
	return 0;
}

static int
map_areas(
    struct records **out, int fd, unsigned first, unsigned n, struct err *err)
{
	struct records *r;
	off_t at = (off_t)(PAGE + first * sizeof(struct area));
	int error = check_file(fd, err);

	*out = NULL;
	if (error < 0)
		return error;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_errno(err, -ENOMEM, "records");
	map_init(&r->names);
	r->size = n * sizeof(struct area);
	r->areas = mmap(
	    NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
	if (r->areas == MAP_FAILED) {
		error = err_errno(err, -errno, "records");
		free(r);
		return error;
	}
	*out = r;
	return 0;
}

int
record_attach(struct records **records, int fd, struct err *err)
{
	return map_areas(records, fd, 0, WORKERS, err);
}

void
record_free(struct records *r)
{
	if (r == NULL)
		return;
	munmap(r->areas, r->size);
	map_done(&r->names);
	free(r);
}

/* --- writer --------------------------------------------------------------- */

static void *
number_of(uint32_t i)
{
	return (void *)(uintptr_t)i;
}

static uint32_t
names_of(const struct area *a)
{
	uint32_t n = LOAD(a->nnames);

	return n < RECORD_NAMES ? n : RECORD_NAMES - 1;
}

/* The names of those that were here before us. */
static int
load_names(struct records *r)
{
	struct area *a = r->areas;

	for (uint32_t i = 1; i <= names_of(a); i++) {
		a->names[i][RECORD_NAME_MAX] = '\0';
		if (map_put(&r->names, span_of(a->names[i]), number_of(i)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
record_join(struct records **records, int fd, unsigned worker, struct err *err)
{
	int r = map_areas(records, fd, worker, 1, err);

	if (r < 0 || load_names(*records) == 0)
		return r;
	record_free(*records);
	*records = NULL;
	return err_errno(err, -ENOMEM, "records");
}

uint16_t
record_intern(struct records *r, struct span name)
{
	struct area *a = r->areas;
	uint32_t n = names_of(a) + 1;
	uintptr_t known;

	if (name.n > RECORD_NAME_MAX)
		name.n = RECORD_NAME_MAX;
	known = (uintptr_t)map_get(&r->names, name);
	if (known != 0)
		return (uint16_t)known;
	if (name.n == 0 || n >= RECORD_NAMES ||
	    map_put(&r->names, name, number_of(n)) < 0)
		return 0;
	memcpy(a->names[n], name.p, name.n);
	a->names[n][name.n] = '\0';
	atomic_store_explicit(&a->nnames, n, memory_order_release);
	return (uint16_t)n;
}

struct record *
record_begin(struct records *r)
{
	struct area *a = r->areas;
	struct record *rec = &a->ring[LOAD(a->head) % RECORD_RING];

	STORE(rec->seq, 0);
	atomic_thread_fence(memory_order_release);
	return rec;
}

void
record_commit(struct records *r)
{
	struct area *a = r->areas;
	uint64_t at = LOAD(a->head);

	atomic_store_explicit(
	    &a->ring[at % RECORD_RING].seq, at + 1, memory_order_release);
	atomic_store_explicit(&a->head, at + 1, memory_order_release);
}

uint64_t
record_put_text(struct records *r, const void *data, size_t n)
{
	struct area *a = r->areas;
	uint64_t at = LOAD(a->text_head);
	size_t off = at % RECORD_TEXTS, first = RECORD_TEXTS - off;

	if (n > RECORD_TEXT_MAX)
		n = RECORD_TEXT_MAX;
	/* First what tells readers that the old texts there are gone. */
	STORE(a->text_head, at + n);
	atomic_thread_fence(memory_order_release);
	if (first > n)
		first = n;
	memcpy(a->texts + off, data, first);
	memcpy(a->texts, (const char *)data + first, n - first);
	return at;
}

/* --- readers -------------------------------------------------------------- */

uint64_t
record_head(const struct records *r, unsigned worker)
{
	return atomic_load_explicit(
	    &r->areas[worker].head, memory_order_acquire);
}

uint64_t
record_tail(const struct records *r, unsigned worker)
{
	uint64_t head = record_head(r, worker);

	return head > RECORD_RING ? head - RECORD_RING : 0;
}

bool
record_read(
    const struct records *r, unsigned worker, uint64_t at, struct record *out)
{
	const struct record *rec = &r->areas[worker].ring[at % RECORD_RING];

	if (atomic_load_explicit(&rec->seq, memory_order_acquire) != at + 1)
		return false;
	memcpy(out, rec, sizeof(*out));
	atomic_thread_fence(memory_order_acquire);
	return LOAD(rec->seq) == at + 1;
}

const char *
record_read_name(
    const struct records *r, unsigned worker, uint16_t name, char *buf)
{
	const struct area *a = &r->areas[worker];

	buf[0] = '\0';
	if (name == 0 || name > names_of(a))
		return buf;
	atomic_thread_fence(memory_order_acquire);
	memcpy(buf, a->names[name], RECORD_NAME_MAX);
	buf[RECORD_NAME_MAX] = '\0';
	return buf;
}

size_t
record_read_text(const struct records *r, unsigned worker,
    const struct record *rec, char out[RECORD_TEXT_MAX])
{
	const struct area *a = &r->areas[worker];
	uint64_t at = rec->text_at, head;
	size_t n = rec->text_len, off = at % RECORD_TEXTS;
	size_t first = RECORD_TEXTS - off;

	if (n == 0 || n > RECORD_TEXT_MAX)
		return 0;
	if (first > n)
		first = n;
	memcpy(out, a->texts + off, first);
	memcpy(out + first, a->texts, n - first);
	atomic_thread_fence(memory_order_acquire);
	head = LOAD(a->text_head);
	return head >= at + n && head - at <= RECORD_TEXTS ? n : 0;
}

struct span
record_id(const struct record *rec, char *buf)
{
	struct span s = { buf, 0 };

	if (rec->flags & RECORD_ID_IS_TRACE) {
		str_hex(buf, rec->trace, sizeof(rec->trace));
		s.n = 2 * sizeof(rec->trace);
	} else if (rec->id_len <= RECORD_ID_MAX) {
		memcpy(buf, rec->tail, rec->id_len);
		s.n = rec->id_len;
	}
	return s;
}

struct span
record_path(const struct record *rec)
{
	const struct span none = { NULL, 0 };

	if (rec->id_len + rec->path_len > RECORD_TAIL)
		return none;
	return (struct span){ rec->tail + rec->id_len, rec->path_len };
}

const char *
record_outcome_name(uint8_t outcome)
{
	static const char *const names[OUTCOME_COUNT] = {
		[OUTCOME_UNKNOWN] = "unknown",
		[OUTCOME_ANSWERED] = "answered",
		[OUTCOME_REFUSED] = "refused",
		[OUTCOME_STALE] = "stale",
		[OUTCOME_EXITED] = "exited",
		[OUTCOME_RESET] = "reset",
		[OUTCOME_TIMEOUT] = "timeout",
		[OUTCOME_BAD_RESPONSE] = "bad-response",
		[OUTCOME_CUT] = "cut",
		[OUTCOME_ABANDONED] = "abandoned",
		[OUTCOME_SILENT] = "silent",
		[OUTCOME_SET_ASIDE] = "set-aside",
	};

	return outcome < OUTCOME_COUNT ? names[outcome] : names[0];
}

/* --- the texts of one request --------------------------------------------- */

#define PARTS 4

/* Their sum, with the lengths before them, is what one request may have. */
static const uint16_t shares[PARTS] = { 255, 2304, 1017, 512 };

size_t
record_pack_text(const struct record_text *t, char *out)
{
	const struct span *const parts[PARTS] = { &t->host, &t->target,
		&t->referer, &t->agent };
	uint16_t lens[PARTS];
	size_t n = sizeof(lens);

	for (unsigned i = 0; i < PARTS; i++) {
		lens[i] = parts[i]->n < shares[i] ? (uint16_t)parts[i]->n
						  : shares[i];
		if (lens[i] > 0)
			memcpy(out + n, parts[i]->p, lens[i]);
		n += lens[i];
	}
	memcpy(out, lens, sizeof(lens));
	return n;
}

void
record_unpack_text(const char *data, size_t n, struct record_text *t)
{
	struct span *const parts[PARTS] = { &t->host, &t->target, &t->referer,
		&t->agent };
	uint16_t lens[PARTS];
	size_t at = sizeof(lens);

	memset(t, 0, sizeof(*t));
	if (n < sizeof(lens))
		return;
	memcpy(lens, data, sizeof(lens));
	for (unsigned i = 0; i < PARTS; i++) {
		if (lens[i] > n - at)
			return;
		*parts[i] = (struct span){ data + at, lens[i] };
		at += lens[i];
	}
}

struct record_cursor *
record_cursor(struct records *r, unsigned worker)
{
	return &r->areas[worker].cursor;
}
