/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "proc/record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/process.h"

#define MAGIC 0x31764472u /* and the version of the layout */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define GONE_MS 2000
#define NAP_MS 5

struct entry {
	uint64_t pid; /* 0: free */
	uint64_t started;
};

struct sheet {
	uint32_t magic;
	char boot[36];
	char incarnation[32];
	char unused[56]; /* entries begin at 128 */
	struct entry entries[RECORD_MAX];
};

struct record {
	struct sheet *sheet;
	int fd; /* holds the lock */
	size_t next;
	char *path;
};

/* --- what a dead owner left ----------------------------------------------- */

struct hunt {
	const struct sheet *sheet;
	unsigned killed;
	bool again; /* somebody was there, or could not be told */
};

static void
hunt_marked(void *arg, pid_t pid)
{
	struct hunt *h = arg;
	char mark[64] = "";
	int r;

	if (pid == getpid())
		return;
	r = process_getenv(pid, RECORD_MARK, mark, sizeof(mark));
	if (r == -EAGAIN)
		h->again = true;
	if (r < 0 || memcmp(mark, h->sheet->incarnation, 32) != 0 ||
	    mark[32] != '.' || kill(pid, SIGKILL) < 0)
		return;
	h->again = true;
	h->killed++;
}

static void
nap(void)
{
	const struct timespec pause = { .tv_nsec = NAP_MS * 1000 * 1000 };

	nanosleep(&pause, NULL);
}

/*
 * Until a look finds nobody: whoever forks or execs can escape the first. What
 * takes its time to die is counted once.
 */
static unsigned
kill_marked(const struct sheet *s)
{
	struct hunt h = { .sheet = s, .again = true };
	unsigned first = 0;

	for (unsigned waited = 0; h.again && waited < GONE_MS;
	     waited += NAP_MS) {
		h.again = false;
		process_each(hunt_marked, &h);
		if (waited == 0)
			first = h.killed;
		if (h.again)
			nap();
	}
	return first;
}

static void
wait_until_gone(const struct sheet *s)
{
	for (size_t i = 0, waited = 0; i < RECORD_MAX; i++)
		while (s->entries[i].pid != 0 && waited < GONE_MS &&
		    process_start_time((pid_t)s->entries[i].pid) ==
			s->entries[i].started) {
			nap();
			waited += NAP_MS;
		}
}

static unsigned
kill_leftovers(const struct sheet *s, const char *boot)
{
	unsigned killed = 0;

	if (s->magic != MAGIC || memcmp(s->boot, boot, sizeof(s->boot)) != 0)
		return 0;
	for (size_t i = 0; i < RECORD_MAX; i++) {
		const struct entry *e = &s->entries[i];

		if (e->pid != 0 && e->pid <= INT32_MAX &&
		    process_kill_recorded((pid_t)e->pid, e->started) == 0)
			killed++;
	}
	killed += kill_marked(s);
	wait_until_gone(s);
	return killed;
}

/* --- the file ------------------------------------------------------------- */

static int
read_boot(char boot[36])
{
	struct buf b;
	int r;

	buf_init(&b, 64);
	r = fd_read_file(BOOT_ID, &b);
	if (r == 0 && b.len < 36)
		r = -EIO;
	if (r == 0)
		memcpy(boot, b.data, 36);
	buf_done(&b);
	return r;
}

/* Open and lock the very file that stands at path. */
static int
open_locked(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ||
	    ftruncate(fd, sizeof(struct sheet)) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (st.st_nlink == 0)
		r = -EBUSY; /* its owner is just ending */
	else
		return fd;
	fd_close(&fd);
	return r;
}

static int
map_sheet(struct record *r)
{
	r->sheet = mmap(NULL, sizeof(*r->sheet), PROT_READ | PROT_WRITE,
	    MAP_SHARED, r->fd, 0);
	if (r->sheet != MAP_FAILED)
		return 0;
	r->sheet = NULL;
	return -errno;
}

static int
begin(struct record *r, const char *incarnation, unsigned *killed)
{
	unsigned n;
	char boot[36];
	int res = read_boot(boot);

	if (res == 0)
		res = map_sheet(r);
	if (res < 0)
		return res;
	n = kill_leftovers(r->sheet, boot);
	if (killed != NULL)
		*killed = n;
	/* A new hole is all zeroes, and touches no page. */
	if (ftruncate(r->fd, 0) < 0 || ftruncate(r->fd, sizeof(*r->sheet)) < 0)
		return -errno;
	memcpy(r->sheet->boot, boot, sizeof(boot));
	memcpy(r->sheet->incarnation, incarnation, 32);
	r->sheet->magic = MAGIC;
	return 0;
}

static struct record *
record_new(const char *path)
{
	struct record *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->fd = -1;
	r->path = strdup(path);
	if (r->path == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

static void
record_free(struct record *r)
{
	if (r->sheet != NULL)
		munmap(r->sheet, sizeof(*r->sheet));
	fd_close(&r->fd);
	free(r->path);
	free(r);
}

int
record_open(struct record **record, const char *path, const char *incarnation,
    unsigned *killed, struct err *err)
{
	struct record *r = record_new(path);
	int res;

	*record = NULL;
	if (r == NULL)
		return err_errno(err, -ENOMEM, "%s", path);
	r->fd = res = open_locked(path);
	if (res >= 0)
		res = begin(r, incarnation, killed);
	if (res < 0) {
		record_free(r);
		return err_errno(err, res, "%s", path);
	}
	*record = r;
	return 0;
}

static bool
is_the_record(const struct record *r, const char *incarnation)
{
	return r->sheet->magic == MAGIC &&
	    memcmp(r->sheet->incarnation, incarnation, 32) == 0;
}

int
record_resume(struct record **record, const char *path, int fd,
    const char *incarnation, struct err *err)
{
	struct record *r = record_new(path);
	struct stat st;
	int res = -EBADF;

	*record = NULL;
	if (r == NULL)
		return err_errno(err, -ENOMEM, "%s", path);
	r->fd = fd;
	if (fstat(fd, &st) == 0 && st.st_size == sizeof(*r->sheet))
		res = map_sheet(r);
	if (res == 0 && !is_the_record(r, incarnation))
		res = -EBADF;
	if (res < 0) {
		record_free(r);
		return err_errno(err, res, "%s", path);
	}
	*record = r;
	return 0;
}

int
record_fd(const struct record *r)
{
	return r->fd;
}

void
record_close(struct record *r)
{
	if (r == NULL)
		return;
	unlink(r->path);
	record_free(r);
}

int
record_put(struct record *r, pid_t pid, uint64_t started)
{
	for (size_t i = 0; i < RECORD_MAX; i++) {
		size_t place = (r->next + i) % RECORD_MAX;

		if (r->sheet->entries[place].pid != 0)
			continue;
		r->sheet->entries[place].started = started;
		r->sheet->entries[place].pid = (uint64_t)pid;
		return (int)place;
	}
	return -ENOSPC;
}

void
record_drop(struct record *r, size_t place)
{
	r->sheet->entries[place] = (struct entry){ 0 };
	r->next = place; /* few pages: reuse the lowest */
}
