/* SPDX-License-Identifier: ISC */

/*
 * pump - an exchange after 101: bytes both ways, as they are
 *
 * What one side sends goes to the other at once; where that one does not take
 * it, the first is not read until it has (RFC 9110, 7.8; RFC 6455). The end of
 * one direction is passed on, and the other goes on; a break ends both. It has
 * a limit of its own for silence, limits.websocket_idle, and gives its place
 * within limits.concurrency back: it counts as a tunnel of the endpoint, which
 * a drain waits for by its own clock.
 */

#ifndef PROXY_PUMP_H
#define PROXY_PUMP_H

#include "base/str.h"
#include "http/head.h"

struct exchange;

/*
 * The protocol to switch to, of those that the request asks for: the first
 * that the route lists (`listed`: tokens with a space between). Empty: none.
 */
struct span pump_wanted(const struct head *h, const char *listed);

/* The endpoint said 101; `rest` came behind it. May end x. */
void pump_begin(struct exchange *x, const struct head *h, struct span rest);

/* From the client. Each may end x. */
void pump_push(struct exchange *x, struct span in);
void pump_client_eof(struct exchange *x);
void pump_drained(struct exchange *x); /* it has taken all */

/* From the endpoint. Each may end x. */
void pump_readable(struct exchange *x);
void pump_writable(struct exchange *x);

#endif /* PROXY_PUMP_H */
