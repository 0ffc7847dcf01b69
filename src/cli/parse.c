/* SPDX-License-Identifier: ISC */

/* The command line's words, made an invocation. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "base/str.h"
#include "cli/command.h"
#include "conf/conf.h"

#define NAMES_MAX 32
#define TIMEOUT_MS 60000
#define LINES 100
#define LINES_MAX 10000

struct words { /* what is left of argv */
	char **argv;
	int argc, at;
	int kept; /* argv[1..kept]: words that are no options */
};

const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < ncommands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

const char *
command_nearest(const char *name)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (; n < ncommands && n < NAMES_MAX; n++)
		names[n] = commands[n].name;
	return near_name(name, names, n);
}

static const struct option_row *
option_by_name(struct span name)
{
	for (size_t i = 0; i < noptions; i++)
		if (span_eq(span_of(options[i].name), name))
			return &options[i];
	return NULL;
}

static const struct option_row *
option_by_letter(char letter)
{
	for (size_t i = 0; i < noptions; i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

static int
unknown_option(struct span name, struct err *err)
{
	const char *names[NAMES_MAX], *near;
	char text[64];
	size_t n = 0;

	if (str_copy(text, sizeof(text), name) < 0)
		return err_set(err, -EINVAL, "unknown option");
	for (; n < noptions && n < NAMES_MAX; n++)
		names[n] = options[n].name;
	near = near_name(text, names, n);
	if (near == NULL)
		return err_set(err, -EINVAL, "unknown option --%s", text);
	return err_set(err, -EINVAL, "unknown option --%s; did you mean --%s?",
	    text, near);
}

static int
bad_value(const struct option_row *o, const char *value, const char *must,
    struct err *err)
{
	return err_set(
	    err, -EINVAL, "--%s %s: must be %s", o->name, value, must);
}

static int
set_number(const struct option_row *o, const char *value, uint64_t least,
    uint64_t most, uint64_t *out, struct err *err)
{
	if (str_u64(span_of(value), out) == 0 && *out >= least && *out <= most)
		return 0;
	return bad_value(o, value, "a whole number in range", err);
}

static int
set_value(struct invocation *in, const struct option_row *o, const char *value,
    struct err *err)
{
	uint64_t n = 0;
	int r = 0;

	switch (o->bit) {
	case OPT_SOCKET:
		in->socket = value;
		break;
	case OPT_CONFIG:
		in->config = value;
		break;
	case OPT_SINCE:
		in->since = value;
		if (str_duration(span_of(value), &n) < 0)
			r = bad_value(o, value, "a duration like 10m", err);
		break;
	case OPT_TIMEOUT:
		if (str_duration(span_of(value), &in->timeout_ms) < 0)
			r = bad_value(o, value, "a duration like 30s", err);
		break;
	case OPT_LINES:
		r = set_number(o, value, 0, LINES_MAX, &n, err);
		in->lines = (unsigned)n;
		break;
	case OPT_CANARY:
		r = set_number(o, value, 1, CONF_REPLICAS_MAX, &n, err);
		in->canary = (unsigned)n;
		break;
	case OPT_GENERATION:
		r = set_number(o, value, 0, INT64_MAX, &in->generation, err);
		break;
	default:
		break;
	}
	return r;
}

/* inline_ is what stood behind '=' or the letter; NULL: nothing did. */
static int
take_option(struct words *w, struct invocation *in, const struct option_row *o,
    const char *inline_, struct err *err)
{
	in->given |= o->bit;
	if (o->value == NULL)
		return inline_ == NULL
		    ? 0
		    : err_set(err, -EINVAL, "--%s takes no value", o->name);
	if (inline_ == NULL && w->at < w->argc)
		inline_ = w->argv[w->at++];
	if (inline_ == NULL || inline_[0] == '\0')
		return err_set(
		    err, -EINVAL, "--%s needs a %s", o->name, o->value);
	return set_value(in, o, inline_, err);
}

static int
take_long(
    struct words *w, struct invocation *in, const char *word, struct err *err)
{
	const char *equals = strchr(word, '=');
	struct span name = span_of(word);
	const struct option_row *o;

	if (equals != NULL)
		name.n = (size_t)(equals - word);
	o = option_by_name(name);
	if (o == NULL)
		return unknown_option(name, err);
	return take_option(w, in, o, equals != NULL ? equals + 1 : NULL, err);
}

/* -f, -fn5, -n 5 */
static int
take_letters(
    struct words *w, struct invocation *in, const char *word, struct err *err)
{
	for (; *word != '\0'; word++) {
		const struct option_row *o = option_by_letter(*word);
		const char *rest = NULL;
		int r;

		if (o == NULL)
			return err_set(
			    err, -EINVAL, "unknown option -%c", *word);
		if (o->value != NULL && word[1] != '\0')
			rest = word + 1;
		r = take_option(w, in, o, rest, err);
		if (r < 0 || o->value != NULL)
			return r;
	}
	return 0;
}

static int
take_word(struct words *w, struct invocation *in, struct err *err)
{
	char *word = w->argv[w->at++];

	if (word[0] == '-' && word[1] == '-')
		return take_long(w, in, word + 2, err);
	if (word[0] == '-' && word[1] != '\0')
		return take_letters(w, in, word + 1, err);
	w->argv[++w->kept] = word;
	if (w->kept == 1)
		in->command = command_find(word);
	return 0;
}

static int
take_all(struct words *w, struct invocation *in, struct err *err)
{
	int r = 0;

	while (r == 0 && w->at < w->argc) {
		if (strcmp(w->argv[w->at], "--") != 0) {
			r = take_word(w, in, err);
			continue;
		}
		for (w->at++; w->at < w->argc; w->at++)
			w->argv[++w->kept] = w->argv[w->at];
	}
	return r;
}

static int
check_command(const char *name, struct err *err)
{
	const char *near = command_nearest(name);

	if (near == NULL)
		return err_set(err, -EINVAL, "unknown command %s", name);
	return err_set(
	    err, -EINVAL, "unknown command %s; did you mean %s?", name, near);
}

static int
check_fit(const struct invocation *in, struct err *err)
{
	const struct command *c = in->command;

	for (size_t i = 0; i < noptions; i++)
		if (in->given & options[i].bit & ~c->options)
			return err_set(err, -EINVAL, "%s has no option --%s",
			    c->name, options[i].name);
	if (in->given & OPT_HELP)
		return 0;
	if (in->nargs < c->min)
		return err_set(
		    err, -EINVAL, "%s: %s is missing", c->name, c->args);
	if (in->nargs > c->max)
		return err_set(err, -EINVAL, "%s: %s is too much", c->name,
		    in->args[c->max]);
	for (size_t i = 0; i < in->nargs; i++)
		if (in->args[i][0] == '\0')
			return err_set(
			    err, -EINVAL, "%s: %s is empty", c->name, c->args);
	return 0;
}

int
command_parse(int argc, char **argv, struct invocation *in, struct err *err)
{
	struct words w = { argv, argc, 1, 0 };
	int r;

	*in = (struct invocation){
		.config = CLI_CONFIG,
		.timeout_ms = TIMEOUT_MS,
		.lines = LINES,
	};
	r = take_all(&w, in, err);
	if (w.kept > 1) {
		in->args = argv + 2;
		in->nargs = (size_t)w.kept - 1;
	}
	if (r < 0 || w.kept == 0)
		return r;
	if (in->command == NULL)
		return check_command(argv[1], err);
	return check_fit(in, err);
}

void
command_usage(char *out, size_t size, const struct command *command)
{
	const char *args = command->args;

	snprintf(out, size, "drover %s [options]%s%s", command->name,
	    args[0] != '\0' ? " " : "", args);
}
