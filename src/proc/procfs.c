/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "proc/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define ENVIRON_MAX (256u << 10)

static int
read_stat(pid_t pid, char *text, size_t size)
{
	char path[48];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = read(fd, text, size - 1);
	fd_close(&fd);
	if (got <= 0)
		return -ESRCH;
	text[got] = '\0';
	return 0;
}

/* Field 3 stands after the last ')': a name may hold anything. */
static bool
stat_field(const char *text, unsigned want, struct span *out)
{
	const char *p = strrchr(text, ')');
	struct span rest;
	unsigned at = 3;

	if (p == NULL || p[1] != ' ')
		return false;
	rest = span_of(p + 2);
	while (span_next(&rest, ' ', out))
		if (at++ == want)
			return true;
	return false;
}

static bool
stat_number(const char *text, unsigned want, uint64_t *out)
{
	struct span field;

	return stat_field(text, want, &field) && str_u64(field, out) == 0;
}

uint64_t
process_start_time(pid_t pid)
{
	char text[1024];
	struct span field;
	uint64_t start;

	if (read_stat(pid, text, sizeof(text)) < 0 ||
	    !stat_field(text, 3, &field) || field.p[0] == 'Z' ||
	    field.p[0] == 'X' || !stat_number(text, 22, &start))
		return 0;
	return start;
}

int
process_kill_recorded(pid_t pid, uint64_t started)
{
	int r;

	if (pid <= 1 || started == 0 || process_start_time(pid) != started)
		return -ESRCH;
	r = kill(-pid, SIGKILL);
	if (r < 0 && errno == ESRCH)
		r = kill(pid, SIGKILL); /* it had not become a leader yet */
	return r < 0 ? -errno : 0;
}

int
process_children(unsigned max, void (*fn)(void *arg, pid_t pid), void *arg)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *f;
	int pid;

	snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	for (unsigned n = 0; n < max && getdelim(&line, &size, ' ', f) > 0; n++)
		if (sscanf(line, "%d", &pid) == 1)
			fn(arg, (pid_t)pid);
	free(line);
	fclose(f);
	return 0;
}

int
process_each(void (*fn)(void *arg, pid_t pid), void *arg)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	uint64_t pid;

	if (dir == NULL)
		return -errno;
	while ((e = readdir(dir)) != NULL)
		if (str_u64(span_of(e->d_name), &pid) == 0 && pid < INT32_MAX)
			fn(arg, (pid_t)pid);
	closedir(dir);
	return 0;
}

static int
find_variable(struct span env, const char *name, char *value, size_t size)
{
	size_t n = strlen(name);
	struct span var;

	while (span_next(&env, '\0', &var)) {
		if (var.n <= n || memcmp(var.p, name, n) != 0 ||
		    var.p[n] != '=')
			continue;
		return str_copy(
		    value, size, (struct span){ var.p + n + 1, var.n - n - 1 });
	}
	return -ENOENT;
}

/*
 * Why something is not in the n bytes that were read. In the middle of an exec
 * the old environment is gone, perhaps while it was read, and the new one is
 * not there yet. Where the code begins (field 26) is set last: it is 0 till
 * then, and 1 for zombies and the kernel's own, who have no memory at all. 50
 * and 51 are where the environment begins and ends.
 */
static int
why_missing(pid_t pid, size_t n)
{
	char text[1024];
	uint64_t code, begin, end;

	if (read_stat(pid, text, sizeof(text)) < 0 ||
	    !stat_number(text, 26, &code) || code == 1)
		return -ESRCH;
	if (!stat_number(text, 50, &begin) || !stat_number(text, 51, &end))
		return -ENOENT;
	return code != 0 && end - begin == n ? -ENOENT : -EAGAIN;
}

int
process_getenv(pid_t pid, const char *name, char *value, size_t size)
{
	char path[48];
	struct buf b;
	int r;

	buf_init(&b, ENVIRON_MAX);
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	r = fd_read_file(path, &b);
	if (r == -ENOBUFS)
		r = find_variable(buf_span(&b), name, value, size);
	else if (r == 0) {
		r = find_variable(buf_span(&b), name, value, size);
		if (r == -ENOENT)
			r = why_missing(pid, b.len);
	} else if (r == -ENOENT)
		r = -ESRCH;
	buf_done(&b);
	return r;
}
