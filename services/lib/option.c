/* SPDX-License-Identifier: ISC */

#include "lib/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const struct svc_option *
find(const struct svc_option *options, struct span name)
{
	if (options == NULL)
		return NULL;
	for (; options->name != NULL; options++)
		if (span_eq(span_of(options->name), name))
			return options;
	return NULL;
}

static int
parse_value(enum svc_option_type type, struct span text, uint64_t *value)
{
	switch (type) {
	case SVC_COUNT:
		return str_u64(text, value);
	case SVC_DURATION:
		return str_duration(text, value);
	case SVC_SIZE:
		return str_size(text, value);
	}
	return -EINVAL;
}

static void
show(char *out, size_t size, enum svc_option_type type, uint64_t v)
{
	static const struct {
		uint64_t factor;
		const char *unit;
	} units[] = { { 1 << 30, "GiB" }, { 1 << 20, "MiB" },
		{ 1 << 10, "KiB" }, { 1, "B" } };
	size_t i = 0;

	if (type == SVC_COUNT) {
		(void)snprintf(out, size, "%" PRIu64, v);
	} else if (type == SVC_DURATION) {
		bool whole = v % 1000 == 0;

		(void)snprintf(out, size, "%" PRIu64 "%s", whole ? v / 1000 : v,
		    whole ? "s" : "ms");
	} else {
		while (v % units[i].factor != 0 || (v == 0 && i < 3))
			i++;
		(void)snprintf(out, size, "%" PRIu64 "%s", v / units[i].factor,
		    units[i].unit);
	}
}

static int
set(const struct svc_option *o, struct span text, struct err *err)
{
	char min[24], max[24];
	uint64_t v;
	int r = parse_value(o->type, text, &v);

	if (r == 0 && v >= o->min && v <= o->max) {
		*o->value = v;
		return 0;
	}
	show(min, sizeof(min), o->type, o->min);
	show(max, sizeof(max), o->type, o->max);
	return err_set(err, -EINVAL, "--%s takes %s to %s, not \"%.*s\"",
	    o->name, min, max, (int)(text.n < 60 ? text.n : 60), text.p);
}

int
svc_options_parse(const struct svc_option *lib, const struct svc_option *own,
    int argc, char *const argv[], enum svc_option_act *act, struct err *err)
{
	*act = SVC_OPTION_RUN;
	for (int i = 1; i < argc; i++) {
		struct span value = span_of(argv[i]), name = { NULL, 0 };
		const struct svc_option *o;
		int r;

		(void)span_next(&value, '=', &name);
		if (span_eq(name, SPAN("--help")))
			*act = SVC_OPTION_HELP;
		else if (span_eq(name, SPAN("--version")))
			*act = SVC_OPTION_VERSION;
		if (*act != SVC_OPTION_RUN)
			return 0;
		if (!span_starts(name, SPAN("--")))
			return err_set(err, -EINVAL,
			    "unexpected \"%.60s\"; see --help", argv[i]);
		name = (struct span){ name.p + 2, name.n - 2 };
		o = find(lib, name);
		if (o == NULL)
			o = find(own, name);
		if (o == NULL)
			return err_set(err, -EINVAL,
			    "there is no option \"%.60s\"; see --help",
			    argv[i]);
		if (value.p == NULL && i + 1 >= argc)
			return err_set(
			    err, -EINVAL, "--%s needs a value", o->name);
		if (value.p == NULL)
			value = span_of(argv[++i]);
		r = set(o, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int
svc_options_help(struct buf *out, const struct svc_option *options)
{
	int r = 0;

	for (; r == 0 && options->name != NULL; options++) {
		char now[24], min[24], max[24];

		show(now, sizeof(now), options->type, *options->value);
		show(min, sizeof(min), options->type, options->min);
		show(max, sizeof(max), options->type, options->max);
		r = buf_printf(out, "  --%-16s %s (%s to %s; default %s)\n",
		    options->name, options->text, min, max, now);
	}
	return r;
}
