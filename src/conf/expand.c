/* SPDX-License-Identifier: ISC */

#include "conf/expand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct variable {
	const char *name;
	size_t offset;
};

static const struct variable variables[] = {
	{ "PORT", offsetof(struct expand, port) },
	{ "SOCKET", offsetof(struct expand, socket) },
	{ "INSTANCE", offsetof(struct expand, instance) },
	{ "NODE", offsetof(struct expand, node) },
};

static const char *
value_of(const struct expand *values, struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		const struct variable *v = &variables[i];

		if (span_eq(name, span_of(v->name)))
			return *(const char *const *)(const void
				*)((const char *)values + v->offset);
	}
	return NULL;
}

static int
refuse(const struct expand *values, struct span name, struct err *err)
{
	char known[64];
	size_t n = 0;

	known[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		struct span s = span_of(variables[i].name);

		if (value_of(values, s) == NULL)
			continue;
		n += (size_t)snprintf(
		    known + n, sizeof(known) - n, "${%s}, ", variables[i].name);
	}
	return err_set(err, -EINVAL, "found ${%.*s}; allowed %s$$ for a dollar",
	    (int)(name.n > 40 ? 40 : name.n), name.p, known);
}

/* text begins at "${"; *end is set after the closing brace. */
static int
expand_one(const struct expand *values, const char *text, const char **end,
    struct buf *out, struct err *err)
{
	const char *close = strchr(text, '}');
	struct span name;
	const char *value;

	if (close == NULL)
		return err_set(err, -EINVAL,
		    "found ${ without its }; allowed $${ for a literal one");
	name = (struct span){ text + 2, (size_t)(close - text) - 2 };
	value = value_of(values, name);
	if (value == NULL)
		return refuse(values, name, err);
	*end = close + 1;
	return buf_puts(out, value);
}

static int
expand_all(const struct expand *values, const char *text, struct buf *out,
    struct err *err)
{
	int r = 0;

	while (*text != '\0' && r == 0) {
		size_t n = strcspn(text, "$");

		if (n == 0 && text[1] == '{') {
			r = expand_one(values, text, &text, out, err);
			continue;
		}
		if (n == 0) {
			r = buf_append(out, "$", 1);
			n = text[1] == '$' ? 2 : 1;
		} else
			r = buf_append(out, text, n);
		text += n;
	}
	return r;
}

int
expand(const struct expand *values, const char *text, struct buf *out,
    struct err *err)
{
	size_t before = out->len;
	int r = expand_all(values, text, out, err);

	if (r < 0 && out->data != NULL) {
		out->len = before;
		out->data[before] = '\0';
	}
	if (r < 0 && r != -EINVAL)
		return err_errno(err, r, "expanding \"%.40s\"", text);
	return r;
}
