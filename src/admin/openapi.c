/* SPDX-License-Identifier: ISC */

#include <config.h>

#include "admin/openapi.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "admin/api.h"
#include "admin/input.h"
#include "base/str.h"

/*
 * jansson's _new functions take NULL and report it, so that a failed allocation
 * anywhere below ends up in one flag instead of a check at each step.
 */
struct doc {
	bool failed;
};

static void
put(struct doc *d, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		d->failed = true;
}

static void
push(struct doc *d, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		d->failed = true;
}

static json_t *
schema_of(struct doc *d, const struct api_value *v)
{
	json_t *o = json_object();

	put(d, o, "type", json_string(input_type_name(v->type)));
	put(d, o, "description", json_string(v->text));
	if (v->type == API_INTEGER) {
		put(d, o, "minimum", json_integer(v->min));
		put(d, o, "maximum", json_integer(v->max));
	}
	return o;
}

static json_t *
parameter(struct doc *d, const char *in, const char *name, bool required,
    json_t *schema)
{
	json_t *o = json_object();

	put(d, o, "name", json_string(name));
	put(d, o, "in", json_string(in));
	put(d, o, "required", json_boolean(required));
	put(d, o, "schema", schema);
	return o;
}

static void
push_path_param(struct doc *d, json_t *list, struct span name)
{
	char text[32];

	if (str_copy(text, sizeof(text), name) == 0)
		push(d, list,
		    parameter(d, "path", text, true,
			json_pack("{s:s}", "type", "string")));
}

static json_t *
parameters(struct doc *d, const struct api_route *r)
{
	json_t *list = json_array();
	const char *p = r->path, *end;

	while ((p = strchr(p, '{')) != NULL && (end = strchr(p, '}')) != NULL) {
		push_path_param(
		    d, list, (struct span){ p + 1, (size_t)(end - p - 1) });
		p = end;
	}
	for (const struct api_value *v = r->params; v && v->name; v++)
		push(d, list,
		    parameter(
			d, "query", v->name, v->required, schema_of(d, v)));
	if (r->change)
		push(d, list,
		    parameter(d, "header", "If-Match", false,
			json_pack("{s:s}", "type", "string")));
	return list;
}

static json_t *
body_schema(struct doc *d, const struct api_value *want)
{
	json_t *o = json_object(), *members = json_object();
	json_t *required = json_array();

	for (; want->name != NULL; want++) {
		put(d, members, want->name, schema_of(d, want));
		if (want->required)
			push(d, required, json_string(want->name));
	}
	put(d, o, "type", json_string("object"));
	put(d, o, "properties", members);
	put(d, o, "required", required);
	put(d, o, "additionalProperties", json_false());
	return o;
}

static json_t *
content(struct doc *d, const char *type, json_t *schema)
{
	json_t *o = json_object(), *media = json_object();
	struct span rest = span_of(type), bare;
	char text[64];

	/* The key is a media type; parameters of it stay out. */
	if (!span_next(&rest, ';', &bare) ||
	    str_copy(text, sizeof(text), bare) < 0)
		d->failed = true;
	put(d, media, "schema", schema);
	put(d, o, text, media);
	return o;
}

static json_t *
response(struct doc *d, const char *text, const char *type, json_t *schema)
{
	json_t *o = json_object();

	put(d, o, "description", json_string(text));
	put(d, o, "content", content(d, type, schema));
	return o;
}

static json_t *
problem_ref(void)
{
	return json_pack("{s:s}", "$ref", "#/components/schemas/problem");
}

static json_t *
responses(struct doc *d, const struct api_route *r)
{
	json_t *o = json_object();
	bool json = strcmp(r->type, "application/json") == 0;
	char status[16];

	snprintf(status, sizeof(status), "%u", r->status);
	put(d, o, status,
	    response(d, r->answer, r->type,
		json ? json_object() : json_pack("{s:s}", "type", "string")));
	put(d, o, "default",
	    response(d, "What went wrong (RFC 9457).",
		"application/problem+json", problem_ref()));
	return o;
}

/* A name for generated clients: "postServicesScale". */
static void
operation_id(char *out, size_t size, const struct api_route *r)
{
	struct span rest = span_of(r->path), part;
	size_t n = 0;

	for (const char *p = r->method; *p != '\0' && n + 1 < size; p++)
		out[n++] = (char)(*p + ('a' - 'A'));
	while (span_next(&rest, '/', &part)) {
		bool upper = true;

		if (span_eq(part, SPAN("v1")))
			continue;
		for (size_t i = 0; i < part.n && n + 1 < size; i++) {
			char c = part.p[i];

			if (c == '{' || c == '}' || c == '.') {
				upper = true;
				continue;
			}
			out[n++] = upper ? (char)(c - ('a' - 'A')) : c;
			upper = false;
		}
	}
	out[n] = '\0';
}

static json_t *
operation(struct doc *d, const struct api_route *r)
{
	json_t *o = json_object();
	char id[128];

	operation_id(id, sizeof(id), r);
	put(d, o, "operationId", json_string(id));
	put(d, o, "summary", json_string(r->text));
	put(d, o, "x-role", json_string(role_name(r->role)));
	put(d, o, "parameters", parameters(d, r));
	if (r->body != NULL)
		put(d, o, "requestBody",
		    json_pack("{s:b, s:o}", "required", 1, "content",
			content(
			    d, "application/json", body_schema(d, r->body))));
	put(d, o, "responses", responses(d, r));
	return o;
}

static json_t *
paths(struct doc *d)
{
	json_t *all = json_object();

	for (size_t i = 0; i < api_nroutes; i++) {
		const struct api_route *r = &api_routes[i];
		json_t *path = json_object_get(all, r->path);
		char method[16] = "";

		for (size_t c = 0; r->method[c] != '\0' && c < 15; c++)
			method[c] = (char)(r->method[c] + ('a' - 'A'));
		if (path == NULL) {
			path = json_object();
			put(d, all, r->path, path);
		}
		put(d, path, method, operation(d, r));
	}
	return all;
}

static json_t *
problem_schema(void)
{
	return json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s},"
			 " s:{s:s}}, s:[s, s, s]}",
	    "type", "object", "properties", "type", "type", "string", "title",
	    "type", "string", "status", "type", "integer", "detail", "type",
	    "string", "field", "type", "string", "required", "type", "title",
	    "status");
}

json_t *
openapi_json(void)
{
	struct doc d = { false };
	json_t *o = json_object();

	put(&d, o, "openapi", json_string("3.1.0"));
	put(&d, o, "info",
	    json_pack("{s:s, s:s, s:s}", "title", "drover admin API", "version",
		PACKAGE_VERSION, "description",
		"Served on the admin Unix socket. The role of a caller comes "
		"from its user and groups; x-role is what a route needs."));
	put(&d, o, "paths", paths(&d));
	put(&d, o, "components",
	    json_pack("{s:{s:o}}", "schemas", "problem", problem_schema()));
	if (!d.failed)
		return o;
	json_decref(o);
	return NULL;
}
