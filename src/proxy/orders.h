/* SPDX-License-Identifier: ISC */

/*
 * orders - the worker's end of control.sock
 *
 * Connects, says hello, does what control says, and connects again for ever
 * when the socket breaks. Nothing on the way of a request waits for it.
 */

#ifndef PROXY_ORDERS_H
#define PROXY_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "link/worker_msg.h"
#include "loop/loop.h"

#define ORDERS_RETRY_MS 200

struct worker;

struct orders {
	struct worker *w;
	const char *path; /* borrowed */
	int fd;
	uint32_t speaks; /* the version of its welcome; 0: none yet */
	struct loop_io io;
	struct loop_timer retry;
};

void orders_init(struct orders *o, struct worker *w, const char *path);
void orders_done(struct orders *o);

/* A hint; lost when control is not there. */
void orders_endpoint_down(struct orders *o, uint32_t cell, int error);

/* Somebody waits for a service at zero. False: control is not there. */
bool orders_wake(struct orders *o, uint32_t cell);

#endif /* PROXY_ORDERS_H */
