/* SPDX-License-Identifier: ISC */

#include "proc/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define TEXT_MAX 16384

static bool
read_text(const char *path, struct buf *text)
{
	buf_init(text, TEXT_MAX);
	if (fd_read_file(path, text) == 0)
		return true;
	buf_done(text);
	return false;
}

/* The number behind a word at the start of a line: "MemAvailable:   12 kB". */
static uint64_t
number_of(const struct buf *text, struct span word)
{
	struct span rest = { text->data, text->len }, line;
	uint64_t v;

	while (span_next(&rest, '\n', &line)) {
		size_t n = 0;

		if (!span_starts(line, word))
			continue;
		line.p += word.n;
		line.n -= word.n;
		while (line.n > 0 && *line.p == ' ') {
			line.p++;
			line.n--;
		}
		while (n < line.n && line.p[n] >= '0' && line.p[n] <= '9')
			n++;
		line.n = n;
		return str_u64(line, &v) < 0 ? UINT64_MAX : v;
	}
	return UINT64_MAX;
}

static uint64_t
number_in(const char *path, struct span word)
{
	struct buf text;
	uint64_t v;

	if (!read_text(path, &text))
		return UINT64_MAX;
	v = number_of(&text, word);
	buf_done(&text);
	return v;
}

static uint64_t
of_host(const char *root)
{
	char path[PATH_MAX];
	uint64_t kib;

	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	kib = number_in(path, SPAN("MemAvailable:"));
	return kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
}

/* From a file of a cgroup. */
static uint64_t
number_at(
    const char *root, const char *group, const char *file, struct span word)
{
	char path[2 * PATH_MAX];

	snprintf(
	    path, sizeof(path), "%s/sys/fs/cgroup%s/%s", root, group, file);
	return number_in(path, word);
}

static uint64_t
of_group(const char *root, const char *group)
{
	uint64_t max = number_at(root, group, "memory.max", SPAN(""));
	uint64_t used, idle;

	if (max == UINT64_MAX)
		return max;
	used = number_at(root, group, "memory.current", SPAN(""));
	idle = number_at(root, group, "memory.stat", SPAN("inactive_file "));
	if (used == UINT64_MAX)
		return UINT64_MAX;
	if (idle != UINT64_MAX)
		used -= idle < used ? idle : used;
	return used < max ? max - used : 0;
}

/* "0::/system.slice/drover.service" -> the path. */
static bool
group_of(const char *root, pid_t pid, char *group, size_t size)
{
	char path[PATH_MAX];
	struct buf text;
	struct span rest, line;
	bool found = false;

	snprintf(path, sizeof(path), "%s/proc/%d/cgroup", root, (int)pid);
	if (!read_text(path, &text))
		return false;
	rest = (struct span){ text.data, text.len };
	while (!found && span_next(&rest, '\n', &line)) {
		if (!span_starts(line, SPAN("0::/")))
			continue;
		line.p += 3;
		line.n -= 3;
		found = str_copy(group, size, line) == 0;
	}
	buf_done(&text);
	return found;
}

uint64_t
memory_available(const char *root, pid_t pid)
{
	char group[PATH_MAX];
	uint64_t least = of_host(root);

	if (pid <= 0 || !group_of(root, pid, group, sizeof(group)))
		return least;
	for (;;) {
		uint64_t left = of_group(root, group);
		char *slash = strrchr(group, '/');

		if (left < least)
			least = left;
		if (slash == NULL)
			return least;
		*slash = '\0';
	}
}
