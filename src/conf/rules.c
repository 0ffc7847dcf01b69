/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "conf/box.h"
#include "conf/conf.h"
#include "conf/expand.h"
#include "conf/schema.h"

#define SOCKET_PATH_MAX 107
#define REPLICA_DIGITS 3 /* of CONF_REPLICAS_MAX - 1 */
#define ID_DIGITS 20	 /* of UINT64_MAX */

struct rules {
	const struct conf *conf;
	const char *file;      /* drover.yaml */
	const unsigned *lines; /* of its keys */
	struct faults *faults;
	bool partial; /* a service could not be read: names may be missing */
};

/* A fault at a key of a service, or of drover.yaml where s is NULL. */
#define FAULT(r, s, key, ...)                                       \
	fault_add((r)->faults, (s) != NULL ? (s)->file : (r)->file, \
	    line_of(r, s, key), key, __VA_ARGS__)

static unsigned
line_of(const struct rules *r, const struct conf_service *s, const char *key)
{
	size_t row;

	if (s != NULL)
		return conf_line(s, key);
	row = schema_find(schema_root, key);
	return row != SIZE_MAX ? r->lines[row] : 0;
}

static bool
was_given(const struct conf_service *s, const char *key)
{
	size_t row = schema_find(schema_service, key);

	return row != SIZE_MAX && s->lines[row] != 0;
}

/* --- drover.yaml ---------------------------------------------------------- */

static void
check_listeners(const struct rules *r)
{
	const struct conf *c = r->conf;

	for (size_t i = 0; i < c->nlisten; i++)
		for (size_t j = 0; j < i; j++)
			if (c->listen[i].address != NULL &&
			    c->listen[j].address != NULL &&
			    strcmp(c->listen[i].address,
				c->listen[j].address) == 0)
				FAULT(r, (struct conf_service *)NULL, "listen",
				    "found %s twice; allowed once",
				    c->listen[i].address);
}

static void
check_root(const struct rules *r)
{
	const struct conf_service *root = NULL;
	const struct conf *c = r->conf;

	check_listeners(r);
	if (strlen(c->admin.socket) > SOCKET_PATH_MAX)
		FAULT(r, root, "admin.socket",
		    "found a path of %zu bytes; allowed %d",
		    strlen(c->admin.socket), SOCKET_PATH_MAX);
	if (strlen(c->dirs.runtime) + strlen("/control.sock") > SOCKET_PATH_MAX)
		FAULT(r, root, "directories.runtime",
		    "found a path of %zu bytes; allowed %zu, so that the "
		    "sockets in it can be bound",
		    strlen(c->dirs.runtime),
		    SOCKET_PATH_MAX - strlen("/control.sock"));
	if (c->port_first > c->port_last)
		FAULT(r, root, "ports.first",
		    "found %u; allowed at most ports.last, which is %u",
		    c->port_first, c->port_last);
}

/* --- one service ---------------------------------------------------------- */

static void
check_name(const struct rules *r, const struct conf_service *s)
{
	if (strcmp(s->name, "proxy") == 0)
		FAULT(r, s, "service",
		    "found \"proxy\", which drover's own workers are called; "
		    "allowed another name");
	if (strcmp(s->name, "redis") == 0 &&
	    r->conf->registry.kind == CONF_REGISTRY_MANAGED)
		FAULT(r, s, "service",
		    "found \"redis\", which the managed Redis is called; "
		    "allowed another name, or another registry than managed");
}

/* $RUNTIME/i/<service>.<replica>.<id>.sock */
static void
check_socket(const struct rules *r, const struct conf_service *s)
{
	size_t n = strlen(r->conf->dirs.runtime) + strlen("/i/") +
	    strlen(s->name) + strlen(".") + REPLICA_DIGITS + strlen(".") +
	    ID_DIGITS + strlen(".sock");

	if (n > SOCKET_PATH_MAX && s->listen != CONF_SOCKET_PORT)
		FAULT(r, s, "service",
		    "found sockets of up to %zu bytes in %s/i; allowed %d: "
		    "shorten the name or directories.runtime",
		    n, r->conf->dirs.runtime, SOCKET_PATH_MAX);
}

static void
check_timing(const struct rules *r, const struct conf_service *s)
{
	uint64_t least = s->restart.base_ms > s->restart.first_ms
	    ? s->restart.base_ms
	    : s->restart.first_ms;

	if (least > s->restart.max_ms)
		FAULT(r, s, "restart.max",
		    "found less than restart.%s; allowed at least that",
		    least == s->restart.base_ms ? "base" : "first");
}

static void
check_autoscale(const struct rules *r, const struct conf_service *s)
{
	const struct conf_autoscale *a = &s->autoscale;

	if (a->panic_window_ms > a->window_ms)
		FAULT(r, s, "autoscale.panic_window",
		    "found more than autoscale.window; allowed at most that");
	if (s->replicas_min == 0 && s->replicas_max > 0 && s->limits.queue == 0)
		FAULT(r, s, "limits.queue",
		    "found 0 with replicas: {min: 0}, where the first request "
		    "has to wait; allowed at least 1");
}

static void
check_checks(const struct rules *r, const struct conf_service *s)
{
	if (s->readiness.kind == CONF_CHECK_NOTIFY && was_given(s, "readiness"))
		FAULT(r, s, "readiness",
		    "found a check beside ready: notify; allowed one of them");
	if (s->liveness.kind == CONF_CHECK_NONE && was_given(s, "liveness"))
		FAULT(r, s, "liveness",
		    "found no check; allowed one of path, tcp and exec");
	if (was_given(s, "balance.policy") && was_given(s, "balance.hash"))
		FAULT(r, s, "balance",
		    "found policy and hash; allowed one of them");
}

static void
check_sandbox(const struct rules *r, const struct conf_service *s)
{
	if (!s->sandbox.network && s->listen == CONF_SOCKET_PORT)
		FAULT(r, s, "sandbox.network",
		    "found false with listen: port; allowed true, or listen: "
		    "unix or fd");
	if (s->sandbox.seccomp_allow != 0 && !s->sandbox.seccomp)
		FAULT(r, s, "sandbox.seccomp_allow",
		    "found groups without a profile; allowed with seccomp: "
		    "default");
	if (s->needs_redis && r->conf->registry.kind == CONF_REGISTRY_NONE)
		FAULT(r, s, "needs_redis",
		    "found true with registry: none; allowed false, or "
		    "registry: managed or a redis:// URL");
}

/* What a text with ${...} costs, expanded with the longest values. */
static size_t
check_text(const struct rules *r, const struct conf_service *s, const char *key,
    const char *text)
{
	const struct expand values = {
		.port = s->listen == CONF_SOCKET_PORT ? "65535" : NULL,
		.socket = s->listen == CONF_SOCKET_PORT ? NULL : "/",
		.instance = s->name,
		.node = r->conf->node.name,
	};
	struct buf out;
	struct err err;
	size_t n;
	int e;

	buf_init(&out, 2 * 1024 * 1024);
	e = expand(&values, text, &out, &err);
	n = out.len;
	buf_done(&out);
	if (e == -ENOMEM)
		fault_nomem(r->faults, s->file);
	else if (e < 0)
		FAULT(r, s, key, "%s", err.text);
	return n + 1;
}

static void
check_command(const struct rules *r, const struct conf_service *s)
{
	size_t n = 0;

	for (const char *const *arg = s->command; *arg != NULL; arg++)
		n += check_text(r, s, "command", *arg);
	for (size_t i = 0; i < s->nenv; i++)
		n += strlen(s->env[i].name) + 1 +
		    check_text(r, s, "env", s->env[i].value);
	if (n > CONF_SPAWN_MAX)
		FAULT(r, s, "command",
		    "found %zu bytes of command and env; allowed %d", n,
		    CONF_SPAWN_MAX);
}

static void
check_route(const struct rules *r, const struct conf_service *s, size_t i)
{
	const struct conf_route *route = &s->routes[i];
	char key[32];

	snprintf(key, sizeof(key), "route[%zu]", i);
	if (route->path == NULL)
		fault_add(r->faults, s->file, route->line, key,
		    "found neither path nor exact; allowed one of them");
	if (route->strip && route->rewrite != NULL)
		fault_add(r->faults, s->file, route->line, key,
		    "found strip and rewrite; allowed one of them");
}

/* What a route says without what it would need for it. */
static const char *
lonely(const struct conf_route *route)
{
	const struct conf_cors *cors = &route->cors;

	if (route->redirect.to == NULL && route->redirect.status != 0)
		return "redirect.status without redirect.to; allowed with it";
	if (route->rate.count == 0 &&
	    (route->rate.burst != 0 || route->rate.header != NULL))
		return "rate_limit without rate; allowed with it";
	if (cors->origins == NULL &&
	    (cors->methods != 0 || cors->headers != NULL ||
		cors->expose != NULL || cors->credentials ||
		cors->max_age_ms != 0))
		return "cors without origins; allowed with them";
	if (cors->credentials && strcmp(cors->origins[0], "*") == 0)
		return "cors.credentials with origins: [\"*\"]; allowed with "
		       "a list of origins, for browsers refuse that (Fetch "
		       "standard)";
	return NULL;
}

static bool
says_cors(const struct conf_headers *h)
{
	for (size_t i = 0; i < h->nset; i++)
		if (strncasecmp(h->set[i].name, "access-control-", 15) == 0)
			return true;
	return false;
}

static void
check_route_rules(const struct rules *r, const struct conf_service *s, size_t i)
{
	const struct conf_route *route = &s->routes[i];
	const char *what = lonely(route);
	char key[32];

	snprintf(key, sizeof(key), "route[%zu]", i);
	if (what == NULL && route->cors.origins != NULL &&
	    says_cors(&route->response))
		what = "a header Access-Control-* beside cors, which writes "
		       "them; allowed one of them";
	if (what != NULL)
		fault_add(
		    r->faults, s->file, route->line, key, "found %s", what);
}

static void
check_service(const struct rules *r, const struct conf_service *s)
{
	check_name(r, s);
	check_socket(r, s);
	check_timing(r, s);
	check_autoscale(r, s);
	check_checks(r, s);
	check_sandbox(r, s);
	check_command(r, s);
	for (size_t i = 0; i < s->nroutes; i++) {
		check_route(r, s, i);
		check_route_rules(r, s, i);
	}
}

/* --- services among each other -------------------------------------------- */

static void
check_twins(const struct rules *r)
{
	for (size_t i = 1; i < r->conf->nservices; i++) {
		const struct conf_service *s = &r->conf->services[i];

		if (strcmp(s[-1].name, s->name) == 0)
			FAULT(r, s, "service",
			    "found \"%s\", which stands in %s:%u too; allowed "
			    "once",
			    s->name, s[-1].file, conf_line(&s[-1], "service"));
	}
}

static void
check_known(const struct rules *r, const struct conf_service *s,
    const char *key, const char *name)
{
	const char *known[CONF_SERVICES_MAX];
	const char *near;

	if (strcmp(name, s->name) == 0) {
		FAULT(r, s, key, "found the service itself; allowed others");
		return;
	}
	if (r->partial || conf_service(r->conf, name) != NULL ||
	    (strcmp(name, "redis") == 0 && strcmp(key, "depends_on") == 0 &&
		r->conf->registry.kind != CONF_REGISTRY_NONE))
		return;
	for (size_t i = 0; i < r->conf->nservices; i++)
		known[i] = r->conf->services[i].name;
	near = near_name(name, known, r->conf->nservices);
	FAULT(r, s, key, "found \"%s\"%s%s%s; allowed names of services", name,
	    near != NULL ? " (" : "", near != NULL ? near : "",
	    near != NULL ? "?)" : "");
}

/*
 * Follow dependencies from s until it is met again. Depth first; `seen` keeps
 * every service from being entered twice.
 */
static bool
leads_back(const struct conf *c, const struct conf_service *at,
    const struct conf_service *to, bool *seen, const struct conf_service **via)
{
	for (const char *const *d = at->depends_on; *d != NULL; d++) {
		const struct conf_service *next = conf_service(c, *d);

		if (next == NULL || next == at)
			continue;
		*via = at;
		if (next == to)
			return true;
		if (seen[next - c->services])
			continue;
		seen[next - c->services] = true;
		if (leads_back(c, next, to, seen, via))
			return true;
	}
	return false;
}

static void
check_cycles(const struct rules *r)
{
	const struct conf *c = r->conf;
	size_t order[CONF_SERVICES_MAX];
	bool seen[CONF_SERVICES_MAX];
	int e = conf_order(c, order);

	if (e == -ENOMEM)
		fault_nomem(r->faults, r->file);
	if (e != -ELOOP)
		return;
	for (size_t i = 0; i < c->nservices; i++) {
		const struct conf_service *s = &c->services[i], *via = s;

		memset(seen, 0, sizeof(seen));
		if (!leads_back(c, s, s, seen, &via))
			continue;
		FAULT(r, s, "depends_on",
		    "found a circle that comes back from \"%s\"; allowed none",
		    via->name);
		return; /* the others in it would say the same */
	}
}

struct claim {
	const struct conf_service *service;
	const struct conf_route *route;
};

static int
by_pattern(const void *a, const void *b)
{
	const struct conf_route *x = ((const struct claim *)a)->route;
	const struct conf_route *y = ((const struct claim *)b)->route;
	const char *host_x = x->host != NULL ? x->host : "";
	const char *host_y = y->host != NULL ? y->host : "";
	int r = strcmp(host_x, host_y);

	if (r == 0)
		r = strcmp(x->path, y->path);
	return r != 0 ? r : (int)x->exact - (int)y->exact;
}

/* The order in which a person reads the files. */
static int
by_place(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = by_pattern(a, b);

	if (r == 0)
		r = strcmp(x->service->file, y->service->file);
	if (r == 0)
		r = (x->route->line > y->route->line) -
		    (x->route->line < y->route->line);
	return r;
}

static bool
methods_meet(unsigned a, unsigned b)
{
	return a == 0 || b == 0 || (a & b) != 0;
}

/* Equal patterns stand side by side: claims[from] and what is before it. */
static void
check_claim(const struct rules *r, const struct claim *claims, size_t at)
{
	const struct claim *c = &claims[at];
	char key[32];

	for (size_t i = at; i-- > 0;) {
		const struct claim *first = &claims[i];

		if (by_pattern(first, c) != 0)
			return;
		if (!methods_meet(first->route->methods, c->route->methods))
			continue;
		snprintf(key, sizeof(key), "route[%zu]",
		    (size_t)(c->route - c->service->routes));
		fault_add(r->faults, c->service->file, c->route->line, key,
		    "found %s%s, which %s has at %s:%u; allowed one service "
		    "for a route",
		    c->route->host != NULL ? c->route->host : "",
		    c->route->path, first->service->name, first->service->file,
		    first->route->line);
		return;
	}
}

static void
check_routes(const struct rules *r)
{
	struct claim *claims;
	size_t n = 0;

	for (size_t i = 0; i < r->conf->nservices; i++)
		n += r->conf->services[i].nroutes;
	claims = calloc(n + 1, sizeof(*claims));
	if (claims == NULL) {
		fault_nomem(r->faults, r->file);
		return;
	}
	n = 0;
	for (size_t i = 0; i < r->conf->nservices; i++) {
		const struct conf_service *s = &r->conf->services[i];

		for (size_t j = 0; j < s->nroutes; j++)
			if (s->routes[j].path != NULL)
				claims[n++] = (struct claim){ s,
					&s->routes[j] };
	}
	qsort(claims, n, sizeof(*claims), by_place);
	for (size_t i = 1; i < n; i++)
		check_claim(r, claims, i);
	free(claims);
}

void
conf_check_rules(const struct conf *conf, const char *file,
    const unsigned *lines, struct faults *f)
{
	const struct rules r = { conf, file, lines, f, f->n > 0 };

	check_root(&r);
	for (size_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *s = &conf->services[i];

		check_service(&r, s);
		for (const char *const *d = s->depends_on; *d != NULL; d++)
			check_known(&r, s, "depends_on", *d);
		for (const char *const *d = s->calls; *d != NULL; d++)
			check_known(&r, s, "calls", *d);
	}
	check_twins(&r);
	conf_check_auth(conf, r.partial, f);
	check_routes(&r);
	check_cycles(&r);
}
