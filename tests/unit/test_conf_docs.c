/* SPDX-License-Identifier: ISC */

/* What people read about the configuration is what the schema says. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "conf/conf.h"
#include "conf/manual.h"
#include "conf/schema.h"

static void
read_text(const char *path, struct buf *text)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", SRCDIR, path);
	buf_init(text, 1024 * 1024);
	if (fd_read_file(full, text) != 0)
		fail_msg("%s cannot be read", full);
}

static void
the_example_is_a_good_configuration(void **state)
{
	const struct conf *c;
	struct buf errors;

	(void)state;
	buf_init(&errors, 64 * 1024);
	c = conf_load(SRCDIR "/conf/drover.yaml", &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(c);
	assert_int_equal(c->nservices, 4);
	assert_non_null(conf_service(c, "image"));
	assert_non_null(conf_service(c, "video"));
	conf_unref(c);
	buf_done(&errors);
}

static bool
is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/*
 * A line of the example as a key: its indent, and the text before the colon.
 * Comments that hold a key begin with "#" and no space but the indent.
 */
static bool
key_of_line(struct span line, size_t *indent, struct span *key)
{
	size_t i = 0;

	if (line.n > 0 && *line.p == '#') {
		line.p++;
		line.n--;
	}
	while (i < line.n && line.p[i] == ' ')
		i++;
	if (i % 2 != 0)
		return false; /* prose */
	if (i + 1 < line.n && line.p[i] == '-') {
		i += 2;
		*indent = i; /* an element's first key */
	}
	*indent = i;
	*key = (struct span){ line.p + i, 0 };
	while (i < line.n && is_key_char(line.p[i])) {
		key->n++;
		i++;
	}
	return key->n > 0 && i < line.n && line.p[i] == ':';
}

/* Whether the key stands in the text below its group, live or commented. */
static bool
stands_in(struct span text, const char *path)
{
	struct span rest = span_of(path), part, line, key;
	size_t want = 0, indent;

	if (!span_next(&rest, '.', &part))
		return false;
	while (span_next(&text, '\n', &line)) {
		bool list = part.n > 2 && part.p[part.n - 1] == ']';
		struct span name = { part.p, part.n - (list ? 2 : 0) };

		if (!key_of_line(line, &indent, &key) || indent != want ||
		    !span_eq(key, name))
			continue;
		if (!span_next(&rest, '.', &part))
			return true;
		want += list ? 4 : 2;
	}
	return false;
}

static void
every_key_stands_in(const char *file, const struct schema *table)
{
	struct buf text;

	read_text(file, &text);
	for (; table->path != NULL; table++)
		if (!stands_in(buf_span(&text), table->path))
			fail_msg("%s does not show %s", file, table->path);
	assert_false(stands_in(buf_span(&text), "no_such_key"));
	assert_false(stands_in(buf_span(&text), "env.command"));
	buf_done(&text);
}

static void
the_example_shows_every_key(void **state)
{
	(void)state;
	every_key_stands_in("conf/drover.yaml", schema_root);
	every_key_stands_in("conf/services.d/image.yaml", schema_service);
}

static void
every_table_is_sound(void **state)
{
	static const struct schema *const tables[] = { schema_root,
		schema_service };

	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct schema *row = tables[t]; row->path != NULL;
		     row++) {
			bool group = row->type == SCHEMA_GROUP ||
			    row->type == SCHEMA_CHECK;
			size_t n = strlen(row->text);

			assert_int_equal(schema_find(tables[t], row->path),
			    (size_t)(row - tables[t]));
			assert_int_equal(row->text[n - 1], '.');
			/* A default, a stand-in, or it is required. */
			if (!group)
				assert_int_equal((row->preset != NULL) +
					(row->derived != NULL) + row->required,
				    1);
		}
}

static void
the_page_in_doc_is_what_the_table_says(void **state)
{
	struct buf page, made;

	(void)state;
	buf_init(&made, 1024 * 1024);
	assert_int_equal(conf_manual_markdown(&made), 0);
	read_text("doc/configuration.md", &page);
	assert_string_equal(buf_str(&page), buf_str(&made));
	buf_done(&page);
	buf_done(&made);
}

static void
the_manual_names_every_key(void **state)
{
	static const struct schema *const tables[] = { schema_root,
		schema_service };
	struct buf made;
	char item[96];

	(void)state;
	buf_init(&made, 1024 * 1024);
	assert_int_equal(conf_manual_mdoc(&made), 0);
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; tables[t][i].path != NULL; i++) {
			snprintf(item, sizeof(item), "\n.It Ic %s\n",
			    tables[t][i].path);
			assert_non_null(strstr(buf_str(&made), item));
		}
	buf_done(&made);
}

/* Give text to a program's standard input: its exit code, or -1. */
static int
feed(const char *program, const char *arg, const struct buf *text)
{
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[0], 0);
		close(ends[0]);
		close(ends[1]);
		execlp(program, program, arg, (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	(void)!fd_write_all(ends[1], text->data, text->len);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
the_manual_is_good_mdoc(void **state)
{
	struct buf made;
	int code;

	(void)state;
	buf_init(&made, 1024 * 1024);
	assert_int_equal(conf_manual_mdoc(&made), 0);
	/*
	 * mandoc is no part of a build: where it is, it has the last word. It
	 * looks for pages that are referred to on the host, hence the cut.
	 */
	made.len = (size_t)(strstr(made.data, ".Sh SEE ALSO") - made.data);
	made.data[made.len] = '\0';
	code = feed("mandoc", "-Tlint", &made);
	assert_true(code == 0 || code == 127);
	for (const char *line = buf_str(&made); *line != '\0';) {
		size_t n = strcspn(line, "\n");

		assert_true(n > 0 && n <= 80 && line[n - 1] != ' ');
		line += n + (line[n] == '\n');
	}
	buf_done(&made);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_a_good_configuration),
		cmocka_unit_test(the_example_shows_every_key),
		cmocka_unit_test(every_table_is_sound),
		cmocka_unit_test(the_page_in_doc_is_what_the_table_says),
		cmocka_unit_test(the_manual_names_every_key),
		cmocka_unit_test(the_manual_is_good_mdoc),
	};

	signal(SIGPIPE, SIG_IGN); /* mandoc may not be there to read */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
