/* SPDX-License-Identifier: ISC */

#include "proxy/secure.h"

#include <errno.h>
#include <stdlib.h>

#include "proxy/table.h"
#include "proxy/worker.h"
#include "tls/context.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

const struct table_listener *
secure_find(const struct table *t, uint32_t id)
{
	for (uint32_t i = 0; i < t->snap->nlisteners; i++)
		if (t->listeners[i].conf->id == id)
			return &t->listeners[i];
	return NULL;
}

static int
new_context(const struct snapshot_listener *conf, struct tls_context **out,
    struct err *err)
{
	struct tls_pair *pairs = calloc(conf->npairs, sizeof(*pairs));
	const struct tls_config config = {
		.pairs = pairs,
		.npairs = conf->npairs,
		.min_version = conf->tls13 ? TLS_1_3 : TLS_1_2,
		.ciphers = conf->ciphers,
		.suites = conf->ciphersuites,
		.http2 = !(conf->flags & SNAPSHOT_LISTENER_HTTP2_NEVER),
	};
	int r;

	if (pairs == NULL)
		return err_errno(err, -ENOMEM, "tls");
	for (uint32_t i = 0; i < conf->npairs; i++) {
		pairs[i].cert = span_of(conf->pairs[i].cert);
		pairs[i].key = span_of(conf->pairs[i].key);
	}
	r = tls_context_new(out, &config, err);
	free(pairs);
	return r;
}

/* What control checked cannot be refused here; if it is, the old one stays. */
static int
renew(struct table_listener *l, const struct table_listener *before)
{
	const struct snapshot_listener *conf = l->conf;
	struct err err;
	int r;

	if (before != NULL && before->tls != NULL &&
	    (conf->npairs == 0 ||
		(before->conf->mark == conf->mark &&
		    before->conf->flags == conf->flags))) {
		l->tls = tls_context_ref(before->tls);
		return 0;
	}
	if (conf->npairs == 0)
		return 0;
	r = new_context(conf, &l->tls, &err);
	if (r == 0 || r == -ENOMEM)
		return r;
	log_error("tls", "listener %s: %s", conf->address, err.text);
	if (before != NULL && before->tls != NULL)
		l->tls = tls_context_ref(before->tls);
	return 0;
}

static int
build(struct table_listener *l, const struct table *t, const struct table *old,
    struct worker *w)
{
	const struct snapshot_listener *conf = l->conf;
	bool secure = conf->flags & SNAPSHOT_LISTENER_TLS;
	int r = 0;

	l->internal = conf->flags & SNAPSHOT_LISTENER_INTERNAL;
	if (secure) {
		l->handshakes = conf->handshakes;
		deadline_hold(
		    &w->deadlines, &l->handshake_kind, conf->handshake_ms);
		r = renew(l, old != NULL ? secure_find(old, conf->id) : NULL);
	}
	if (l->tls != NULL)
		tls_context_tickets(
		    l->tls, t->snap->tickets, t->snap->ntickets);
	l->served = !secure || l->tls != NULL;
	if (!l->served)
		log_warn("tls", "listener %s has no certificate: not served",
		    conf->address);
	return r;
}

int
secure_build(struct table *t, const struct table *old, struct worker *w)
{
	uint32_t n = t->snap->nlisteners;
	int r = 0;

	t->listeners = calloc(n + 1, sizeof(*t->listeners));
	if (t->listeners == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && r == 0; i++) {
		t->listeners[i].conf = &t->snap->listeners[i];
		r = build(&t->listeners[i], t, old, w);
	}
	return r;
}

void
secure_free(struct table *t)
{
	for (uint32_t i = 0; t->listeners != NULL && i < t->snap->nlisteners;
	     i++) {
		tls_context_unref(t->listeners[i].tls);
		deadline_release(&t->listeners[i].handshake_kind);
	}
	free(t->listeners);
}
