/* SPDX-License-Identifier: ISC */

/*
 * log - JSON lines on stderr: one per request, one per event
 *
 *	{"time":"…","level":"info","service":"image","request_id":"…",
 *	 "method":"POST","path":"/process","status":200,"ms":23.1,
 *	 "bytes_in":123,"bytes_out":45}
 *	{"time":"…","level":"info","service":"image","message":"ready"}
 *
 * A line is cut to LOG_LINE_MAX without ceasing to be JSON: each text in it is
 * cut on its own. Bytes of a caller that are not printable ASCII become '?'.
 */

#ifndef SVC_LOG_H
#define SVC_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/log.h"
#include "base/str.h"

#define SVC_LOG_LINE_MAX 2048
#define SVC_LOG_TEXT_MAX 300

struct svc_log_request {
	const char *service;
	const char *request_id;
	const char *method;
	struct span path;
	unsigned status;
	const char *problem; /* its type, or NULL */
	uint64_t us;
	size_t bytes_in, bytes_out;
};

/* The line with its newline, in out; returns its length. */
size_t svc_log_format(char out[static SVC_LOG_LINE_MAX],
    const struct svc_log_request *r, uint64_t wall_ms);

void svc_log_request(const struct svc_log_request *r);
void svc_log_event(const char *service, enum log_level level, const char *fmt,
    ...) PRINTF(3, 4);

#endif /* SVC_LOG_H */
