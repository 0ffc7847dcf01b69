/* SPDX-License-Identifier: ISC */

#include "model/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* A rule in the table; those of one host and path are chained in order. */
struct node {
	struct route_rule rule;
	struct node *next;
};

struct paths {
	struct map exact;
	struct map prefix;
	size_t longest; /* of the prefixes, bytes */
};

struct route_table {
	struct node *nodes;
	struct paths any;
	struct map hosts; /* struct paths by name */
	struct map wild;  /* by ".suffix" */
};

static void
paths_init(struct paths *p)
{
	map_init(&p->exact);
	map_init(&p->prefix);
	p->longest = 0;
}

static void
paths_done(struct paths *p)
{
	map_done(&p->exact);
	map_done(&p->prefix);
}

static void
free_hosts(struct map *hosts)
{
	struct paths *p;
	size_t at = 0;

	while ((p = map_next(hosts, &at, NULL)) != NULL) {
		paths_done(p);
		free(p);
	}
	map_done(hosts);
}

void
route_table_free(struct route_table *t)
{
	if (t == NULL)
		return;
	free_hosts(&t->hosts);
	free_hosts(&t->wild);
	paths_done(&t->any);
	free(t->nodes);
	free(t);
}

/* --- building ------------------------------------------------------------- */

static struct paths *
host_paths(struct route_table *t, struct span host)
{
	bool wild = span_starts(host, SPAN("*."));
	struct map *m = wild ? &t->wild : &t->hosts;
	struct paths *p;

	if (host.n == 0)
		return &t->any;
	if (wild)
		host = (struct span){ host.p + 1, host.n - 1 };
	p = map_get(m, host);
	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	paths_init(p);
	if (map_put(m, host, p) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

static int
add_rule(struct route_table *t, struct node *node)
{
	const struct route_rule *r = &node->rule;
	struct paths *p = host_paths(t, r->host);
	struct map *m;
	struct node *first;

	if (p == NULL)
		return -1;
	m = r->exact ? &p->exact : &p->prefix;
	if (!r->exact && r->path.n > p->longest)
		p->longest = r->path.n;
	first = map_get(m, r->path);
	if (first == NULL)
		return map_put(m, r->path, node);
	while (first->next != NULL)
		first = first->next;
	first->next = node;
	return 0;
}

struct route_table *
route_table_new(const struct route_rule *rules, size_t n)
{
	struct route_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	map_init(&t->hosts);
	map_init(&t->wild);
	paths_init(&t->any);
	t->nodes = calloc(n + 1, sizeof(*t->nodes));
	if (t->nodes == NULL)
		goto fail;
	for (size_t i = 0; i < n; i++) {
		t->nodes[i].rule = rules[i];
		if (add_rule(t, &t->nodes[i]) < 0)
			goto fail;
	}
	return t;
fail:
	route_table_free(t);
	return NULL;
}

/* --- asking --------------------------------------------------------------- */

/* The first that names the method, else the first for any. */
static bool
among(const struct node *node, const struct route_query *q,
    struct route_answer *a)
{
	const struct route_rule *any = NULL;
	unsigned allowed = 0;

	for (; node != NULL; node = node->next) {
		const struct route_rule *r = &node->rule;

		if (r->internal && !q->internal)
			continue;
		if (r->methods & q->method) {
			a->rule = r;
			return true;
		}
		if (r->methods == 0 && any == NULL)
			any = r;
		allowed |= r->methods;
	}
	a->rule = any;
	if (a->allowed == 0)
		a->allowed = allowed;
	return any != NULL;
}

static bool
try_prefix(const struct paths *p, struct span path, const struct route_query *q,
    struct route_answer *a)
{
	const struct node *node;

	if (path.n == 0 || path.n > p->longest)
		return false;
	node = map_get(&p->prefix, path);
	return node != NULL && among(node, q, a);
}

/* The whole path, then for each '/' from the right: up to it, and before it. */
static bool
find_path(
    const struct paths *p, const struct route_query *q, struct route_answer *a)
{
	struct span path = q->path;
	const struct node *node = NULL;
	size_t n;

	if (p->exact.len > 0)
		node = map_get(&p->exact, path);
	if (node != NULL && among(node, q, a))
		return true;
	if (p->prefix.len == 0)
		return false;
	if (try_prefix(p, path, q, a))
		return true;
	n = path.n;
	if (n > p->longest + 1)
		n = p->longest + 1;
	for (; n > 0; n--) {
		if (path.p[n - 1] != '/')
			continue;
		if (n < path.n &&
		    try_prefix(p, (struct span){ path.p, n }, q, a))
			return true;
		if (try_prefix(p, (struct span){ path.p, n - 1 }, q, a))
			return true;
	}
	return false;
}

static bool
find_host(const struct route_table *t, struct span host,
    const struct route_query *q, struct route_answer *a)
{
	const struct paths *p = map_get(&t->hosts, host);

	if (p != NULL && find_path(p, q, a))
		return true;
	for (size_t i = 1; i + 1 < host.n; i++) {
		struct span suffix = { host.p + i, host.n - i };

		if (host.p[i] != '.')
			continue;
		p = map_get(&t->wild, suffix);
		if (p != NULL && find_path(p, q, a))
			return true;
	}
	return false;
}

static struct span
lower(char *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return (struct span){ out, s.n };
}

void
route_find(const struct route_table *t, const struct route_query *q,
    struct route_answer *a)
{
	char name[ROUTE_HOST_MAX];
	bool special = t->hosts.len + t->wild.len > 0;

	*a = (struct route_answer){ 0 };
	if (special && q->host.n > 0 && q->host.n <= sizeof(name) &&
	    find_host(t, lower(name, q->host), q, a))
		return;
	find_path(&t->any, q, a);
}
