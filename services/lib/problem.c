/* SPDX-License-Identifier: ISC */

#include "lib/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* clang-format off */
#define PROBLEM(name, type, status, title, retry) \
	const struct svc_problem name = { type, status, title, retry }

PROBLEM(svc_bad_request, "bad-request", 400, "The request is malformed", 0);
PROBLEM(svc_unknown_parameter, "unknown-parameter", 400,
    "There is no such parameter", 0);
PROBLEM(svc_repeated_parameter, "repeated-parameter", 400,
    "A parameter was given twice", 0);
PROBLEM(svc_invalid_number, "invalid-number", 400,
    "A parameter must be a number", 0);
PROBLEM(svc_unknown_value, "unknown-value", 400,
    "A parameter does not know this value", 0);
PROBLEM(svc_out_of_range, "out-of-range", 400,
    "A parameter is out of its range", 0);
PROBLEM(svc_not_found, "not-found", 404, "There is nothing here", 0);
PROBLEM(svc_method_not_allowed, "method-not-allowed", 405,
    "Another method is needed here", 0);
PROBLEM(svc_body_too_large, "body-too-large", 413,
    "The request body is too large", 0);
PROBLEM(svc_internal, "internal", 500, "The service failed", 0);
PROBLEM(svc_queue_full, "queue-full", 503, "Too many requests wait", 1);
PROBLEM(svc_queue_timeout, "queue-timeout", 503,
    "The request waited too long for its turn", 1);
PROBLEM(svc_memory_full, "memory-full", 503,
    "Too many request bodies are held", 1);
PROBLEM(svc_spool_full, "spool-full", 503,
    "Too many request bodies are on disk", 1);
PROBLEM(svc_disk_full, "disk-full", 507,
    "There is no room on disk for the body", 0);
PROBLEM(svc_timeout, "timeout", 504, "The work took too long", 0);
/* clang-format on */

static int refuse(struct svc_refusal *r, const struct svc_problem *problem,
    const char *parameter, const char *fmt, va_list ap) PRINTF(4, 0);

static int
refuse(struct svc_refusal *r, const struct svc_problem *problem,
    const char *parameter, const char *fmt, va_list ap)
{
	r->problem = problem;
	(void)snprintf(r->parameter, sizeof(r->parameter), "%s", parameter);
	(void)vsnprintf(r->detail.text, sizeof(r->detail.text), fmt, ap);
	for (char *c = r->detail.text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return -EINVAL;
}

int
svc_refuse(struct svc_refusal *r, const struct svc_problem *problem,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)refuse(r, problem, "", fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int
svc_refuse_param(struct svc_refusal *r, const struct svc_problem *problem,
    const char *parameter, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)refuse(r, problem, parameter, fmt, ap);
	va_end(ap);
	return -EINVAL;
}
