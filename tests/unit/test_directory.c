/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/buf.h"
#include "cluster/directory.h"
#include "cluster/view.h"

#define ENTRY(node, inc, state)                                            \
	"{\"node\":\"" node "\",\"incarnation\":\"" inc                    \
	"\",\"address\":\"unix:/x\",\"state\":\"" state "\",\"weight\":7," \
	"\"token\":0}"

static struct directory d;

static int
setup(void **state)
{
	(void)state;
	directory_init(&d);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	directory_done(&d);
	return 0;
}

/*
 * A reply from words: "(" and ")" enclose an array, "#5" is an integer, "~"
 * nil, all else a string. The buffer gets Redis's bytes.
 */
static const char *const *
put(struct buf *b, const char *const *word)
{
	const char *const *from = word + 1;
	int n = 0, r;

	if (strcmp(*word, "(") != 0) {
		r = **word == '#' ? buf_printf(b, ":%s\r\n", *word + 1)
		    : **word == '~'
		    ? buf_puts(b, "$-1\r\n")
		    : buf_printf(b, "$%zu\r\n%s\r\n", strlen(*word), *word);
		assert_int_equal(r, 0);
		return word + 1;
	}
	for (int depth = 1; depth > 0; from++) {
		bool opens = strcmp(*from, "(") == 0;
		bool closes = strcmp(*from, ")") == 0;

		n += depth == 1 && !closes;
		depth += opens - closes;
	}
	assert_int_equal(buf_printf(b, "*%d\r\n", n), 0);
	for (word++; strcmp(*word, ")") != 0;)
		word = put(b, word);
	return word + 1;
}

static struct redis_reader *
make_reply(const char *const *words, const struct redis_reply **reply)
{
	struct redis_reader *reader = redis_reader_new(1 << 20);
	struct buf b;

	buf_init(&b, 1 << 20);
	put(&b, words);
	assert_non_null(reader);
	assert_int_equal(redis_reader_feed(reader, b.data, b.len), 0);
	assert_int_equal(redis_reader_next(reader, reply), 1);
	buf_done(&b);
	return reader;
}

static int
read_words(const char *const *words, uint64_t now)
{
	const struct redis_reply *reply;
	struct redis_reader *reader = make_reply(words, &reply);
	int r = directory_read(&d, reply, now);

	redis_reader_free(reader);
	return r;
}

#define READ(now, ...) read_words((const char *const[]){ __VA_ARGS__ }, now)
#define NODE(name, ttl, inc) "(", name, ttl, inc, "10.0.0.1:7", "1", ")"
#define GONE(name) "(", name, "#-2", "~", "~", "~", ")"

static int
read_usual(void)
{
	return READ(1000, "(", "1", "birth", "7", "(", NODE("a", "#9000", "ia"),
	    NODE("b", "#5000", "ib"), GONE("c"), ")", "(", "(", "web", "(",
	    "web.0", ENTRY("a", "ia", "ready"), "web.1",
	    ENTRY("b", "old", "ready"), ")", ")", "(", "img", "(", "img.0",
	    ENTRY("b", "ib", "unready"), "img.1", ENTRY("c", "ic", "ready"),
	    ")", ")", ")", ")");
}

static void
a_reply_becomes_nodes_and_entries(void **state)
{
	(void)state;
	assert_int_equal(read_usual(), 1);
	assert_string_equal(d.birth, "birth");
	assert_int_equal(d.epoch, 7);
	assert_int_equal(d.nnodes, 3);
	assert_int_equal(d.nentries, 4);
	assert_int_equal(d.strange, 0);
	assert_string_equal(d.nodes[0].address, "10.0.0.1:7");
	assert_null(d.nodes[2].incarnation);
	assert_string_equal(d.entries[2].service, "img");
	assert_string_equal(d.entries[2].id, "img.0");
	assert_string_equal(d.entries[2].state, "unready");
	assert_string_equal(d.entries[2].address, "unix:/x");
	assert_int_equal(d.entries[2].weight, 7);
	assert_true(
	    span_eq(d.entries[0].value, span_of(ENTRY("a", "ia", "ready"))));
}

static void
an_entry_counts_while_lease_and_incarnation_stand(void **state)
{
	(void)state;
	assert_int_equal(read_usual(), 1);
	assert_true(directory_live(&d, &d.entries[0], 1000));
	assert_true(directory_live(&d, &d.entries[0], 9999));
	assert_false(directory_live(&d, &d.entries[0], 10000));
	assert_false(directory_live(&d, &d.entries[1], 1000)); /* another's */
	assert_true(directory_live(&d, &d.entries[2], 5999));
	assert_false(directory_live(&d, &d.entries[2], 6000));
	assert_false(directory_live(&d, &d.entries[3], 1000)); /* no lease */
	assert_int_equal(directory_lease(&d, &d.nodes[0], 4000), 6000);
	assert_int_equal(directory_lease(&d, &d.nodes[0], 40000), 0);
	assert_int_equal(directory_lease(&d, &d.nodes[2], 1000), 0);
	assert_null(directory_node(&d, "z"));
}

static void
without_data_only_leases_are_new(void **state)
{
	(void)state;
	assert_int_equal(read_usual(), 1);
	assert_int_equal(READ(3000, "(", "1", "birth", "7", "(",
			     NODE("a", "#12000", "ia"), ")", ")"),
	    0);
	assert_int_equal(d.nnodes, 1);
	assert_int_equal(d.nentries, 4);
	assert_true(directory_live(&d, &d.entries[0], 14000));
	assert_false(directory_live(&d, &d.entries[2], 3000));
}

static void
strange_entries_are_left_out(void **state)
{
	static const char *const strange[] = { "", "x", "[]", "{}",
		"{\"node\":1}", ENTRY("", "i", "ready"),
		ENTRY("a", "i", "ready") "x",
		"{\"node\":\"a\",\"incarnation\":\"i\",\"state\":\"s\","
		"\"weight\":-1,\"address\":null}",
		"{\"node\":\"a\",\"incarnation\":\"i\",\"state\":\"s\","
		"\"weight\":65536,\"address\":null}",
		"{\"node\":\"a\",\"incarnation\":\"i\",\"state\":\"s\","
		"\"weight\":1}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		assert_int_equal(
		    READ(0, "(", "1", "b", "7", "(", ")", "(", "(", "s", "(",
			"x", strange[i], "y", ENTRY("a", "i", "ready"), ")",
			")", ")", ")"),
		    1);
		if (d.strange != 1 || d.nentries != 1)
			fail_msg("%s", strange[i]);
		assert_string_equal(d.entries[0].id, "y");
	}
}

static void
replies_of_another_shape_empty_it(void **state)
{
	(void)state;
#define REFUSED(...)                                             \
	do {                                                     \
		assert_int_equal(read_usual(), 1);               \
		assert_int_equal(READ(0, __VA_ARGS__), -EPROTO); \
		assert_int_equal(d.nnodes + d.nentries, 0);      \
		assert_string_equal(d.birth, "");                \
	} while (0)
	REFUSED("x");
	REFUSED("(", "1", ")");
	REFUSED("(", "2", "b", "7", "(", ")", ")");
	REFUSED("(", "1", "", "7", "(", ")", ")");
	REFUSED("(", "1", "b", "-7", "(", ")", ")");
	REFUSED("(", "1", "b", "7", ")");
	REFUSED("(", "1", "b", "7", "x", ")");
	REFUSED("(", "1", "b", "7", "(", "a", ")", ")");
	REFUSED("(", "1", "b", "7", "(", "(", "a", ")", ")", ")");
	REFUSED(
	    "(", "1", "b", "7", "(", "(", "a", "x", "i", "~", ")", ")", ")");
	REFUSED("(", "1", "b", "7", "(", ")", "x", ")");
	REFUSED("(", "1", "b", "7", "(", ")", "(", "x", ")", ")");
	REFUSED("(", "1", "b", "7", "(", ")", "(", "(", "s", "(", "odd", ")",
	    ")", ")", ")");
	REFUSED("(", "1", "b", "7", "(", ")", "(", "(", "s", "(", "x", "#1",
	    ")", ")", ")", ")");
	assert_int_equal(read_usual(), 1);
	assert_int_equal(READ(0, "(", ")"), -ENOENT);
	assert_int_equal(d.nentries, 0);
}

static void
the_view_has_its_own_from_the_wishes(void **state)
{
	const struct view_self self = { "c", "a", "ia", "" };
	struct wishes w;
	json_t *view, *want;

	(void)state;
	assert_int_equal(read_usual(), 1);
	wishes_init(&w, 9);
	assert_int_equal(wishes_set(&w, SPAN("web"), SPAN("web.5"),
			     SPAN(ENTRY("a", "ia", "starting"))),
	    1);
	view = view_json(&d, &w, &self, 2000);
	want = json_loads(
	    "{\"cluster\":\"c\",\"epoch\":7,\"birth\":\"birth\",\"nodes\":["
	    "{\"node\":\"a\",\"self\":true,\"live\":true,\"incarnation\":"
	    "\"ia\","
	    "\"address\":null,\"lease_ms\":8000},"
	    "{\"node\":\"b\",\"self\":false,\"live\":true,\"incarnation\":"
	    "\"ib\",\"address\":\"10.0.0.1:7\",\"lease_ms\":4000},"
	    "{\"node\":\"c\",\"self\":false,\"live\":false,\"incarnation\":"
	    "null,\"address\":null,\"lease_ms\":0}],\"services\":["
	    "{\"name\":\"img\",\"instances\":[{\"id\":\"img.0\",\"node\":\"b\","
	    "\"address\":\"unix:/x\",\"state\":\"unready\",\"weight\":7,"
	    "\"live\":true},{\"id\":\"img.1\",\"node\":\"c\",\"address\":"
	    "\"unix:/x\",\"state\":\"ready\",\"weight\":7,\"live\":false}]},"
	    "{\"name\":\"web\",\"instances\":[{\"id\":\"web.1\",\"node\":\"b\","
	    "\"address\":\"unix:/x\",\"state\":\"ready\",\"weight\":7,"
	    "\"live\":false},{\"id\":\"web.5\",\"node\":\"a\",\"address\":"
	    "\"unix:/x\",\"state\":\"starting\",\"weight\":7,\"live\":true}"
	    "]}]}",
	    0, NULL);
	assert_non_null(want);
	assert_true(json_equal(view, want));
	json_decref(view);
	json_decref(want);
	wishes_done(&w);
}

static void
every_allocation_may_fail(void **state)
{
	const struct view_self self = { "c", "a", "ia", "" };
	const struct redis_reply *reply;
	struct redis_reader *reader;
	struct wishes w;

	(void)state;
	alloc_hook_jansson();
	wishes_init(&w, 9);
	assert_int_equal(wishes_set(&w, SPAN("web"), SPAN("web.5"),
			     SPAN(ENTRY("a", "ia", "starting"))),
	    1);
	assert_int_equal(read_usual(), 1);
	ALLOC_FAIL_EACH({
		json_t *view = view_json(&d, &w, &self, 2000);

		assert_true(view != NULL || alloc_failed());
		json_decref(view);
	});
	wishes_done(&w);
	reader = make_reply(
	    (const char *const[]){ "(", "1", "b", "7", "(",
		NODE("a", "#9000", "ia"), ")", "(", "(", "web", "(", "web.0",
		ENTRY("a", "ia", "ready"), ")", ")", ")", ")" },
	    &reply);
	ALLOC_FAIL_EACH({
		int r = directory_read(&d, reply, 0);

		/* jansson takes some failures for bad syntax. */
		assert_true(r == 1 || (alloc_failed() && r == -ENOMEM));
		assert_int_equal(d.nentries + d.strange, r == 1);
		assert_true(d.strange == 0 || alloc_failed());
	});
	redis_reader_free(reader);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_reply_becomes_nodes_and_entries),
		T(an_entry_counts_while_lease_and_incarnation_stand),
		T(without_data_only_leases_are_new),
		T(strange_entries_are_left_out),
		T(replies_of_another_shape_empty_it),
		T(the_view_has_its_own_from_the_wishes),
		T(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
