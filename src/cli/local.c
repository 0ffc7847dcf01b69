/* SPDX-License-Identifier: ISC */

/* The commands that need no daemon, and the one that is it. */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "conf/conf.h"

#define ERRORS_MAX (64 * 1024)
#define HELP_MAX (64 * 1024)

int
run_daemon(const struct invocation *in)
{
	return in->daemon->run(in->config, in->given & OPT_ATTACH);
}

/* --- check ---------------------------------------------------------------- */

static json_t *
lines_json(const char *text)
{
	struct span rest = span_of(text), line;
	json_t *list = json_array();

	while (list != NULL && span_next(&rest, '\n', &line))
		if (line.n > 0 &&
		    json_array_append_new(list, json_stringn(line.p, line.n)) <
			0)
			break;
	return list;
}

/* text: what is wrong, or without conf being NULL what may soon be. */
static json_t *
check_result(const char *file, const struct conf *conf, const char *text)
{
	return json_pack("{s:s, s:b, s:I, s:o, s:o}", "file", file, "ok",
	    conf != NULL, "services",
	    (json_int_t)(conf != NULL ? conf->nservices : 0), "errors",
	    lines_json(conf == NULL ? text : ""), "warnings",
	    lines_json(conf == NULL ? "" : text));
}

static int
check_print(
    const struct invocation *in, const struct conf *conf, const char *text)
{
	json_t *result;

	if (in->given & OPT_JSON) {
		result = check_result(in->config, conf, text);
		if (result == NULL)
			return print_failed("check");
		print_json(result);
		json_decref(result);
	} else if (conf != NULL) {
		fputs(text, stderr);
		printf("%s: good, %zu service%s\n", in->config, conf->nservices,
		    conf->nservices == 1 ? "" : "s");
	} else {
		fputs(text, stderr);
	}
	return conf != NULL ? CLI_OK : CLI_ERROR;
}

int
run_check(const struct invocation *in)
{
	struct buf errors;
	const struct conf *conf;
	int r;

	buf_init(&errors, ERRORS_MAX);
	conf = conf_load(in->config, &errors);
	if (conf != NULL && !conf_check_host(conf, &errors)) {
		conf_unref(conf);
		conf = NULL;
	}
	if (conf != NULL)
		conf_warn_host(conf, &errors);
	r = check_print(in, conf, buf_str(&errors));
	conf_unref(conf);
	buf_done(&errors);
	return r;
}

/* --- version and help ----------------------------------------------------- */

int
run_version(const struct invocation *in)
{
	if (in->given & OPT_JSON)
		printf("{\"name\": \"%s\", \"version\": \"%s\"}\n",
		    PACKAGE_NAME, PACKAGE_VERSION);
	else
		printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
	return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

static int
unknown_command(const char *name)
{
	const char *near = command_nearest(name);

	fprintf(stderr, "drover help: unknown command %s", name);
	if (near != NULL)
		fprintf(stderr, "; did you mean %s?", near);
	fputs("\n", stderr);
	return CLI_USAGE;
}

int
run_help(const struct invocation *in)
{
	const struct command *c = NULL;
	struct buf out;
	int r;

	if (in->nargs > 0) {
		c = command_find(in->args[0]);
		if (c == NULL)
			return unknown_command(in->args[0]);
	}
	buf_init(&out, HELP_MAX);
	r = c != NULL ? help_command(c, &out) : help_all(&out);
	r = r < 0 ? print_failed("help") : print_buf(&out);
	buf_done(&out);
	return r;
}
