/* SPDX-License-Identifier: ISC */

#include "proxy/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/auth.h"
#include "proxy/endpoint.h"
#include "proxy/gate.h"
#include "proxy/policy.h"
#include "proxy/recording.h"
#include "proxy/service.h"
#include "proxy/worker.h"

#define PREFIX_NAME "X-Forwarded-Prefix: "

/* What a service will have: built first, handed over when all is there. */
struct fresh {
	struct endpoint **endpoints;
	struct balance_endpoint *weights;
	uint16_t *owners;
	uint32_t n;
};

struct building {
	struct worker *w;
	struct table *t;
	struct fresh *fresh; /* one for each service */
	/* Where the endpoint with a cell was in its service; or anything. */
	uint32_t was[SCOREBOARD_ENDPOINTS];
};

/* --- services ------------------------------------------------------------- */

/* What was noted for another service is found out by asking the endpoint. */
static void
note_places(struct building *b, const struct service *s)
{
	for (uint32_t i = 0; i < s->nendpoints; i++)
		b->was[s->endpoints[i]->cell] = i;
}

/* Its place, or nendpoints: a cell has one endpoint. */
static uint32_t
find_endpoint(const struct building *b, const struct service *s,
    const struct snapshot_endpoint *conf)
{
	uint32_t i = b->was[conf->cell];

	return i < s->nendpoints && endpoint_is(s->endpoints[i], conf)
	    ? i
	    : s->nendpoints;
}

/* Round robin goes on where it was. */
static int
build_endpoint(struct building *b, const struct service *s,
    const struct snapshot_endpoint *e, struct fresh *f)
{
	struct balance_endpoint *weight = &f->weights[f->n];
	uint32_t was = find_endpoint(b, s, e);
	struct endpoint *ep;

	ep = was < s->nendpoints ? endpoint_ref(s->endpoints[was])
				 : endpoint_new(b->w, e);
	if (ep == NULL)
		return -ENOMEM;
	f->endpoints[f->n++] = ep;
	weight->weight = e->weight;
	weight->identity = balance_hash(span_of(e->name));
	weight->due = was < s->nendpoints
	    ? s->weights[was].due
	    : balance_first(e->weight, balance_now(s->weights, s->nendpoints));
	return 0;
}

static bool
same_weights(const struct service *s, const struct fresh *f)
{
	if (s->nendpoints != f->n)
		return false;
	for (uint32_t i = 0; i < f->n; i++)
		if (s->weights[i].identity != f->weights[i].identity ||
		    s->weights[i].weight != f->weights[i].weight)
			return false;
	return true;
}

/* Whose the slots of a hash are; known already if nobody came or went. */
static int
build_owners(const struct service *s, const struct snapshot_service *conf,
    struct fresh *f)
{
	if (conf->balance != BALANCE_HASH || f->n <= BALANCE_SCAN)
		return 0;
	f->owners = calloc(BALANCE_SLOTS, sizeof(*f->owners));
	if (f->owners == NULL)
		return -ENOMEM;
	if (s->owners != NULL && same_weights(s, f))
		memcpy(
		    f->owners, s->owners, BALANCE_SLOTS * sizeof(*f->owners));
	return 0;
}

static int
build_endpoints(struct building *b, struct service *s,
    const struct snapshot_service *conf, struct fresh *f)
{
	f->endpoints = calloc(conf->nendpoints + 1, sizeof(struct endpoint *));
	f->weights = calloc(
	    conf->nendpoints + 1, sizeof(struct balance_endpoint));
	if (f->endpoints == NULL || f->weights == NULL)
		return -ENOMEM;
	note_places(b, s);
	while (f->n < conf->nendpoints)
		if (build_endpoint(b, s, &conf->endpoints[f->n], f) < 0)
			return -ENOMEM;
	balance_begin(f->weights, f->n);
	return build_owners(s, conf, f);
}

/* The one that is there, or a new one; one with another cell is another. */
static struct service *
get_service(struct building *b, const struct snapshot_service *conf)
{
	struct service *s = map_get(&b->w->services, span_of(conf->name));

	if (s != NULL && s->conf.cell == conf->cell)
		return service_ref(s);
	return service_new(b->w, conf->name, conf->cell);
}

static int
build_services(struct building *b)
{
	struct snapshot *snap = b->t->snap;

	b->fresh = calloc(snap->nservices + 1, sizeof(*b->fresh));
	b->t->services = calloc(snap->nservices + 1, sizeof(struct service *));
	if (b->fresh == NULL || b->t->services == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < snap->nservices; i++) {
		const struct snapshot_service *conf = &snap->services[i];
		struct service *s = get_service(b, conf);

		if (s == NULL)
			return -ENOMEM;
		b->t->services[i] = s;
		if (build_endpoints(b, s, conf, &b->fresh[i]) < 0)
			return -ENOMEM;
		if (conf->token[0] != '\0' &&
		    map_put(
			&b->t->callers, span_of(conf->token), (void *)conf) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --- routes --------------------------------------------------------------- */

/* "X-Forwarded-Prefix: /a" for what is taken off the path. */
static void
build_prefix(struct table_route *to, char **at)
{
	struct span path = span_of(to->conf->path);
	char *start = *at;

	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n == 0)
		return;
	memcpy(*at, PREFIX_NAME, sizeof(PREFIX_NAME) - 1);
	*at += sizeof(PREFIX_NAME) - 1;
	memcpy(*at, path.p, path.n);
	*at += path.n;
	memcpy(*at, "\r\n", 2);
	*at += 2;
	to->prefix = (struct span){ start, (size_t)(*at - start) };
}

/* "host/path", as far as a name may be long. */
static uint16_t
route_name(struct worker *w, const struct snapshot_route *conf)
{
	char text[SNAPSHOT_HOST_MAX + SNAPSHOT_PATH_MAX + 1];

	snprintf(text, sizeof(text), "%s%s", conf->host, conf->path);
	return recording_name(w, text);
}

/* Names are for good: only those of a table that is in force. */
static void
name_routes(struct worker *w, struct table *t)
{
	for (uint32_t i = 0; i < t->snap->nroutes; i++)
		t->to[i].record_name = route_name(w, t->to[i].conf);
}

static int
build_auth(struct building *b, struct table_route *to)
{
	const struct snapshot_auth *auth = to->conf->auth;

	if (auth == NULL)
		return 0;
	to->asked = b->t->services[auth->service];
	to->auth = auth_get(b->w, auth);
	return to->auth != NULL ? 0 : -ENOMEM;
}

static int
build_auths(struct building *b)
{
	for (uint32_t i = 0; i < b->t->snap->nroutes; i++)
		if (build_auth(b, &b->t->to[i]) < 0)
			return -ENOMEM;
	return 0;
}

static void
build_route(struct table *t, uint32_t i, struct route_rule *rule, char **at)
{
	const struct snapshot_route *conf = &t->snap->routes[i];
	struct table_route *to = &t->to[i];

	to->conf = conf;
	to->svc = t->services[conf->service];
	if (conf->flags & (SNAPSHOT_ROUTE_STRIP | SNAPSHOT_ROUTE_REWRITE)) {
		to->matched = strlen(conf->path);
		/* The '/' that ends a prefix begins what is left. */
		if (conf->path[to->matched - 1] == '/' &&
		    !(conf->flags & SNAPSHOT_ROUTE_EXACT))
			to->matched--;
		build_prefix(to, at);
	}
	*rule = (struct route_rule){
		.host = span_of(conf->host),
		.path = span_of(conf->path),
		.methods = conf->methods,
		.exact = conf->flags & SNAPSHOT_ROUTE_EXACT,
		.internal = conf->flags & SNAPSHOT_ROUTE_INTERNAL,
		.to = to,
	};
}

static int
build_policies(struct table *t)
{
	for (uint32_t i = 0; i < t->snap->nroutes; i++) {
		const struct snapshot_route *conf = &t->snap->routes[i];
		struct table_route *to = &t->to[i];

		if (!policy_wanted(conf))
			continue;
		to->policy = policy_new(conf, to->svc->name);
		if (to->policy == NULL)
			return -ENOMEM;
		t->cors = t->cors || to->policy->cors;
	}
	return 0;
}

static int
build_routes(struct table *t)
{
	uint32_t n = t->snap->nroutes;
	struct route_rule *rules = calloc(n + 1, sizeof(*rules));
	size_t room = 1;
	char *at;

	for (uint32_t i = 0; i < n; i++)
		room += strlen(t->snap->routes[i].path) + sizeof(PREFIX_NAME) +
		    2;
	t->to = calloc(n + 1, sizeof(*t->to));
	at = t->prefixes = calloc(1, room);
	if (rules != NULL && t->to != NULL && at != NULL) {
		for (uint32_t i = 0; i < n; i++)
			build_route(t, i, &rules[i], &at);
		t->routes = route_table_new(rules, n);
	}
	free(rules);
	return t->routes == NULL ? -ENOMEM : 0;
}

/* --- in force ------------------------------------------------------------- */

/* Those that the new snapshot does not name: one look at each. */
static void
retire_endpoints(struct service *s, const struct fresh *f)
{
	for (uint32_t i = 0; i < s->nendpoints; i++)
		s->endpoints[i]->gone = true;
	for (uint32_t i = 0; f != NULL && i < f->n; i++)
		f->endpoints[i]->gone = false;
	for (uint32_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i]->gone)
			endpoint_retire(s->endpoints[i]);
}

static void
apply_service(struct building *b, uint32_t i)
{
	struct service *s = b->t->services[i];
	const struct snapshot_service *conf = &b->t->snap->services[i];
	struct fresh *f = &b->fresh[i];

	retire_endpoints(s, f);
	for (uint32_t k = 0; k < f->n; k++)
		endpoint_renew(f->endpoints[k], &conf->endpoints[k]);
	service_apply(s, conf, i, f->endpoints, f->weights, f->owners);
	f->endpoints = NULL;
	f->weights = NULL;
	f->owners = NULL;
	f->n = 0;
}

static bool
has_service(const struct table *t, const struct service *s)
{
	return t->snap->nservices > s->index && t->services[s->index] == s;
}

static void
retire_services(struct table *old, struct table *t)
{
	for (uint32_t i = 0; i < old->snap->nservices; i++) {
		struct service *s = old->services[i];

		if (has_service(t, s))
			continue;
		retire_endpoints(s, NULL);
		service_retire(s);
	}
}

static void
index_services(struct worker *w, struct map *names)
{
	map_done(&w->services);
	w->services = *names;
	map_init(names);
}

static int
build_names(struct table *t, struct map *names)
{
	for (uint32_t i = 0; i < t->snap->nservices; i++)
		if (map_put(names, span_of(t->services[i]->name),
			t->services[i]) < 0)
			return -ENOMEM;
	return 0;
}

static void
drop_fresh(struct building *b)
{
	for (uint32_t i = 0; b->fresh != NULL && i < b->t->snap->nservices;
	     i++) {
		struct fresh *f = &b->fresh[i];

		for (uint32_t k = 0; k < f->n; k++)
			endpoint_unref(f->endpoints[k]);
		free(f->endpoints);
		free(f->weights);
		free(f->owners);
	}
	free(b->fresh);
}

static struct endpoint *
next_silent(struct worker *w)
{
	LIST_EACH (ep, &w->left, struct endpoint, left)
		if (ep->silent)
			return ep;
	return NULL;
}

/* What ends with one may take others with it: each is looked for anew. */
static void
forsake(struct worker *w, const struct snapshot *snap)
{
	struct endpoint *ep;

	for (uint32_t i = 0; i < snap->nsilent; i++)
		LIST_EACH (e, &w->left, struct endpoint, left)
			e->silent |= e->cell == snap->silent[i];
	while ((ep = next_silent(w)) != NULL) {
		ep->silent = false;
		endpoint_forsake(ep);
	}
}

static void
put_in_force(struct building *b, struct map *names)
{
	struct worker *w = b->w;
	struct table *old = w->table;

	for (uint32_t i = 0; i < b->t->snap->nservices; i++)
		apply_service(b, i);
	if (old != NULL)
		retire_services(old, b->t);
	index_services(w, names);
	name_routes(w, b->t);
	w->table = b->t;
	table_free(old);
	worker_limit(w, &b->t->snap->limits);
	auths_settle(w);
	service_wake_all(w, true);
	forsake(w, b->t->snap);
}

int
table_apply(struct worker *w, struct snapshot *snap, struct err *err)
{
	struct building b = { .w = w, .t = calloc(1, sizeof(struct table)) };
	struct map names;
	int r = -ENOMEM;

	map_init(&names);
	if (b.t == NULL) {
		snapshot_free(snap);
		return err_errno(err, r, "cannot apply a snapshot");
	}
	b.t->snap = snap;
	map_init(&b.t->callers);
	if (secure_build(b.t, w->table, w) == 0 && build_services(&b) == 0 &&
	    build_routes(b.t) == 0 && build_policies(b.t) == 0 &&
	    build_auths(&b) == 0 && build_names(b.t, &names) == 0) {
		put_in_force(&b, &names);
		r = 0;
	}
	drop_fresh(&b);
	map_done(&names);
	if (r < 0) {
		table_free(b.t);
		err_errno(err, r, "cannot apply a snapshot");
	}
	return r;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; t->services != NULL && i < t->snap->nservices; i++)
		service_unref(t->services[i]);
	for (uint32_t i = 0; t->to != NULL && i < t->snap->nroutes; i++)
		policy_unref(t->to[i].policy);
	free(t->services);
	for (uint32_t i = 0; t->to != NULL && i < t->snap->nroutes; i++)
		auth_unref(t->to[i].auth);
	secure_free(t);
	route_table_free(t->routes);
	map_done(&t->callers);
	free(t->to);
	free(t->prefixes);
	snapshot_free(t->snap);
	free(t);
}

/* --- questions ------------------------------------------------------------ */

static bool
within(const struct snapshot_network *n, const unsigned char address[16])
{
	uint32_t whole = n->prefix / 8, bits = n->prefix % 8;
	unsigned mask = 0xff00U >> bits & 0xff;

	if (memcmp(n->address, address, whole) != 0)
		return false;
	return bits == 0 ||
	    (n->address[whole] & mask) == (address[whole] & mask);
}

bool
table_trusts(const struct table *t, const unsigned char address[16])
{
	for (uint32_t i = 0; i < t->snap->ntrusted; i++)
		if (within(&t->snap->trusted[i], address))
			return true;
	return false;
}

const struct snapshot_service *
table_caller(const struct table *t, struct span token)
{
	return map_get(&t->callers, token);
}

bool
table_may_call(const struct snapshot_service *caller, const struct service *svc)
{
	for (uint32_t i = 0; i < caller->ncalls; i++)
		if (caller->calls[i] == svc->index)
			return true;
	return false;
}
