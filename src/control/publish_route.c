/* SPDX-License-Identifier: ISC */

#include "control/publish_route.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

#define TEXT_MAX (64U * 1024)
#define HTTPS "https://${host}${path}${query}"

/* Texts that are put together; `ok` is lost once and for all. */
struct maker {
	struct arena *arena;
	struct buf text;
	bool ok;
};

static void
say(struct maker *m, const char *s)
{
	m->ok = m->ok && buf_puts(&m->text, s) == 0;
}

static const char *
keep(struct maker *m)
{
	const char *copy = NULL;

	if (m->ok)
		copy = arena_copy(m->arena, buf_span(&m->text));
	m->ok = copy != NULL;
	buf_clear(&m->text);
	return copy;
}

/* "websocket other"; NULL for none. */
static const char *
joined(struct maker *m, const char *const *list, const char *sep)
{
	if (list == NULL || list[0] == NULL)
		return NULL;
	for (size_t i = 0; list[i] != NULL; i++) {
		say(m, i > 0 ? sep : "");
		say(m, list[i]);
	}
	return keep(m);
}

static const char *
lines(struct maker *m, const struct conf_headers *h)
{
	if (h->nset == 0)
		return NULL;
	for (size_t i = 0; i < h->nset; i++) {
		say(m, h->set[i].name);
		say(m, ": ");
		say(m, h->set[i].value);
		say(m, "\n");
	}
	return keep(m);
}

static void
add_redirect(struct snapshot_route *out, const struct conf_redirect *r)
{
	bool https = r->to != NULL && strcmp(r->to, "https") == 0;

	out->redirect = https ? HTTPS : r->to;
	out->redirect_status = r->status != 0 ? r->status : https ? 308 : 302;
	if (https)
		out->flags |= SNAPSHOT_ROUTE_HTTPS;
}

static void
add_rate(struct snapshot_route *out, const struct conf_rate *r)
{
	out->rate_count = r->count;
	out->rate_period_s = r->period_s;
	out->rate_burst = r->burst != 0 ? r->burst : r->count;
	out->rate_header = r->header;
}

static void
add_cors(struct maker *m, struct snapshot_route *out, const struct conf_cors *c)
{
	out->cors_origins = joined(m, c->origins, " ");
	out->cors_methods = c->methods;
	out->cors_headers = joined(m, c->headers, ", ");
	out->cors_expose = joined(m, c->expose, ", ");
	out->cors_max_age_s = (uint32_t)(c->max_age_ms / 1000);
	if (c->credentials)
		out->flags |= SNAPSHOT_ROUTE_CREDENTIALS;
}

int
publish_route(struct arena *arena, const struct conf_route *r, uint32_t service,
    struct snapshot_route *out)
{
	struct maker m = { .arena = arena, .ok = true };

	buf_init(&m.text, TEXT_MAX);
	*out = (struct snapshot_route){
		.host = r->host,
		.path = r->path,
		.rewrite = r->rewrite,
		.upgrade = joined(&m, r->upgrade, " "),
		.methods = r->methods,
		.flags = (r->exact ? SNAPSHOT_ROUTE_EXACT : 0U) |
		    (r->strip ? SNAPSHOT_ROUTE_STRIP : 0U) |
		    (r->rewrite ? SNAPSHOT_ROUTE_REWRITE : 0U) |
		    (r->internal ? SNAPSHOT_ROUTE_INTERNAL : 0U),
		.service = service,
		.request_set = lines(&m, &r->request),
		.request_remove = joined(&m, r->request.remove, " "),
		.response_set = lines(&m, &r->response),
		.response_remove = joined(&m, r->response.remove, " "),
	};
	add_redirect(out, &r->redirect);
	add_rate(out, &r->rate);
	add_cors(&m, out, &r->cors);
	buf_done(&m.text);
	return m.ok ? 0 : -ENOMEM;
}
