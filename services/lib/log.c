/* SPDX-License-Identifier: ISC */

#include "lib/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static const char *const level_names[] = {
	[LOG_DEBUG_] = "debug",
	[LOG_INFO_] = "info",
	[LOG_WARN_] = "warn",
	[LOG_ERROR_] = "error",
};

/* Every escape is two bytes, so that the room needed is known. */
struct text {
	char s[2 * SVC_LOG_TEXT_MAX + 1];
};

static const char *
escape(struct text *t, struct span in)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n && i < SVC_LOG_TEXT_MAX; i++) {
		char c = in.p[i];

		if (c == '"' || c == '\\')
			t->s[n++] = '\\';
		t->s[n++] = c < ' ' || c > '~' ? '?' : c;
	}
	t->s[n] = '\0';
	return t->s;
}

size_t
svc_log_format(char out[static SVC_LOG_LINE_MAX],
    const struct svc_log_request *r, uint64_t wall_ms)
{
	char when[CLOCK_TEXT], problem[80] = "";
	struct text id, path;
	int n;

	if (r->problem != NULL)
		(void)snprintf(problem, sizeof(problem), ",\"problem\":\"%s\"",
		    r->problem);
	n = snprintf(out, SVC_LOG_LINE_MAX,
	    "{\"time\":\"%s\",\"level\":\"%s\",\"service\":\"%s\","
	    "\"request_id\":\"%s\",\"method\":\"%s\",\"path\":\"%s\","
	    "\"status\":%u,\"ms\":%.1f,\"bytes_in\":%zu,\"bytes_out\":%zu%s}\n",
	    clock_text(when, wall_ms),
	    level_names[r->status >= 500 ? LOG_WARN_ : LOG_INFO_], r->service,
	    escape(&id, span_of(r->request_id)), r->method,
	    escape(&path, r->path), r->status, (double)r->us / 1000,
	    r->bytes_in, r->bytes_out, problem);
	return n < 0 || n >= SVC_LOG_LINE_MAX ? 0 : (size_t)n;
}

void
svc_log_request(const struct svc_log_request *r)
{
	char line[SVC_LOG_LINE_MAX];

	(void)fd_write_all(
	    STDERR_FILENO, line, svc_log_format(line, r, clock_wall_ms()));
}

void
svc_log_event(const char *service, enum log_level level, const char *fmt, ...)
{
	char line[SVC_LOG_LINE_MAX], message[SVC_LOG_TEXT_MAX];
	char when[CLOCK_TEXT];
	struct text text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line),
	    "{\"time\":\"%s\",\"level\":\"%s\",\"service\":\"%s\","
	    "\"message\":\"%s\"}\n",
	    clock_text(when, clock_wall_ms()), level_names[level], service,
	    escape(&text, span_of(message)));
	if (n > 0 && (size_t)n < sizeof(line))
		(void)fd_write_all(STDERR_FILENO, line, (size_t)n);
}
