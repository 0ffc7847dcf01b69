/* SPDX-License-Identifier: ISC */

/*
 * service - the frame that every tool service stands in
 *
 * A tool is a const table: its routes, their parameters, what they take and
 * answer, and the function that does the work. The frame brings the rest: the
 * socket of the contract, one loop with the HTTP server, worker threads behind
 * a bounded queue, deadlines, cancellation, refusals as RFC 9457, /healthz,
 * /readyz, /metrics, /openapi.json and the page at /, the settings of the
 * command line, a JSON log, and the drain at SIGTERM.
 *
 * One request of a route with `work`: on the loop its parameters are checked
 * and its body taken over; on a worker thread work() turns the call into an
 * answer or a refusal; on the loop that is sent. When the caller hangs up or
 * the deadline passes, work that waits is dropped and *stop becomes true for
 * work that runs; its result is thrown away.
 */

#ifndef SVC_SERVICE_H
#define SVC_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "lib/option.h"
#include "lib/param.h"
#include "lib/problem.h"

#define SVC_PARAMS_SIZE 128 /* bytes of the largest params_size */

struct svc_call {
	const void *params; /* as the route's table filled it */
	struct span body;
	const atomic_bool *stop; /* true: nobody waits for this any more */

	/* Of a route with `spool`, instead of body: */
	int fd;	       /* the body as a file, at its end; or -1 */
	uint64_t size; /* its bytes */
	int stop_fd;   /* readable once *stop is true; or -1 */

	/* The refusal, or the answer with what frees it (NULL: nothing). */
	struct svc_refusal refusal;
	const char *type; /* Content-Type, a constant */
	void *data;
	size_t len;
	void (*release)(void *data);
};

struct svc_route {
	const char *method; /* "POST" */
	const char *path;   /* "/process" */
	const char *summary;
	const char *text;		 /* a few sentences, or NULL */
	const struct svc_params *params; /* NULL: it takes none */
	size_t params_size;		 /* of the struct they fill */
	const char *takes;		 /* the body, for people: "an image" */
	const char *answers;		 /* its media type */
	const char *example; /* curl's arguments; %s is where we are reached */
	const struct svc_problem *const *problems; /* its own; ends with NULL */
	bool spool; /* the body may be large: it goes to a file */
	void (*work)(struct svc_call *call);
};

/* Of the settings that all services have; 0 leaves the frame's own. */
struct svc_defaults {
	uint64_t body; /* bytes of one; 64 MiB */
	uint64_t deadline_ms;
	uint64_t upload_ms;
};

struct svc_service {
	const char *name;  /* "image" */
	const char *title; /* "Images" */
	const char *text;  /* what it is for */
	const struct svc_route *routes;
	size_t nroutes;
	const struct svc_option *options; /* its own settings; or NULL */
	struct svc_defaults defaults;

	/* Once, after the settings and before any thread; may be NULL. */
	int (*init)(const char *argv0, struct err *err);
};

/* The whole life of the process; what main() returns. */
int svc_main(const struct svc_service *service, int argc, char *argv[]);

#endif /* SVC_SERVICE_H */
