/* SPDX-License-Identifier: ISC */

/*
 * What becomes of a request whose attempt failed. Nothing that may have been
 * done is asked for twice, unless that does no harm.
 */

#include <errno.h>
#include <string.h>

#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/exchange_impl.h"
#include "proxy/service.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

bool
exchange_forgive(struct exchange *x)
{
	if (!x->forgivable)
		return false;
	x->forgivable = false;
	x->ntried--;
	return true;
}

enum where { ANYWHERE, ELSEWHERE, RATHER_ELSEWHERE };

/* Choose again; the place of the last attempt is given back first. */
static void
again(struct exchange *x, enum where where)
{
	struct service *s = service_ref(x->svc);

	x->forgivable = where == RATHER_ELSEWHERE;
	if (where != ANYWHERE)
		x->tried[x->ntried++ % EXCHANGE_TRIED] = x->ep->serial;
	exchange_let_go(x, false);
	x->sent = 0;
	x->write_shut = false;
	x->heard = false;
	x->phase = EXCHANGE_NEW;
	deadline_clear(&x->dl);
	if (x->attempts >= EXCHANGE_ATTEMPTS)
		exchange_fail_none(x);
	else
		exchange_choose(x);
	service_wake(s);
	service_unref(s);
}

static void
count_resend(struct exchange *x)
{
	count64(&x->svc->count->resends, 1);
	x->notes.flags |= RECORD_RESENT;
}

void
exchange_connect_failed(struct exchange *x, int error)
{
	struct endpoint *ep = x->ep;

	x->fault = FAULT_CONNECT;
	if (error == EAGAIN) {
		/* Its backlog is full. It may be asked again soon. */
		ep->full_until_ms = x->w->now_ms + ENDPOINT_FULL_MS;
		x->attempts--;
		recording_forget_attempt(x);
		again(x, ANYWHERE);
		return;
	}
	recording_outcome(x, OUTCOME_REFUSED);
	if (endpoint_blamed(error)) {
		service_blame(x->svc, ep);
		endpoint_down(ep, error);
	} else {
		log_warn(
		    ep->name, "cannot connect error=\"%s\"", strerror(error));
	}
	count_resend(x);
	again(x, ELSEWHERE);
}

/* Another endpoint within the budget, once. */
static bool
may_retry(struct exchange *x)
{
	if (x->retried || !x->idempotent)
		return false;
	if (!budget_take(&x->svc->budget)) {
		count64(&x->svc->count->over_budget, 1);
		x->notes.over_budget = 1;
		return false;
	}
	x->retried = true;
	count64(&x->svc->count->retries, 1);
	return true;
}

static bool
endpoint_left(struct endpoint *ep, int error)
{
	if (!ep->down && !ep->gone && endpoint_refuses(ep))
		endpoint_down(ep, error != 0 ? error : ECONNRESET);
	return ep->down || ep->gone;
}

/*
 * It closed a connection while our request was on its way: no retry is spent.
 * Or it is being killed, and its listener is the last to go: so elsewhere, if
 * there is such a place, else there again on a fresh connection.
 */
static void
close_race(struct exchange *x)
{
	x->fresh = true;
	count_resend(x);
	recording_outcome(x, OUTCOME_STALE);
	again(x, RATHER_ELSEWHERE);
}

static bool
may_resend(const struct exchange *x)
{
	return x->replay && !x->heard && (x->idempotent || !x->reached);
}

/* Where nobody else is, it may yet come round, or be killed. */
void
exchange_forsaken(struct exchange *x)
{
	bool waits = x->phase == EXCHANGE_CONNECTING ||
	    x->phase == EXCHANGE_SENDING || x->phase == EXCHANGE_WAITING;

	if (!waits || !may_resend(x) || x->svc->nendpoints == 0)
		return;
	count_resend(x);
	x->fault = FAULT_TIMEOUT;
	recording_outcome(x, OUTCOME_SILENT);
	again(x, ELSEWHERE);
}

void
exchange_lost(struct exchange *x, int error)
{
	bool can = may_resend(x);
	bool race = can && x->up->reused && !x->fresh;

	count32(&x->ep->count->resets, 1);
	x->fault = FAULT_RESET;
	if (!race)
		service_blame(x->svc, x->ep);
	if (x->phase == EXCHANGE_ANSWERING) {
		exchange_cut(x);
	} else if (race) {
		close_race(x);
	} else if (can && endpoint_left(x->ep, error)) {
		count_resend(x);
		recording_outcome(x, OUTCOME_EXITED);
		again(x, ELSEWHERE);
	} else if (can && may_retry(x)) {
		recording_outcome(x, OUTCOME_RESET);
		again(x, ELSEWHERE);
	} else {
		recording_outcome(x, OUTCOME_RESET);
		exchange_fail_none(x);
	}
}

void
exchange_set_aside(struct exchange *x)
{
	count_resend(x);
	recording_outcome(x, OUTCOME_SET_ASIDE);
	again(x, ELSEWHERE);
}

void
exchange_bad_response(struct exchange *x, const char *why)
{
	count32(&x->ep->count->bad_responses, 1);
	service_blame(x->svc, x->ep);
	log_debug(x->ep->name, "bad response: %s", why);
	if (service_spares(x->svc, x)) {
		exchange_set_aside(x);
		return;
	}
	recording_outcome(x, OUTCOME_BAD_RESPONSE);
	if (x->phase == EXCHANGE_ANSWERING)
		exchange_cut(x);
	else
		exchange_fail(x, 502, FAULT_BAD_RESPONSE,
		    "the service sent an invalid answer");
}
