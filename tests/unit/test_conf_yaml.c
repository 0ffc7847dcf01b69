/* SPDX-License-Identifier: ISC */

/* What is YAML for drover, and what is not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/array.h"
#include "conf/yaml_tree.h"

struct reading {
	struct arena arena;
	struct buf errors;
	struct faults faults;
};

static struct node *
read_span(struct reading *r, struct span text)
{
	arena_init(&r->arena, 1024, 64 * 1024 * 1024);
	buf_init(&r->errors, 4096);
	r->faults = (struct faults){ .out = &r->errors };
	return yaml_tree(&r->arena, "f", text, &r->faults);
}

static void
reading_done(struct reading *r)
{
	arena_done(&r->arena);
	buf_done(&r->errors);
}

static void
refuses_span(struct span text, const char *want)
{
	struct reading r;

	assert_null(read_span(&r, text));
	assert_string_equal(buf_str(&r.errors), want);
	assert_int_equal(r.faults.n, 1);
	reading_done(&r);
}

static void
refuses(const char *text, const char *want)
{
	refuses_span(span_of(text), want);
}

static void
scalars_are_of_the_core_schema(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text;
		enum node_kind kind;
		int64_t number;
	} cases[] = {
		{ "", NODE_NULL, 0 },		{ "~", NODE_NULL, 0 },
		{ "null", NODE_NULL, 0 },	{ "Null", NODE_NULL, 0 },
		{ "NULL", NODE_NULL, 0 },	{ "nULL", NODE_STRING, 0 },
		{ "true", NODE_BOOL, 1 },	{ "True", NODE_BOOL, 1 },
		{ "TRUE", NODE_BOOL, 1 },	{ "false", NODE_BOOL, 0 },
		{ "False", NODE_BOOL, 0 },	{ "FALSE", NODE_BOOL, 0 },
		{ "yes", NODE_STRING, 0 },	{ "no", NODE_STRING, 0 },
		{ "on", NODE_STRING, 0 },	{ "off", NODE_STRING, 0 },
		{ "y", NODE_STRING, 0 },	{ "tRUE", NODE_STRING, 0 },
		{ "0", NODE_INT, 0 },		{ "-0", NODE_INT, 0 },
		{ "12", NODE_INT, 12 },		{ "+12", NODE_INT, 12 },
		{ "-12", NODE_INT, -12 },	{ "012", NODE_INT, 12 },
		{ "0o17", NODE_INT, 15 },	{ "0o18", NODE_STRING, 0 },
		{ "0x1F", NODE_INT, 31 },	{ "0xg", NODE_STRING, 0 },
		{ "0o", NODE_STRING, 0 },	{ "0x", NODE_STRING, 0 },
		{ "-0x1", NODE_STRING, 0 },	{ "0b1", NODE_STRING, 0 },
		{ "1_000", NODE_STRING, 0 },	{ "12:30:45", NODE_STRING, 0 },
		{ "9223372036854775807", NODE_INT, INT64_MAX },
		{ "-9223372036854775808", NODE_INT, INT64_MIN },
		{ "9223372036854775808", NODE_OTHER, 0 },
		{ "0x8000000000000000", NODE_OTHER, 0 },
		{ "1.5", NODE_OTHER, 0 },	{ "1.", NODE_OTHER, 0 },
		{ ".5", NODE_OTHER, 0 },	{ "1e3", NODE_OTHER, 0 },
		{ "1E+3", NODE_OTHER, 0 },	{ "1e", NODE_STRING, 0 },
		{ "1e+", NODE_STRING, 0 },	{ ".", NODE_STRING, 0 },
		{ ".inf", NODE_OTHER, 0 },	{ "-.INF", NODE_OTHER, 0 },
		{ ".nan", NODE_OTHER, 0 },	{ "1.2.3", NODE_STRING, 0 },
		{ "5s", NODE_STRING, 0 },	{ "-", NODE_STRING, 0 },
		{ "+", NODE_STRING, 0 },	{ "<<", NODE_STRING, 0 },
		{ "=", NODE_STRING, 0 },	{ "2001-01-01", NODE_STRING, 0 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct node n = { 0 };

		node_resolve(&n, cases[i].text);
		if (n.kind != cases[i].kind ||
		    (n.kind <= NODE_INT && n.number != cases[i].number))
			fail_msg("%s: kind %d, number %lld", cases[i].text,
			    (int)n.kind, (long long)n.number);
	}
}

static void
what_is_in_quotes_is_text(void **state)
{
	const struct node *n;
	struct reading r;

	(void)state;
	n = read_span(&r, span_of("a: \"1\"\nb: 'true'\nc: |\n  5\nd: \"\"\n"));
	assert_non_null(n);
	for (n = n->first; n != NULL; n = n->next)
		assert_int_equal(n->kind, NODE_STRING);
	reading_done(&r);
}

static void
every_node_knows_its_line(void **state)
{
	const struct node *root, *list;
	struct reading r;

	(void)state;
	root = read_span(
	    &r, span_of("# one\na: 1\nb:\n  - x\n  -\n    c:\n      2\n"));
	assert_non_null(root);
	assert_int_equal(node_get(root, "a")->line, 2);
	assert_int_equal(node_get(root, "b")->line, 3);
	list = node_get(root, "b");
	assert_int_equal(list->n, 2);
	assert_int_equal(list->first->line, 4);
	assert_int_equal(node_get(list->last, "c")->line, 6);
	assert_null(node_get(root, "x"));
	reading_done(&r);
}

static void
an_empty_text_is_an_empty_map(void **state)
{
	static const char *const texts[] = { "", "\n\n", "# nothing\n", "---\n",
		"---\n# nothing\n...\n", "\xef\xbb\xbf" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct reading r;
		const struct node *n = read_span(&r, span_of(texts[i]));

		assert_non_null(n);
		assert_int_equal(n->kind, NODE_MAP);
		assert_int_equal(n->n, 0);
		reading_done(&r);
	}
}

static void
what_surprises_is_refused_with_its_place(void **state)
{
	(void)state;
	refuses("a: 1\nb: 2\na: 3\n",
	    "f:3: a: found a key that stands in line 1 already; allowed "
	    "once\n");
	refuses("a: &x 1\n",
	    "f:1: yaml: found an anchor at column 4; allowed every value "
	    "written out\n");
	refuses("a: 1\nb: *x\n",
	    "f:2: yaml: found an alias at column 4; allowed every value "
	    "written out\n");
	refuses("a: &x [1]\n",
	    "f:1: yaml: found an anchor at column 4; allowed every value "
	    "written out\n");
	refuses("a: !!str 1\n",
	    "f:1: yaml: found a tag at column 4; allowed values without a "
	    "tag\n");
	refuses("a: !!map {}\n",
	    "f:1: yaml: found a tag at column 4; allowed values without a "
	    "tag\n");
	refuses("a: 1\n---\nb: 2\n",
	    "f:2: yaml: found a second document at column 1; allowed one in "
	    "a file\n");
	refuses("%YAML 1.1\n---\na: 1\n",
	    "f:1: yaml: found another version of YAML at column 1; allowed "
	    "1.2\n");
	refuses("? [a]\n: 1\n",
	    "f:1: yaml: found a list or mapping as a key at column 3; "
	    "allowed text\n");
	refuses("a: \"b\\0c\"\n",
	    "f:1: yaml: found a NUL in a string at column 4; allowed text "
	    "without one\n");
}

static void
syntax_errors_have_line_and_column(void **state)
{
	(void)state;
	refuses("a:\n\tb: 1\n",
	    "f:2: yaml: found a tab at column 1; allowed spaces to indent\n");
	refuses("a:\n  b: 1\n \tc: 2\n",
	    "f:3: yaml: found a tab at column 2; allowed spaces to indent\n");
	refuses("a: [1, 2\nb: 3\n",
	    "f:2: yaml: found no YAML at column 2: did not find expected "
	    "',' or ']'; allowed YAML 1.2\n");
	refuses("a: 1\nb: \xff\n",
	    "f:2: yaml: found no YAML at column 4: invalid leading UTF-8 "
	    "octet; allowed YAML 1.2\n");
	refuses("\xc3\xa4: \"\xc3(\"\n",
	    "f:1: yaml: found no YAML at column 6: invalid trailing UTF-8 "
	    "octet; allowed YAML 1.2\n");
	refuses("a: \x01\n",
	    "f:1: yaml: found no YAML at column 4: control characters are "
	    "not allowed; allowed YAML 1.2\n");
	refuses_span(SPAN("a: 1\n\0b: 2\n"),
	    "f:2: yaml: found no YAML at column 1: control characters are "
	    "not allowed; allowed YAML 1.2\n");
	refuses("a: 'b\n",
	    "f:2: yaml: found no YAML at column 1: found unexpected end of "
	    "stream; allowed YAML 1.2\n");
	refuses("a\n  b: 1\n",
	    "f:2: yaml: found no YAML at column 4: mapping values are not "
	    "allowed in this context; allowed YAML 1.2\n");
}

/* before, n times the text (or n numbered keys), after. */
static char *
repeated(const char *before, const char *text, size_t n, const char *after)
{
	struct buf b;
	char *copy;
	int r;

	buf_init(&b, 16 * 1024 * 1024);
	r = buf_puts(&b, before);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = text != NULL ? buf_puts(&b, text)
				 : buf_printf(&b, "k%zu: 0\n", i);
	if (r == 0)
		r = buf_puts(&b, after);
	assert_int_equal(r, 0);
	copy = strdup(buf_str(&b));
	buf_done(&b);
	assert_non_null(copy);
	return copy;
}

static void
accepts(char *yaml)
{
	struct reading r;

	assert_non_null(read_span(&r, span_of(yaml)));
	reading_done(&r);
	free(yaml);
}

static void
refuses_and_frees(char *yaml, const char *want)
{
	refuses(yaml, want);
	free(yaml);
}

static void
nesting_has_a_ceiling(void **state)
{
	(void)state;
	accepts(repeated("a: ", "[", 31, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"));
	refuses_and_frees(repeated("a: ", "[", 32, ""),
	    "f:1: yaml: found a level too many at column 35; allowed 32\n");
	refuses_and_frees(repeated("a: ", "[", 500000, ""),
	    "f:1: yaml: found a level too many at column 35; allowed 32\n");
	refuses_and_frees(repeated("", "{a: ", 33, ""),
	    "f:1: yaml: found a level too many at column 129; allowed 32\n");
}

static void
keys_and_values_have_a_ceiling(void **state)
{
	(void)state;
	accepts(repeated("", NULL, 1024, ""));
	refuses_and_frees(repeated("", NULL, 1025, ""),
	    "f:1025: yaml: found a key too many at column 1; allowed 1024 in "
	    "a mapping\n");
	accepts(repeated("a: [", "0, ", 19998, "]"));
	refuses_and_frees(repeated("a: [", "0, ", 19999, "]"),
	    "f:1: yaml: found a value too many at column 59999; allowed 20000 "
	    "in a file\n");
}

static void
memory_has_a_ceiling(void **state)
{
	char *yaml = repeated("a: [", "0, ", 10000, "]");
	struct faults faults = { 0 };
	struct arena arena;
	struct buf errors;

	(void)state;
	buf_init(&errors, 4096);
	faults.out = &errors;
	arena_init(&arena, 1024, 64 * 1024);
	assert_null(yaml_tree(&arena, "f", span_of(yaml), &faults));
	assert_string_equal(buf_str(&errors),
	    "f: memory: found none left; allowed what loading a "
	    "configuration takes\n");
	assert_true(faults.nomem);
	arena_done(&arena);
	buf_done(&errors);
	free(yaml);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_of_the_core_schema),
		cmocka_unit_test(what_is_in_quotes_is_text),
		cmocka_unit_test(every_node_knows_its_line),
		cmocka_unit_test(an_empty_text_is_an_empty_map),
		cmocka_unit_test(what_surprises_is_refused_with_its_place),
		cmocka_unit_test(syntax_errors_have_line_and_column),
		cmocka_unit_test(nesting_has_a_ceiling),
		cmocka_unit_test(keys_and_values_have_a_ceiling),
		cmocka_unit_test(memory_has_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
