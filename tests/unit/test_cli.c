/* SPDX-License-Identifier: ISC */

/* The command line without a daemon: words, help, scripts. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/help.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/show.h"

#define WORDS_MAX 16

/* --- words ---------------------------------------------------------------- */

static char *argv_[WORDS_MAX];

/* Parse a command line of words with one space between; text is scratch. */
static int
parse(char *text, struct invocation *in, struct err *err)
{
	int argc = 0;

	for (char *p = text; p != NULL && argc < WORDS_MAX - 1;) {
		argv_[argc++] = p;
		p = strchr(p, ' ');
		if (p != NULL)
			*p++ = '\0';
	}
	argv_[argc] = NULL;
	return command_parse(argc, argv_, in, err);
}

static void
a_command_is_found_with_its_words(void **state)
{
	char text[] = "drover scale image=3";
	struct invocation in;

	(void)state;
	assert_int_equal(parse(text, &in, NULL), 0);
	assert_string_equal(in.command->name, "scale");
	assert_int_equal(in.nargs, 1);
	assert_string_equal(in.args[0], "image=3");
	assert_int_equal(in.given, 0);
}

static void
options_stand_before_and_behind_the_command(void **state)
{
	char text[] = "drover --socket /s --json logs -fn5 image --since=10m";
	struct invocation in;

	(void)state;
	assert_int_equal(parse(text, &in, NULL), 0);
	assert_string_equal(in.command->name, "logs");
	assert_string_equal(in.socket, "/s");
	assert_string_equal(in.since, "10m");
	assert_int_equal(in.lines, 5);
	assert_int_equal(in.given,
	    OPT_SOCKET | OPT_JSON | OPT_FOLLOW | OPT_LINES | OPT_SINCE);
	assert_string_equal(in.args[0], "image");
}

static void
two_dashes_end_the_options(void **state)
{
	char text[] = "drover status -- --json";
	struct invocation in;

	(void)state;
	assert_int_equal(parse(text, &in, NULL), 0);
	assert_int_equal(in.given, 0);
	assert_string_equal(in.args[0], "--json");
}

static void
nothing_at_all_is_no_command(void **state)
{
	char text[] = "drover";
	struct invocation in;

	(void)state;
	assert_int_equal(parse(text, &in, NULL), 0);
	assert_null(in.command);
}

static void
wrong_words_are_named(void **state)
{
	static const struct {
		const char *line;
		const char *text;
	} cases[] = {
		{ "drover statsu",
		    "unknown command statsu; did you mean "
		    "status?" },
		{ "drover xyzzy", "unknown command xyzzy" },
		{ "drover status --jsno",
		    "unknown option --jsno; did you "
		    "mean --json?" },
		{ "drover status -x", "unknown option -x" },
		{ "drover status --wait", "status has no option --wait" },
		{ "drover status a b", "status: b is too much" },
		{ "drover scale", "scale: service=N|auto is missing" },
		{ "drover stop a --timeout", "--timeout needs a DURATION" },
		{ "drover stop a --timeout=", "--timeout needs a DURATION" },
		{ "drover stop a --timeout 5",
		    "--timeout 5: must be a "
		    "duration like 30s" },
		{ "drover logs a --since x",
		    "--since x: must be a duration "
		    "like 10m" },
		{ "drover logs a -n -1",
		    "--lines -1: must be a whole number "
		    "in range" },
		{ "drover logs a -n 10001",
		    "--lines 10001: must be a whole "
		    "number in range" },
		{ "drover status --json=1", "--json takes no value" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[128];
		struct invocation in;
		struct err err = { "" };

		snprintf(text, sizeof(text), "%s", cases[i].line);
		assert_int_equal(parse(text, &in, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].text);
	}
}

static void
each_row_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ncommands; i++) {
		const struct command *c = &commands[i];

		assert_non_null(c->run);
		assert_non_null(c->args);
		assert_true(c->brief[0] >= 'a' && c->brief[0] <= 'z');
		assert_true(c->text[strlen(c->text) - 1] == '.');
		assert_true(c->options & OPT_HELP);
		assert_true(c->min <= c->max);
		assert_int_equal(c->max == 0, c->args[0] == '\0');
		assert_ptr_equal(command_find(c->name), c);
		if (c->role != NULL && strcmp(c->role, "admin") == 0)
			assert_int_equal(c->options & OPTS_CHANGE, OPTS_CHANGE);
	}
}

/* --- what main() does ----------------------------------------------------- */

static char ran_with[64];

static int
fake_run(const char *config, bool attach)
{
	(void)attach;
	snprintf(ran_with, sizeof(ran_with), "%s", config);
	return 7;
}

static const struct cli_daemon fake_daemon = { fake_run };

/* cli_main() with stdout and stderr in out (both; at most 64 KiB). */
static int
run_main(const char *line, char *out, size_t size)
{
	char text[256], *words[WORDS_MAX];
	FILE *file = tmpfile();
	int argc = 0, r, saved1 = dup(1), saved2 = dup(2);
	size_t n;

	assert_non_null(file);
	snprintf(text, sizeof(text), "%s", line);
	for (char *p = text; p != NULL && argc < WORDS_MAX - 1;) {
		words[argc++] = p;
		p = strchr(p, ' ');
		if (p != NULL)
			*p++ = '\0';
	}
	words[argc] = NULL;
	fflush(NULL);
	dup2(fileno(file), 1);
	dup2(fileno(file), 2);
	r = cli_main(argc, words, &fake_daemon);
	fflush(NULL);
	dup2(saved1, 1);
	dup2(saved2, 2);
	close(saved1);
	close(saved2);
	rewind(file);
	n = fread(out, 1, size - 1, file);
	out[n] = '\0';
	fclose(file);
	return r;
}

static char page[65536];

static void
drover_alone_says_what_there_is_and_exits_2(void **state)
{
	(void)state;
	assert_int_equal(run_main("drover", page, sizeof(page)), CLI_USAGE);
	for (size_t i = 0; i < ncommands; i++)
		assert_non_null(strstr(page, commands[i].brief));
}

static void
wrong_usage_exits_2_and_names_the_near(void **state)
{
	(void)state;
	assert_int_equal(
	    run_main("drover relaod", page, sizeof(page)), CLI_USAGE);
	assert_non_null(strstr(page, "did you mean reload?"));
	assert_int_equal(
	    run_main("drover help relaod", page, sizeof(page)), CLI_USAGE);
	assert_non_null(strstr(page, "did you mean reload?"));
	assert_int_equal(
	    run_main("drover completion bsah", page, sizeof(page)), CLI_USAGE);
	assert_non_null(strstr(page, "did you mean bash?"));
	assert_int_equal(
	    run_main("drover scale image", page, sizeof(page)), CLI_USAGE);
	assert_int_equal(
	    run_main("drover scale image=x", page, sizeof(page)), CLI_USAGE);
	assert_int_equal(
	    run_main("drover scale =2", page, sizeof(page)), CLI_USAGE);
}

static void
an_empty_name_is_no_name(void **state)
{
	char drover[] = "drover", stop[] = "stop", empty[] = "";
	char *argv[] = { drover, stop, empty, NULL };
	struct invocation in;
	struct err err;

	(void)state;
	assert_int_equal(command_parse(3, argv, &in, &err), -EINVAL);
	assert_string_equal(err.text, "stop: service|instance is empty");
}

static void
help_says_how_each_is_used(void **state)
{
	(void)state;
	for (size_t i = 0; i < ncommands; i++) {
		char line[64], usage[128];

		snprintf(
		    line, sizeof(line), "drover %s --help", commands[i].name);
		assert_int_equal(run_main(line, page, sizeof(page)), CLI_OK);
		command_usage(usage, sizeof(usage), &commands[i]);
		assert_non_null(strstr(page, usage));
	}
	assert_int_equal(
	    run_main("drover help scale", page, sizeof(page)), CLI_OK);
	assert_non_null(strstr(page, "drover scale [options] service=N"));
	assert_non_null(strstr(page, "--timeout DURATION"));
}

static void
run_gives_the_daemon_its_file(void **state)
{
	(void)state;
	assert_int_equal(run_main("drover run -c /x/y", page, sizeof(page)), 7);
	assert_string_equal(ran_with, "/x/y");
	assert_int_equal(run_main("drover run", page, sizeof(page)), 7);
	assert_string_equal(ran_with, CLI_CONFIG);
}

static void
version_is_text_or_json(void **state)
{
	json_t *value;

	(void)state;
	assert_int_equal(
	    run_main("drover version", page, sizeof(page)), CLI_OK);
	assert_int_equal(strncmp(page, "drover ", 7), 0);
	assert_int_equal(
	    run_main("drover version --json", page, sizeof(page)), CLI_OK);
	value = json_loads(page, 0, NULL);
	assert_string_equal(json_text(value, "name"), "drover");
	json_decref(value);
}

static void
no_daemon_is_exit_5_and_how_to_start_it(void **state)
{
	static const char *const lines[] = {
		"status",
		"status image",
		"start image",
		"stop image.0",
		"restart image",
		"scale image=1",
		"logs image",
		"logs -f image",
		"events",
		"events -f",
		"top",
		"plan",
		"reload",
		"reload --wait",
		"reload --canary 1 --retry",
		"rollout status",
		"rollout undo image",
		"nodes",
		"explain id",
		"shutdown",
		"upgrade",
		"upgrade /bin/true --wait",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char line[128];

		snprintf(line, sizeof(line), "drover --socket /nowhere/s %s",
		    lines[i]);
		assert_int_equal(
		    run_main(line, page, sizeof(page)), CLI_UNREACHABLE);
		assert_non_null(
		    strstr(page, "no daemon answers on /nowhere/s"));
		assert_non_null(strstr(page, "drover run"));
	}
}

static void
a_socket_path_that_cannot_be_is_an_error(void **state)
{
	char line[256] = "drover status --socket /";

	(void)state;
	memset(line + strlen(line), 'x', 200);
	assert_int_equal(run_main(line, page, sizeof(page)), CLI_ERROR);
	assert_non_null(strstr(page, "too long"));
}

static void
check_names_what_is_wrong(void **state)
{
	char path[] = "/tmp/test_cli.XXXXXX", line[128];
	int fd = mkstemp(path);
	json_t *value;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "workres: 2\n", 11), 11);
	close(fd);
	snprintf(line, sizeof(line), "drover check -c %s", path);
	assert_int_equal(run_main(line, page, sizeof(page)), CLI_ERROR);
	assert_non_null(strstr(page, "workres"));
	snprintf(line, sizeof(line), "drover check --json -c %s", path);
	assert_int_equal(run_main(line, page, sizeof(page)), CLI_ERROR);
	value = json_loads(page, 0, NULL);
	assert_false(json_is_true(json_object_get(value, "ok")));
	assert_true(json_array_size(json_object_get(value, "errors")) > 0);
	json_decref(value);
	unlink(path);
}

/* --- scripts -------------------------------------------------------------- */

/* Whether program takes the text on its stdin; 127: there is no such one. */
static int
feed(const char *program, const char *option, const char *text)
{
	char path[] = "/tmp/test_cli.XXXXXX.1";
	int fd = mkstemps(path, 2), status;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	pid = fork();
	if (pid == 0) {
		execlp(program, program, option, path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
scripts_offer_all_commands_and_parse(void **state)
{
	static const struct {
		const char *shell;
		bool always; /* bash is there: the build needs it */
	} shells[] = { { "bash", true }, { "zsh", false }, { "fish", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		char line[64];
		int r;

		snprintf(line, sizeof(line), "drover completion %s",
		    shells[i].shell);
		assert_int_equal(run_main(line, page, sizeof(page)), CLI_OK);
		for (size_t c = 0; c < ncommands; c++)
			assert_non_null(strstr(page, commands[c].name));
		r = feed(shells[i].shell, "-n", page);
		assert_true(r == 0 || (r == 127 && !shells[i].always));
	}
}

static void
bash_completes_a_command(void **state)
{
	char script[sizeof(page) + 512];

	(void)state;
	assert_int_equal(
	    run_main("drover completion bash", page, sizeof(page)), CLI_OK);
	snprintf(script, sizeof(script),
	    "%s\nCOMP_WORDS=(drover rel) COMP_CWORD=1\n_drover\n"
	    "[ \"${COMPREPLY[*]}\" = reload ] || exit 1\n"
	    "COMP_WORDS=(drover reload --w) COMP_CWORD=2\n_drover\n"
	    "[ \"${COMPREPLY[*]}\" = --wait ] || exit 2\n"
	    "COMP_WORDS=(drover completion z) COMP_CWORD=2\n_drover\n"
	    "[ \"${COMPREPLY[*]}\" = zsh ] || exit 3\n",
	    page);
	assert_int_equal(feed("bash", "--norc", script), 0);
}

static void
the_manual_names_every_command_and_option(void **state)
{
	struct buf out;
	int r;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_int_equal(help_manual(&out), 0);
	for (size_t i = 0; i < ncommands; i++) {
		char tag[64];

		snprintf(tag, sizeof(tag), ".It Cm %s", commands[i].name);
		assert_non_null(strstr(buf_str(&out), tag));
	}
	for (size_t i = 0; i < noptions; i++)
		assert_non_null(strstr(buf_str(&out), options[i].name));
	/* mandoc is no part of a build: where it is, it has the last word. */
	r = feed("mandoc", "-Tlint", buf_str(&out));
	assert_true(r == 0 || r == 127);
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_found_with_its_words),
		cmocka_unit_test(options_stand_before_and_behind_the_command),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(nothing_at_all_is_no_command),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(each_row_is_whole),
		cmocka_unit_test(drover_alone_says_what_there_is_and_exits_2),
		cmocka_unit_test(wrong_usage_exits_2_and_names_the_near),
		cmocka_unit_test(an_empty_name_is_no_name),
		cmocka_unit_test(help_says_how_each_is_used),
		cmocka_unit_test(run_gives_the_daemon_its_file),
		cmocka_unit_test(version_is_text_or_json),
		cmocka_unit_test(no_daemon_is_exit_5_and_how_to_start_it),
		cmocka_unit_test(a_socket_path_that_cannot_be_is_an_error),
		cmocka_unit_test(check_names_what_is_wrong),
		cmocka_unit_test(scripts_offer_all_commands_and_parse),
		cmocka_unit_test(bash_completes_a_command),
		cmocka_unit_test(the_manual_names_every_command_and_option),
	};

	unsetenv("DROVER_ADMIN");
	signal(SIGPIPE, SIG_IGN); /* mandoc may not be there to read */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
