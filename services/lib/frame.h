/* SPDX-License-Identifier: ISC */

/*
 * frame - what the parts of one running service share
 *
 * Internal to services/lib: service.c builds it, call.c serves the routes that
 * do work, pages.c the routes that every service has. The loop's thread alone
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
	uint64_t memory; /* bytes of all that are held */
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
	size_t held; /* bytes of request bodies */
	bool draining;
};

/* One request as the frame sees it, whoever serves it. */
struct svc_asked {
	struct svc_frame *frame;
	struct request *req; /* NULL when it was ended */
	size_t route;	     /* its row in the metrics */
	const char *path;    /* that row's */
	bool quiet;	     /* a probe: no line when all is well */
	uint64_t started_us;
	size_t bytes_in;
	char id[SVC_REQUEST_ID_MAX];
};

void svc_asked_init(struct svc_asked *a, struct svc_frame *frame,
    struct request *req, size_t route, const char *path);

/* All end the request, count it and log it. */
void svc_answer(
    struct svc_asked *a, unsigned status, const char *type, struct span body);
void svc_answer_refusal(struct svc_asked *a, const struct svc_refusal *r);
void svc_answer_gone(struct svc_asked *a); /* the caller hung up */

/* server_route handlers; extra is the row's struct svc_route. */
void svc_on_call(struct request *req, void *arg);
bool svc_before_call(struct request *req, void *arg);

void svc_on_health(struct request *req, void *arg);
void svc_on_ready(struct request *req, void *arg);
void svc_on_metrics(struct request *req, void *arg);
void svc_on_openapi(struct request *req, void *arg);
void svc_on_page(struct request *req, void *arg);

#endif /* SVC_FRAME_H */
