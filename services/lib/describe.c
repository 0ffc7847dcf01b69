/* SPDX-License-Identifier: ISC */

#include "config.h"

#include "lib/describe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"

/* What any route with work may answer besides its own. */
static const struct svc_problem *const common[] = {
	&svc_bad_request,
	&svc_unknown_parameter,
	&svc_repeated_parameter,
	&svc_invalid_number,
	&svc_unknown_value,
	&svc_out_of_range,
	&svc_body_too_large,
	&svc_internal,
	&svc_queue_full,
	&svc_queue_timeout,
	&svc_memory_full,
	&svc_timeout,
	NULL,
};

/* --- OpenAPI -------------------------------------------------------------- */

/* Steals value, which may be NULL; false out of memory. */
static bool
put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) == 0;
}

static json_t *
choice_schema(const struct svc_param *p)
{
	json_t *names = json_array();

	for (const struct svc_choice *c = p->choices; c->name != NULL; c++)
		if (json_array_append_new(names, json_string(c->name)) < 0) {
			json_decref(names);
			return NULL;
		}
	return json_pack("{s:s, s:o}", "type", "string", "enum", names);
}

static json_t *
param_schema(const struct svc_param *p)
{
	switch (p->type) {
	case SVC_INT:
		return json_pack("{s:s, s:i, s:i}", "type", "integer",
		    "minimum", p->min, "maximum", p->max);
	case SVC_SECONDS:
		return json_pack("{s:s, s:f, s:f}", "type", "number", "minimum",
		    p->min / 1e3, "maximum", p->max / 1e3);
	case SVC_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case SVC_CHOICE:
		return choice_schema(p);
	}
	return NULL;
}

static json_t *
param_default(const struct svc_param *p)
{
	switch (p->type) {
	case SVC_INT:
		return json_integer(p->value);
	case SVC_SECONDS:
		return json_real(p->value / 1e3);
	case SVC_BOOL:
		return json_boolean(p->value);
	case SVC_CHOICE:
		return json_string(svc_choice_name(p->choices, p->value));
	}
	return NULL;
}

static json_t *
schema(const struct svc_param *p)
{
	json_t *o = param_schema(p);

	if (o == NULL || p->absent != NULL ||
	    put(o, "default", param_default(p)))
		return o;
	json_decref(o);
	return NULL;
}

static json_t *
parameter(const struct svc_param *p)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s", p->text,
	    p->unit != NULL ? " Unit: " : "", p->unit != NULL ? p->unit : "",
	    p->unit != NULL ? "." : "",
	    p->absent != NULL ? " When absent: " : "",
	    p->absent != NULL ? p->absent : "", p->absent != NULL ? "." : "");
	return json_pack("{s:s, s:s, s:s, s:o}", "name", p->name, "in", "query",
	    "description", text, "schema", schema(p));
}

static json_t *
parameters(const struct svc_route *route)
{
	json_t *a = json_array();

	for (size_t i = 0; route->params != NULL && i < route->params->len; i++)
		if (json_array_append_new(
			a, parameter(&route->params->table[i])) < 0) {
			json_decref(a);
			return NULL;
		}
	return a;
}

/* All refusals of one status share an entry: OpenAPI knows only statuses. */
static bool
add_refusal(json_t *responses, const struct svc_problem *p)
{
	char status[8], text[600];
	json_t *known, *o;

	(void)snprintf(status, sizeof(status), "%u", p->status);
	known = json_object_get(responses, status);
	if (known == NULL)
		(void)snprintf(
		    text, sizeof(text), "/errors/%s: %s", p->type, p->title);
	else
		(void)snprintf(text, sizeof(text), "%s; /errors/%s: %s",
		    json_string_value(json_object_get(known, "description")),
		    p->type, p->title);
	o = json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", text, "content",
	    "application/problem+json", "schema", "type", "object");
	return put(responses, status, o);
}

static json_t *
responses(const struct svc_route *route)
{
	json_t *o = json_pack("{s:{s:s, s:{s:{s:{s:s}}}}}", "200",
	    "description", route->summary, "content", route->answers, "schema",
	    "type",
	    strcmp(route->answers, "application/json") == 0 ? "object"
							    : "string");
	bool ok = o != NULL;

	for (size_t i = 0; ok && common[i] != NULL; i++)
		ok = add_refusal(o, common[i]);
	for (size_t i = 0;
	     ok && route->problems != NULL && route->problems[i] != NULL; i++)
		ok = add_refusal(o, route->problems[i]);
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *
operation(const struct svc_route *route)
{
	json_t *o = json_pack("{s:s, s:s, s:o, s:o}", "summary", route->summary,
	    "description", route->text != NULL ? route->text : "", "parameters",
	    parameters(route), "responses", responses(route));
	json_t *body;

	if (o == NULL || route->takes == NULL)
		return o;
	body = json_pack("{s:b, s:s, s:{s:{s:{s:s, s:s}}}}", "required", 1,
	    "description", route->takes, "content", "application/octet-stream",
	    "schema", "type", "string", "format", "binary");
	if (put(o, "requestBody", body))
		return o;
	json_decref(o);
	return NULL;
}

static bool
add_route(json_t *paths, const struct svc_route *route)
{
	char method[8];
	size_t i;
	json_t *path = json_object_get(paths, route->path);

	for (i = 0; route->method[i] != '\0' && i < sizeof(method) - 1; i++)
		method[i] = (char)(route->method[i] | 0x20);
	method[i] = '\0';
	if (path == NULL) {
		if (!put(paths, route->path, json_object()))
			return false;
		path = json_object_get(paths, route->path);
	}
	return put(path, method, operation(route));
}

int
svc_describe_openapi(struct buf *out, const struct svc_service *service)
{
	json_t *paths = json_object();
	bool ok = paths != NULL;

	for (size_t i = 0; ok && i < service->nroutes; i++)
		ok = add_route(paths, &service->routes[i]);
	if (!ok) {
		json_decref(paths);
		return -ENOMEM;
	}
	return svc_json_write(out,
	    json_pack("{s:s, s:{s:s, s:s, s:s}, s:[{s:s}], s:o}", "openapi",
		"3.0.3", "info", "title", service->title, "description",
		service->text, "version", PACKAGE_VERSION, "servers", "url",
		"./", "paths", paths));
}

/* --- the page ------------------------------------------------------------- */

struct page {
	struct buf *out;
	int r;
};

#define PUT(page, ...)                                                    \
	do {                                                              \
		if ((page)->r == 0)                                       \
			(page)->r = buf_printf((page)->out, __VA_ARGS__); \
	} while (0)

static void
put_text(struct page *page, const char *s)
{
	for (; *s != '\0' && page->r == 0; s++) {
		if (*s == '<')
			page->r = buf_puts(page->out, "&lt;");
		else if (*s == '&')
			page->r = buf_puts(page->out, "&amp;");
		else if (*s == '"')
			page->r = buf_puts(page->out, "&quot;");
		else
			page->r = buf_append(page->out, s, 1);
	}
}

static void
put_values(struct page *page, const struct svc_param *p)
{
	if (p->type == SVC_INT)
		PUT(page, "%d to %d%s%s", p->min, p->max,
		    p->unit != NULL ? " " : "", p->unit != NULL ? p->unit : "");
	else if (p->type == SVC_SECONDS)
		PUT(page, "%.15g to %.15g s", p->min / 1e3, p->max / 1e3);
	else if (p->type == SVC_BOOL)
		PUT(page, "true, false");
	else
		for (const struct svc_choice *c = p->choices; c->name != NULL;
		     c++) {
			PUT(page, "%s", c == p->choices ? "" : ", ");
			put_text(page, c->name);
		}
}

static void
put_default(struct page *page, const struct svc_param *p)
{
	if (p->absent != NULL)
		put_text(page, p->absent);
	else if (p->type == SVC_INT)
		PUT(page, "%d", p->value);
	else if (p->type == SVC_SECONDS)
		PUT(page, "%.15g", p->value / 1e3);
	else if (p->type == SVC_BOOL)
		PUT(page, "%s", p->value ? "true" : "false");
	else
		put_text(page, svc_choice_name(p->choices, p->value));
}

static void
put_params(struct page *page, const struct svc_params *params)
{
	if (params == NULL)
		return;
	PUT(page,
	    "<table><thead><tr><th>Parameter<th>Values<th>Default"
	    "<th>Meaning<tbody>\n");
	for (size_t i = 0; i < params->len; i++) {
		const struct svc_param *p = &params->table[i];

		PUT(page, "<tr><td><code>%s</code>", p->name);
		if (p->alias != NULL)
			PUT(page, " (<code>%s</code>)", p->alias);
		PUT(page, "<td>");
		put_values(page, p);
		PUT(page, "<td>");
		put_default(page, p);
		PUT(page, "<td>");
		put_text(page, p->text);
		PUT(page, "\n");
	}
	PUT(page, "</table>\n");
}

static void
put_route(struct page *page, const struct svc_route *route, const char *base)
{
	const char *at = route->example != NULL ? strstr(route->example, "%s")
						: NULL;

	PUT(page, "<h2><code>%s %s</code></h2>\n<p>", route->method,
	    route->path + 1);
	put_text(page, route->summary);
	PUT(page, ". ");
	put_text(page, route->text != NULL ? route->text : "");
	PUT(page, "</p>\n");
	if (at != NULL) {
		PUT(page, "<pre>curl ");
		PUT(page, "%.*s", (int)(at - route->example), route->example);
		put_text(page, base);
		put_text(page, at + 2);
		PUT(page, "</pre>\n");
	}
	put_params(page, route->params);
}

static void
put_problem(struct page *page, const struct svc_problem *p)
{
	PUT(page, "<tr><td>%u<td><code>/errors/%s</code><td>", p->status,
	    p->type);
	put_text(page, p->title);
	PUT(page, "\n");
}

static bool
lists(const struct svc_route *route, const struct svc_problem *p)
{
	for (size_t i = 0;
	     route->problems != NULL && route->problems[i] != NULL; i++)
		if (route->problems[i] == p)
			return true;
	return false;
}

/* Route i's own refusals that no route before it has listed. */
static void
put_problems(struct page *page, const struct svc_service *service, size_t i)
{
	const struct svc_problem *const *p = service->routes[i].problems;

	for (; p != NULL && *p != NULL; p++) {
		size_t before = 0;

		while (before < i && !lists(&service->routes[before], *p))
			before++;
		if (before == i)
			put_problem(page, *p);
	}
}

int
svc_describe_page(
    struct buf *out, const struct svc_service *service, const char *base)
{
	struct page page = { out, 0 };

	PUT(&page,
	    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width\">\n"
	    "<title>%s</title>\n<style>:root{color-scheme:light dark}"
	    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;"
	    "margin:2rem auto;padding:0 1rem}td,th{text-align:left;"
	    "vertical-align:top;padding:.2rem 1rem .2rem 0}"
	    "pre{overflow-x:auto}</style>\n<h1>%s</h1>\n<p>",
	    service->title, service->title);
	put_text(&page, service->text);
	PUT(&page, "</p>\n");
	for (size_t i = 0; i < service->nroutes; i++)
		put_route(&page, &service->routes[i], base);
	PUT(&page,
	    "<h2>Refusals</h2>\n<p>JSON as of RFC 9457; <code>type"
	    "</code> says which.</p>\n<table><tbody>\n");
	for (size_t i = 0; i < service->nroutes; i++)
		put_problems(&page, service, i);
	for (size_t i = 0; common[i] != NULL; i++)
		put_problem(&page, common[i]);
	PUT(&page,
	    "</table>\n<p><a href=\"openapi.json\">openapi.json</a> "
	    "<a href=\"metrics\">metrics</a> "
	    "<a href=\"healthz\">healthz</a></p>\n</html>\n");
	return page.r;
}

/* --- where we are reached ------------------------------------------------- */

static bool
is_plain(struct span s, const char *also, size_t max)
{
	if (s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr(also, c) == NULL))
			return false;
	}
	return true;
}

void
svc_describe_base(char out[static SVC_BASE_MAX], struct span proto,
    struct span host, struct span prefix)
{
	bool https = span_eq_nocase(proto, SPAN("https"));

	while (prefix.n > 0 && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	if (prefix.n > 0 && prefix.p[0] != '/')
		prefix.n = 0;
	if (host.n == 0 || !is_plain(host, ".-:[]", 200) ||
	    !is_plain(prefix, "/._~-", 150)) {
		host = SPAN("HOST");
		prefix.n = 0;
	}
	(void)snprintf(out, SVC_BASE_MAX, "http%s://%.*s%.*s/",
	    https ? "s" : "", (int)host.n, host.p, (int)prefix.n, prefix.p);
}
