/* SPDX-License-Identifier: ISC */

/*
 * log - one line for each thing an operator should know
 *
 *	2026-01-31T23:59:59.123Z info control image.0: ready cause=check ms=12
 *
 * `level subsystem object: text key=value`. Whoever decides logs, once. A line
 * is cut at 1 KiB; control characters in it are written as '?', so that a
 * hostile name cannot forge a line. Where stderr is the journal (JOURNAL_STREAM
 * is set) the time is left out and a <priority> stands in front.
 */

#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/array.h"

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

/* Called once, before any thread: the name in front is the subsystem's. */
void log_open(enum log_level least);

void log_line(enum log_level level, const char *subsystem, const char *object,
    const char *fmt, ...) PRINTF(4, 5);

#define log_debug(...) log_line(LOG_DEBUG_, LOG_SUBSYSTEM, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO_, LOG_SUBSYSTEM, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN_, LOG_SUBSYSTEM, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR_, LOG_SUBSYSTEM, __VA_ARGS__)
/* Each .c that logs says: #define LOG_SUBSYSTEM "control" */

#endif /* BASE_LOG_H */
