/* SPDX-License-Identifier: ISC */

#include "lib/param.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SHOWN_MAX 60 /* bytes of a bad value that a refusal repeats */

static const struct svc_choice booleans[] = {
	{ "true", 1 },
	{ "1", 1 },
	{ "t", 1 },
	{ "false", 0 },
	{ "0", 0 },
	{ "f", 0 },
	{ NULL, 0 },
};

static int *
slot(const struct svc_param *p, void *out)
{
	return (int *)(void *)((char *)out + p->offset);
}

static size_t
find(const struct svc_params *params, struct span name)
{
	size_t i;

	for (i = 0; i < params->len; i++) {
		const struct svc_param *p = &params->table[i];

		if (span_eq(span_of(p->name), name) ||
		    (p->alias != NULL && span_eq(span_of(p->alias), name)))
			break;
	}
	return i;
}

static int
shown(struct span s)
{
	return (int)(s.n < SHOWN_MAX ? s.n : SHOWN_MAX);
}

static int
parse_int(const struct svc_param *p, struct span value, int *out,
    struct svc_refusal *refusal)
{
	struct span digits = value;
	bool negative = digits.n > 1 && digits.p[0] == '-';
	uint64_t n;
	int r;

	if (negative)
		digits = (struct span){ digits.p + 1, digits.n - 1 };
	r = str_u64(digits, &n);
	if (r == -EINVAL)
		return svc_refuse_param(refusal, &svc_invalid_number, p->name,
		    "%s must be a whole number, not \"%.*s\"", p->name,
		    shown(value), value.p);
	if (r == 0 && n <= INT32_MAX) {
		*out = negative ? -(int)n : (int)n;
		if (*out >= p->min && *out <= p->max)
			return 0;
	}
	return svc_refuse_param(refusal, &svc_out_of_range, p->name,
	    "%s must be from %d to %d, not %.*s", p->name, p->min, p->max,
	    shown(value), value.p);
}

/* Digits, and at most three behind a point: -EINVAL, -ERANGE. */
static int
seconds(struct span value, int *out)
{
	struct span rest = value, whole, part = SPAN("");
	uint64_t s, ms = 0;
	int r;

	if (!span_next(&rest, '.', &whole))
		return -EINVAL;
	if (whole.n < value.n)
		part = rest;
	r = str_u64(whole, &s);
	if (r == 0 && whole.n < value.n)
		r = part.n > 3 ? -EINVAL : str_u64(part, &ms);
	for (size_t i = part.n; i < 3; i++)
		ms *= 10;
	if (r < 0)
		return r;
	if (s > (INT32_MAX - ms) / 1000)
		return -ERANGE;
	*out = (int)(s * 1000 + ms);
	return 0;
}

static int
parse_seconds(const struct svc_param *p, struct span value, int *out,
    struct svc_refusal *refusal)
{
	int r = seconds(value, out);

	if (r == -EINVAL)
		return svc_refuse_param(refusal, &svc_invalid_number, p->name,
		    "%s must be seconds, as 12.5, not \"%.*s\"", p->name,
		    shown(value), value.p);
	if (r == 0 && *out >= p->min && *out <= p->max)
		return 0;
	return svc_refuse_param(refusal, &svc_out_of_range, p->name,
	    "%s must be from %.15g to %.15g seconds, not %.*s", p->name,
	    p->min / 1e3, p->max / 1e3, shown(value), value.p);
}

static int
parse_choice(const struct svc_param *p, const struct svc_choice *choices,
    struct span value, int *out, struct svc_refusal *refusal)
{
	char known[160] = "";
	size_t n = 0;

	for (const struct svc_choice *c = choices; c->name != NULL; c++) {
		size_t len = strlen(c->name);

		if (span_eq(span_of(c->name), value)) {
			*out = c->value;
			return 0;
		}
		if (n + len + 3 < sizeof(known)) {
			memcpy(known + n, n > 0 ? ", " : "", n > 0 ? 2 : 0);
			n += n > 0 ? 2 : 0;
			memcpy(known + n, c->name, len + 1);
			n += len;
		}
	}
	return svc_refuse_param(refusal, &svc_unknown_value, p->name,
	    "%s does not know \"%.*s\"; known: %s", p->name, shown(value),
	    value.p, known);
}

static int
parse_value(const struct svc_param *p, struct span value, int *out,
    struct svc_refusal *refusal)
{
	switch (p->type) {
	case SVC_INT:
		return parse_int(p, value, out, refusal);
	case SVC_BOOL:
		return parse_choice(p, booleans, value, out, refusal);
	case SVC_SECONDS:
		return parse_seconds(p, value, out, refusal);
	case SVC_CHOICE:
		return parse_choice(p, p->choices, value, out, refusal);
	}
	return -EINVAL;
}

void
svc_params_default(const struct svc_params *params, void *out)
{
	for (size_t i = 0; i < params->len; i++)
		*slot(&params->table[i], out) = params->table[i].value;
}

int
svc_params_set(const struct svc_params *params, struct span name,
    struct span value, void *out, uint64_t *seen, struct svc_refusal *refusal)
{
	size_t i = find(params, name);
	const struct svc_param *p = &params->table[i];

	assert(params->len <= 64);
	if (i == params->len)
		return svc_refuse_param(refusal, &svc_unknown_parameter, "",
		    "there is no parameter \"%.*s\" here", shown(name), name.p);
	if ((*seen & UINT64_C(1) << i) != 0)
		return svc_refuse_param(refusal, &svc_repeated_parameter,
		    p->name, "%s was given twice", p->name);
	*seen |= UINT64_C(1) << i;
	return parse_value(p, value, slot(p, out), refusal);
}

const char *
svc_choice_name(const struct svc_choice *choices, int value)
{
	for (; choices->name != NULL; choices++)
		if (choices->value == value)
			return choices->name;
	return "";
}
