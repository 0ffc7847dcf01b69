/* SPDX-License-Identifier: ISC */

/*
 * service - so many replicas of one program, wanted and real
 *
 * Brings the replicas to what is wanted (configuration, or an operator's
 * stop, start and scale), starts none before what it depends on is ready, and
 * says in one word and one line how the service is.
 */

#ifndef CONTROL_SERVICE_H
#define CONTROL_SERVICE_H

#include "control/state.h"

/*
 * On control's list; spec lives in conf, which is referenced. cell is the one
 * that it had under an earlier control process, or -1. NULL: out of memory or
 * of cells.
 */
struct service *service_add(struct control *c, const struct conf *conf,
    const struct conf_service *spec, int cell);
void service_free(struct service *s); /* it must have no replica */

struct service *service_by_name(struct control *c, const char *name);

/*
 * From now on this configuration. Replicas whose process would be started the
 * same way take it over at once; the others when they are replaced.
 */
void service_set_spec(struct service *s, const struct conf *conf,
    const struct conf_service *spec);

/* Deadlines and delays of its instances, from its configuration. */
void service_policy(
    const struct conf_service *spec, struct instance_policy *policy);

/* Create, wake or retire replicas, so that there are as many as wanted. */
void service_settle(struct service *s);

/* Every service that may now start because something became ready. */
void service_consider_all(struct control *c);

/* A replica's state differs: called by replica.c, once for each change. */
void service_changed(
    struct replica *r, enum instance_state from, enum instance_state to);

/* An operator's wishes. */
void service_stop(struct service *s);
void service_start(struct service *s);
void service_scale(struct service *s, unsigned replicas);
void service_release(struct service *s); /* back to what the file says */
void service_remove(struct service *s);	 /* gone from the configuration */

unsigned service_desired(const struct service *s); /* 0 when stopped */
unsigned service_ready(const struct service *s);

/* DESIGN §10: ready starting degraded backoff stopped idle; why is one line. */
const char *service_state(const struct service *s, char *why, size_t size);

/* For services with needs_redis; "" without a registry. */
const char *service_redis_url(struct control *c);

#endif /* CONTROL_SERVICE_H */
