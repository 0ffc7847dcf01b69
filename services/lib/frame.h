/* SPDX-License-Identifier: ISC */

/*
 * frame - what the parts of one running service share
 *
 * Internal to services/lib: service.c builds it, request.c begins and ends each
 * request, call.c serves the routes that do work, pages.c those that every
 * service has. The loop's thread alone
 * touches it.
 */

#ifndef SVC_FRAME_H
#define SVC_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/server.h"
#include "lib/metrics.h"
#include "lib/pool.h"
#include "lib/service.h"
#include "loop/loop.h"

#define SVC_REQUEST_ID_MAX 65 /* with the NUL */

struct svc_settings {
	uint64_t workers;
	uint64_t queue;
	uint64_t deadline_ms;
	uint64_t body;	 /* bytes of one */
	uint64_t memory; /* bytes of all of them */
	uint64_t spool;	 /* bytes of those on disk */
	uint64_t connections;
	uint64_t upload_ms;
};

struct svc_frame {
	const struct svc_service *service;
	struct svc_settings set;
	struct loop *loop;
	struct server *server;
	struct svc_pool *pool;
	struct svc_metrics metrics;
	struct buf openapi;
	size_t held;	  /* bytes of request bodies, here or announced */
	uint64_t spooled; /* the same of those on disk */
	bool draining;
};

/*
 * What the frame keeps of each request that has a route, from its head to its
 * end: request_data() of it.
 */
struct svc_asked {
	struct svc_frame *frame;
	uint64_t started_us;
	size_t reserved; /* of frame->held, until call.c takes the body */
	int spool;	 /* the body's file, or -1 */
	uint64_t spool_reserved; /* of frame->spooled; the same */
	uint64_t spool_len;	 /* bytes in it */
	size_t bytes_in, bytes_out;
	const struct svc_problem *problem; /* NULL: none, or the server's own */
	char id[SVC_REQUEST_ID_MAX];
};

/* The server's hooks; `arg` is the frame, as it is for the handlers. */
bool svc_before(struct request *req, void *arg);
void svc_after(struct request *req, unsigned status, void *arg);

/* All end the request. */
void svc_answer(
    struct request *req, unsigned status, const char *type, struct span body);
void svc_answer_refusal(struct request *req, const struct svc_refusal *r);

/* Is there room for so many more bytes of bodies? 0 or -EINVAL. */
int svc_check_memory(const struct svc_frame *frame, uint64_t more,
    struct svc_refusal *refusal) MUST_CHECK;

/*
 * server_route handlers. `word` is the route's row in the metrics; `extra` is
 * the struct svc_route of a row with work.
 */
void svc_on_call(struct request *req, void *arg);
void svc_on_health(struct request *req, void *arg);
void svc_on_ready(struct request *req, void *arg);
void svc_on_metrics(struct request *req, void *arg);
void svc_on_openapi(struct request *req, void *arg);
void svc_on_page(struct request *req, void *arg);

/* Rows of the metrics behind those of the service's own routes. */
static inline size_t
svc_pages_row(const struct svc_service *service)
{
	return service->nroutes;
}

static inline size_t
svc_nowhere_row(const struct svc_service *service)
{
	return service->nroutes + 1;
}

/* Does a route of it put bodies on disk? */
bool svc_spools(const struct svc_service *service);

#endif /* SVC_FRAME_H */
