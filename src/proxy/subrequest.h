/* SPDX-License-Identifier: ISC */

/*
 * subrequest - a GET that the worker itself makes, for the head of its answer
 *
 * It is a downstream without a socket: its exchange goes through the balancing,
 * the queue and the limits of its service like any other, and through no route,
 * so that it can meet no rule that would make another one. The body of the
 * answer is let go. Free it at any time; then fn is not called.
 */

#ifndef PROXY_SUBREQUEST_H
#define PROXY_SUBREQUEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define SUBREQUEST_HEAD_MAX (64U * 1024)
#define SUBREQUEST_BODY_MAX (64U * 1024) /* of the answer */

struct peer;
struct service;
struct subrequest;
struct worker;

/* fn(arg) once it is over, in a later turn. peer outlives it. NULL: -ENOMEM. */
struct subrequest *subrequest_new(struct worker *w, struct service *to,
    struct peer *peer, void (*fn)(void *arg), void *arg);
void subrequest_free(struct subrequest *s);

struct buf *subrequest_head(struct subrequest *s); /* to be written before */

/* 0; -ENOMEM: fn is not called. id: of the request that it is for. */
int subrequest_begin(
    struct subrequest *s, struct span id, uint32_t timeout_ms) MUST_CHECK;

/* The head of the answer, a whole one; empty when there was none. */
struct span subrequest_answer(const struct subrequest *s);

#endif /* PROXY_SUBREQUEST_H */
