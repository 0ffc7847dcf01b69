/* SPDX-License-Identifier: ISC */

/* Where exchanges come from, and where they go. */

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "proxy/exchange.h"
#include "proxy/policy.h"
#include "proxy/recording.h"
#include "proxy/service.h"
#include "proxy/worker.h"

struct exchange *
exchange_new(struct worker *w)
{
	struct exchange *x = LIST_FIRST(&w->spare, struct exchange, link);
	struct buf req, texts;

	if (x != NULL) {
		list_remove(&x->link);
		w->nspare--;
		req = x->req;
		texts = x->texts;
	} else if ((x = malloc(sizeof(*x))) == NULL) {
		return NULL;
	} else {
		buf_init_metered(&req, EXCHANGE_REQ_MAX, &w->memory);
		buf_init_metered(&texts, RECORD_TEXT_MAX, &w->memory);
		w->memory.held += sizeof(*x);
	}
	memset(x, 0, sizeof(*x));
	x->w = w;
	x->req = req;
	x->texts = texts;
	x->dl.fn = exchange_timeout;
	x->dl.arg = x;
	return x;
}

static void
throw_away(struct exchange *x)
{
	buf_done(&x->req);
	buf_done(&x->texts);
	x->w->memory.held -= sizeof(*x);
	free(x);
}

/* Keep it for the next one, with the memory of its head. */
static bool
spare(struct exchange *x)
{
#ifdef WITH_SANITIZERS /* they would not see a use of a spare one */
	(void)x;
	return false;
#else
	struct worker *w = x->w;

	if (w->nspare >= EXCHANGE_SPARES || w->relief.step >= PRESSURE_IDLE)
		return false;
	if (x->req.cap > EXCHANGE_KEEP)
		buf_done(&x->req);
	buf_clear(&x->req);
	buf_clear(&x->texts);
	list_unshift(&w->spare, &x->link);
	w->nspare++;
	return true;
#endif
}

void
exchange_free(struct exchange *x)
{
	deadline_clear(&x->dl);
	if (x->svc != NULL) {
		x->svc->budget.active--;
		if (x->retried)
			budget_give(&x->svc->budget);
	}
	service_unref(x->svc);
	policy_unref(x->policy);
	if (!spare(x))
		throw_away(x);
}

void
exchange_free_spares(struct worker *w)
{
	LIST_EACH_SAFE (x, &w->spare, struct exchange, link) {
		list_remove(&x->link);
		throw_away(x);
	}
	w->nspare = 0;
}
