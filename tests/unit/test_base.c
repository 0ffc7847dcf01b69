/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/map.h"
#include "base/str.h"

static void
durations_need_a_unit(void **state)
{
	uint64_t ms = 7;

	(void)state;
	assert_int_equal(str_duration(SPAN("250ms"), &ms), 0);
	assert_int_equal(ms, 250);
	assert_int_equal(str_duration(SPAN("5s"), &ms), 0);
	assert_int_equal(ms, 5000);
	assert_int_equal(str_duration(SPAN("2m"), &ms), 0);
	assert_int_equal(ms, 120000);
	assert_int_equal(str_duration(SPAN("5"), &ms), -EINVAL);
	assert_int_equal(str_duration(SPAN("-5s"), &ms), -EINVAL);
	assert_int_equal(str_duration(SPAN("5 s"), &ms), -EINVAL);
	assert_int_equal(str_duration(SPAN(""), &ms), -EINVAL);
	assert_int_equal(str_duration(span_of(NULL), &ms), -EINVAL);
	assert_int_equal(
	    str_duration(SPAN("18446744073709551615s"), &ms), -ERANGE);
}

static void
sizes_are_binary(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_int_equal(str_size(SPAN("64KiB"), &bytes), 0);
	assert_int_equal(bytes, 65536);
	assert_int_equal(str_size(SPAN("512MiB"), &bytes), 0);
	assert_int_equal(bytes, 536870912);
	assert_int_equal(str_size(SPAN("64KB"), &bytes), -EINVAL);
}

static void
a_span_splits_at_each_separator(void **state)
{
	struct span rest = SPAN("a,,b"), part;

	(void)state;
	assert_true(span_next(&rest, ',', &part));
	assert_true(span_eq(part, SPAN("a")));
	assert_true(span_next(&rest, ',', &part));
	assert_int_equal(part.n, 0);
	assert_true(span_next(&rest, ',', &part));
	assert_true(span_eq(part, SPAN("b")));
	assert_false(span_next(&rest, ',', &part));
}

static void
a_buffer_never_passes_its_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (int i = 0; i < 10; i++)
		assert_int_equal(buf_append(&b, "0123456789", 10), 0);
	assert_int_equal(buf_append(&b, "x", 1), -ENOBUFS);
	assert_int_equal(b.len, 100);
	assert_true(b.cap <= 101);
	assert_int_equal(buf_str(&b)[100], '\0');
	buf_consume(&b, 95);
	assert_string_equal(buf_str(&b), "56789");
	assert_int_equal(buf_printf(&b, "%d", 42), 0);
	assert_string_equal(buf_str(&b), "5678942");
	buf_done(&b);
}

static void
bufs_share_a_ceiling(void **state)
{
	struct buf_meter m = { .held = 50, .max = 50 + 64 + 128 };
	struct buf a, b;

	(void)state;
	buf_init_metered(&a, 1000, &m);
	buf_init_metered(&b, 1000, &m);
	assert_int_equal(buf_append(&a, "x", 1), 0);
	assert_int_equal(m.held, 50 + a.cap);
	assert_int_equal(buf_append(&b, "x", 1), 0);
	while (buf_append(&b, "0123456789", 10) == 0)
		;
	assert_int_equal(buf_append(&b, "0123456789", 10), -ENOMEM);
	assert_int_equal(m.held, 50 + a.cap + b.cap);
	assert_true(m.held <= m.max && b.len < 128);
	buf_done(&a);
	assert_int_equal(buf_append(&b, "0123456789", 10), -ENOMEM);
	buf_done(&b);
	buf_done(&b);
	assert_int_equal(m.held, 50);
}

static void
what_is_no_buf_counts_by_the_same_meter(void **state)
{
	struct buf_meter m = { .held = 50, .max = 100 };
	char *a, *b;

	(void)state;
	assert_null(buf_meter_alloc(&m, 51));
	a = buf_meter_alloc(&m, 50);
	assert_non_null(a);
	assert_int_equal(a[0] + a[49], 0);
	assert_int_equal(m.held, 100);
	assert_null(buf_meter_alloc(&m, 1));
	buf_meter_free(&m, NULL, 7);
	buf_meter_free(&m, a, 50);
	assert_int_equal(m.held, 50);
	m.held = 200; /* a lower ceiling came */
	assert_null(buf_meter_alloc(&m, 1));
	b = buf_meter_alloc(NULL, 1000);
	assert_non_null(b);
	buf_meter_free(NULL, b, 1000);
	alloc_fail_at(1);
	m.held = 0;
	assert_null(buf_meter_alloc(&m, 1));
	alloc_fail_at(0);
	assert_int_equal(m.held, 0);
}

static void
a_map_finds_what_was_put_through_growth_and_removal(void **state)
{
	static int values[1000];
	struct map m;
	char key[16];

	(void)state;
	map_init(&m);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			snprintf(key, sizeof(key), "key%d", i);
			assert_int_equal(
			    map_put(&m, span_of(key), &values[i]), 0);
		}
		assert_int_equal(m.len, 1000);
		for (int i = 0; i < 1000; i += 2) {
			snprintf(key, sizeof(key), "key%d", i);
			assert_ptr_equal(map_del(&m, span_of(key)), &values[i]);
		}
		for (int i = 0; i < 1000; i++) {
			snprintf(key, sizeof(key), "key%d", i);
			assert_ptr_equal(map_get(&m, span_of(key)),
			    i % 2 ? &values[i] : NULL);
		}
	}
	assert_true(m.cap <= 4096);
	map_done(&m);
}

static void
an_arena_is_zeroed_aligned_and_bounded(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 64, 1024);
	for (int i = 0; i < 8; i++) {
		unsigned char *p = arena_alloc(&a, 33);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_int_equal(p[32], 0);
		memset(p, 0xff, 33);
	}
	assert_null(arena_alloc(&a, 1025));
	arena_reset(&a);
	assert_int_equal(*(unsigned char *)arena_alloc(&a, 1), 0);
	arena_done(&a);
	assert_int_equal(a.total, 0);
}

static void
use_everything_once(void)
{
	struct map m;
	struct buf b;
	struct arena a;

	map_init(&m);
	buf_init(&b, 1 << 20);
	arena_init(&a, 16, 1 << 20);
	(void)!map_put(&m, SPAN("a"), &m);
	(void)!map_put(&m, SPAN("b"), &m);
	(void)!buf_printf(&b, "%0200d", 1);
	(void)!buf_printf(&b, "%0900d", 1);
	(void)arena_copy(&a, SPAN("text"));
	(void)arena_alloc(&a, 4096);
	map_done(&m);
	buf_done(&b);
	arena_done(&a);
}

static void
each_allocation_may_fail(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH(use_everything_once());
}

static const char *
below(char path[64], const char *dir, const char *name)
{
	snprintf(path, 64, "%s/%s", dir, name);
	return path;
}

static void
a_new_folder_has_the_mode_that_was_asked_whatever_the_umask(void **state)
{
	mode_t before = umask(0077);
	struct stat st;
	char dir[] = "/tmp/test_base.XXXXXX", path[64];
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(fd_mkdirs(below(path, dir, "open"), 0755, &err), 0);
	assert_int_equal(
	    fd_mkdirs(below(path, dir, "open/a/b"), 0751, &err), 0);
	assert_int_equal(fd_mkdirs(below(path, dir, "open"), 0700, &err), 0);
	umask(before);
	assert_int_equal(stat(below(path, dir, "open"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* it was there */
	assert_int_equal(stat(below(path, dir, "open/a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(stat(below(path, dir, "open/a/b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	fd_remove_tree(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(sizes_are_binary),
		cmocka_unit_test(a_span_splits_at_each_separator),
		cmocka_unit_test(a_buffer_never_passes_its_ceiling),
		cmocka_unit_test(bufs_share_a_ceiling),
		cmocka_unit_test(what_is_no_buf_counts_by_the_same_meter),
		cmocka_unit_test(
		    a_map_finds_what_was_put_through_growth_and_removal),
		cmocka_unit_test(an_arena_is_zeroed_aligned_and_bounded),
		cmocka_unit_test(each_allocation_may_fail),
		cmocka_unit_test(
		    a_new_folder_has_the_mode_that_was_asked_whatever_the_umask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
