/* SPDX-License-Identifier: ISC */

/*
 * problem - why a request was refused, as RFC 9457 says it
 *
 * Each kind of refusal is one constant with a stable `type` ("/errors/<type>"),
 * a status and a title; what is particular to this request stands in the
 * refusal. Pure: nothing here knows a connection.
 */

#ifndef SVC_PROBLEM_H
#define SVC_PROBLEM_H

#include "base/err.h"

struct svc_problem {
	const char *type; /* after "/errors/" */
	unsigned status;
	const char *title;
	unsigned retry_after_s; /* Retry-After, 0: none */
};

/* What any service may answer. */
extern const struct svc_problem svc_bad_request;
extern const struct svc_problem svc_unknown_parameter;
extern const struct svc_problem svc_repeated_parameter;
extern const struct svc_problem svc_invalid_number;
extern const struct svc_problem svc_unknown_value;
extern const struct svc_problem svc_out_of_range;
extern const struct svc_problem svc_not_found;
extern const struct svc_problem svc_method_not_allowed;
extern const struct svc_problem svc_body_too_large;
extern const struct svc_problem svc_internal;
extern const struct svc_problem svc_queue_full;
extern const struct svc_problem svc_queue_timeout;
extern const struct svc_problem svc_memory_full;
extern const struct svc_problem svc_spool_full;
extern const struct svc_problem svc_disk_full;
extern const struct svc_problem svc_timeout;

/* A refusal is of one kind; zeroed means that nothing was refused. */
struct svc_refusal {
	const struct svc_problem *problem;
	char parameter[40]; /* the query parameter at fault, or "" */
	struct err detail;
};

/*
 * Both set *r and return -EINVAL, so that `return svc_refuse(...)` reads
 * well. What is not printable ASCII in the text becomes '?'.
 */
int svc_refuse(struct svc_refusal *r, const struct svc_problem *problem,
    const char *fmt, ...) PRINTF(3, 4);
int svc_refuse_param(struct svc_refusal *r, const struct svc_problem *problem,
    const char *parameter, const char *fmt, ...) PRINTF(4, 5);

#endif /* SVC_PROBLEM_H */
