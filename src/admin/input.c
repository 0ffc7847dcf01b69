/* SPDX-License-Identifier: ISC */

#include "admin/input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"

#define VALUES_MAX 16 /* of one row */

const char *
input_type_name(enum api_type type)
{
	static const char *const names[] = {
		[API_STRING] = "string",
		[API_INTEGER] = "integer",
		[API_BOOLEAN] = "boolean",
		[API_SINCE] = "string",
	};

	return names[type];
}

static int
set_field(struct fault *fault, struct span name)
{
	size_t n = name.n < sizeof(fault->field) ? name.n
						 : sizeof(fault->field) - 1;

	if (n > 0)
		memcpy(fault->field, name.p, n);
	fault->field[n] = '\0';
	return -EINVAL;
}

static const struct api_value *
value_find(const struct api_value *want, struct span name)
{
	for (; want != NULL && want->name != NULL; want++)
		if (span_eq(span_of(want->name), name))
			return want;
	return NULL;
}

static int
unknown(const struct api_value *want, struct span name, struct fault *fault)
{
	const char *known[VALUES_MAX] = { NULL }, *near;
	size_t n = 0;

	set_field(fault, name);
	for (; want != NULL && want->name != NULL && n < VALUES_MAX; want++)
		known[n++] = want->name;
	near = near_name(fault->field, known, n);
	if (near != NULL)
		return err_set(&fault->err, -EINVAL,
		    "%s is not known here; did you mean %s?", fault->field,
		    near);
	if (n == 0)
		return err_set(&fault->err, -EINVAL,
		    "%s is not known here; nothing is", fault->field);
	return err_set(&fault->err, -EINVAL,
	    "%s is not known here; there is %s%s", fault->field, known[0],
	    n > 1 ? " and others, see /v1/openapi.json" : "");
}

static int
out_of_range(const struct api_value *v, struct fault *fault)
{
	set_field(fault, span_of(v->name));
	return err_set(&fault->err, -EINVAL,
	    "%s must be a whole number from %" PRId64 " to %" PRId64, v->name,
	    v->min, v->max);
}

static const char *
json_type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",
		[JSON_INTEGER] = "a whole number",
		[JSON_REAL] = "a fraction",
		[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",
		[JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

static bool
type_fits(enum api_type type, const json_t *value)
{
	switch (type) {
	case API_INTEGER:
		return json_is_integer(value);
	case API_BOOLEAN:
		return json_is_boolean(value);
	default:
		return json_is_string(value);
	}
}

static int
member_check(const struct api_value *want, const char *key, const json_t *value,
    struct fault *fault)
{
	const struct api_value *v = value_find(want, span_of(key));
	json_int_t n;

	if (v == NULL)
		return unknown(want, span_of(key), fault);
	if (!type_fits(v->type, value)) {
		set_field(fault, span_of(key));
		return err_set(&fault->err, -EINVAL,
		    "%s must be of type %s, not %s", key,
		    input_type_name(v->type), json_type_name(value));
	}
	n = json_integer_value(value);
	if (v->type == API_INTEGER && (n < v->min || n > v->max))
		return out_of_range(v, fault);
	return 0;
}

static int
members_check(const struct api_value *want, json_t *object, struct fault *fault)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		int r = member_check(want, key, value, fault);

		if (r < 0)
			return r;
	}
	for (; want != NULL && want->name != NULL; want++) {
		if (!want->required || json_object_get(object, want->name))
			continue;
		set_field(fault, span_of(want->name));
		return err_set(&fault->err, -EINVAL, "%s is missing: %s",
		    want->name, want->text);
	}
	return 0;
}

static json_t *
parse(struct span bytes, struct fault *fault)
{
	json_error_t e;
	json_t *value = json_loadb(
	    bytes.p, bytes.n, JSON_REJECT_DUPLICATES, &e);

	if (value == NULL)
		err_set(&fault->err, -EINVAL,
		    "the body is not JSON: line %d: %s", e.line, e.text);
	else if (!json_is_object(value))
		err_set(&fault->err, -EINVAL,
		    "the body must be a JSON object, not %s",
		    json_type_name(value));
	if (json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

int
input_body(const struct api_value *want, struct span bytes, json_t **body,
    struct fault *fault)
{
	json_t *value;
	int r;

	fault->field[0] = '\0';
	if (span_trim(bytes).n == 0)
		value = json_object();
	else
		value = parse(bytes, fault);
	if (value == NULL)
		return bytes.n == 0 ? -ENOMEM : -EINVAL;
	r = members_check(want, value, fault);
	if (r < 0)
		json_decref(value);
	else
		*body = value;
	return r;
}

static int
bad_param(const struct api_value *v, const char *must, struct fault *fault)
{
	set_field(fault, span_of(v->name));
	return err_set(&fault->err, -EINVAL, "%s must be %s", v->name, must);
}

int
input_param(const struct api_value *want, struct span name, struct span value,
    struct fault *fault)
{
	const struct api_value *v = value_find(want, name);
	uint64_t n;
	bool flag;

	if (v == NULL)
		return unknown(want, name, fault);
	switch (v->type) {
	case API_INTEGER:
		if (str_u64(value, &n) < 0 || n < (uint64_t)v->min ||
		    n > (uint64_t)v->max)
			return out_of_range(v, fault);
		return 0;
	case API_BOOLEAN:
		if (input_flag(value, &flag) < 0)
			return bad_param(v, "true or false", fault);
		return 0;
	case API_SINCE:
		if (input_since(value, 0, &n) < 0)
			return bad_param(v,
			    "a duration like 10m, or milliseconds since 1970",
			    fault);
		return 0;
	case API_STRING:
		if (value.n == 0)
			return bad_param(v, "a name", fault);
		return 0;
	}
	return -EINVAL;
}

int
input_flag(struct span value, bool *flag)
{
	*flag = value.n == 0 || span_eq(value, SPAN("true")) ||
	    span_eq(value, SPAN("1"));
	if (*flag || span_eq(value, SPAN("false")) || span_eq(value, SPAN("0")))
		return 0;
	return -EINVAL;
}

int
input_since(struct span value, uint64_t now_ms, uint64_t *ms)
{
	uint64_t ago;
	int r;

	if (str_u64(value, ms) == 0)
		return 0;
	r = str_duration(value, &ago);
	if (r < 0)
		return r;
	*ms = ago < now_ms ? now_ms - ago : 0;
	return 0;
}

/* Strong comparison, as RFC 9110 wants it for If-Match: W/ never matches. */
static int
tag_check(struct span tag, uint64_t generation, bool *match)
{
	bool weak = span_starts(tag, SPAN("W/"));
	uint64_t n;

	if (weak)
		tag = (struct span){ tag.p + 2, tag.n - 2 };
	if (tag.n < 2 || tag.p[0] != '"' || tag.p[tag.n - 1] != '"')
		return -EINVAL;
	tag = (struct span){ tag.p + 1, tag.n - 2 };
	if (!weak && str_u64(tag, &n) == 0 && n == generation)
		*match = true;
	return 0;
}

int
input_if_match(struct span value, uint64_t generation, bool *match)
{
	struct span part;

	value = span_trim(value);
	*match = value.n == 0 || span_eq(value, SPAN("*"));
	if (*match)
		return 0;
	while (span_next(&value, ',', &part)) {
		part = span_trim(part);
		if (part.n > 0 && tag_check(part, generation, match) < 0)
			return -EINVAL;
	}
	return 0;
}
