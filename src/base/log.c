/* SPDX-License-Identifier: ISC */

#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static enum log_level log_least = LOG_INFO_;
static bool log_journal;

static const struct {
	const char *name;
	int priority; /* syslog's */
} levels[] = {
	[LOG_DEBUG_] = { "debug", 7 },
	[LOG_INFO_] = { "info", 6 },
	[LOG_WARN_] = { "warn", 4 },
	[LOG_ERROR_] = { "error", 3 },
};

void
log_open(enum log_level least)
{
	log_least = least;
	log_journal = getenv("JOURNAL_STREAM") != NULL;
}

static size_t
clamp(int n, size_t size)
{
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

void
log_line(enum log_level level, const char *subsystem, const char *object,
    const char *fmt, ...)
{
	char line[1024], when[CLOCK_TEXT];
	va_list ap;
	size_t n;

	if (level < log_least)
		return;
	if (log_journal)
		n = clamp(snprintf(line, sizeof(line), "<%d>%s %s: ",
			      levels[level].priority, subsystem, object),
		    sizeof(line));
	else
		n = clamp(snprintf(line, sizeof(line), "%s %s %s %s: ",
			      clock_text(when, clock_wall_ms()),
			      levels[level].name, subsystem, object),
		    sizeof(line));
	va_start(ap, fmt);
	n += clamp(
	    vsnprintf(line + n, sizeof(line) - n, fmt, ap), sizeof(line) - n);
	va_end(ap);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	(void)fd_write_all(STDERR_FILENO, line, n);
}
