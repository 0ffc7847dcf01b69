/* SPDX-License-Identifier: ISC */

/*
 * service - a service as this worker balances it: endpoints, queue, budget
 *
 * It lives as long as a snapshot names it or an exchange holds it. A new
 * snapshot changes it in place, between two turns, so what waits in the queue
 * is served by the endpoints that there are then.
 *
 * The queue is first in, first out within this worker, and between workers by
 * who has waited longest: a worker that frees a place while another one has an
 * older waiter leaves the place and pokes that worker (SIGURG). Should that
 * worker not take it, a tick of SERVICE_TICK_MS does.
 */

#ifndef PROXY_SERVICE_H
#define PROXY_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/str.h"
#include "link/scoreboard.h"
#include "link/snapshot.h"
#include "model/balance.h"
#include "model/budget.h"
#include "model/outlier.h"
#include "proxy/deadline.h"

#define SERVICE_TICK_MS 5
#define SERVICE_WARM_MS 50     /* between steps of a slow start */
#define SERVICE_DOUBT_MS 50    /* whether the one that hung up is dying */
#define SERVICE_SETTLE_MS 1000 /* all refused: what the next snapshot says */
#define SERVICE_PATIENCE_US                               \
	20000 /* then an older waiter elsewhere is passed \
	       */

struct endpoint;
struct exchange;
struct worker;

struct service {
	struct worker *w;
	unsigned refs;
	char name[SNAPSHOT_NAME_MAX + 1];
	struct snapshot_service conf; /* its strings live in the table */
	uint32_t index;		      /* in the snapshot */
	bool gone;
	uint16_t record_name;
	struct scoreboard_service *count;

	struct endpoint **endpoints;
	struct balance_endpoint *weights; /* as many */
	uint16_t *owners;		  /* of slots: balance.h; or NULL */
	uint32_t nendpoints;
	bool told;		  /* control, that somebody waits for it */
	bool warming;		  /* some endpoint is in its slow start */
	uint64_t warmed_ms;	  /* when the weights were last made */
	uint64_t settle_until_ms; /* 0: no endpoint's death is news */

	struct list queue; /* struct exchange, oldest first */
	unsigned nqueue;
	struct link waiting; /* on the worker's list while nqueue > 0 */

	struct budget budget;
	struct outlier_policy ejection;
	struct deadline_kind *queue_kind, *start_kind, *request_kind,
	    *idle_kind, *pump_kind;
};

struct service *service_new(struct worker *w, const char *name, uint32_t cell);
struct service *service_ref(struct service *s);
void service_unref(struct service *s);

/*
 * Another snapshot is in force. The arrays become the service's, with the
 * references in them; the old ones are given back. Cannot fail.
 */
void service_apply(struct service *s, const struct snapshot_service *conf,
    uint32_t index, struct endpoint **endpoints,
    struct balance_endpoint *weights, uint16_t *owners);
void service_retire(struct service *s); /* no snapshot names it any more */

/*
 * It is at zero, and somebody waits: tell control, which starts a copy. Once
 * for each snapshot that says so, and again to a control that comes anew.
 */
void service_call(struct service *s);

enum service_verdict {
	SERVICE_GO,    /* x->ep is taken */
	SERVICE_WAIT,  /* there are endpoints, all are full */
	SERVICE_START, /* none, but one is on its way, or may be */
	SERVICE_NONE,  /* none at all */
};

/* Choose an endpoint for x and take one of its places. */
enum service_verdict service_pick(struct service *s, struct exchange *x);
void service_give(struct service *s, struct endpoint *ep); /* and unref it */

/* A place at ep becomes a tunnel, outside of limits.concurrency; and ends. */
void service_tunnel(struct service *s, struct endpoint *ep);
void service_untunnel(struct service *s, struct endpoint *ep);

/*
 * How an attempt at ep went: it answered, or that was a gateway error. May
 * eject it, for this worker.
 */
void service_praise(struct endpoint *ep);
void service_blame(struct service *s, struct endpoint *ep);

/*
 * What a version on trial answers with an error is asked of a proven one: it is
 * judged by it, and nobody else has to bear it. Outside the budget, as a few of
 * them end the trial. Only what is idempotent and still there as a whole, while
 * nothing of the answer went out, and there is a proven one.
 */
bool service_spares(const struct service *s, const struct exchange *x);

/* Whether others wait already, so that nobody who comes now may pass them. */
bool service_crowded(const struct service *s);

/* How long who comes now may wait: for a place, or for the first copy. */
struct deadline_kind *service_queue_kind(const struct service *s);

/* Queue x; false when the queue is full. */
bool service_enqueue(struct service *s, struct exchange *x) MUST_CHECK;
void service_dequeue(struct service *s, struct exchange *x);

/* A place may be free: let the oldest go on, here or elsewhere. */
void service_wake(struct service *s);
void service_wake_all(struct worker *w, bool tick);

#endif /* PROXY_SERVICE_H */
