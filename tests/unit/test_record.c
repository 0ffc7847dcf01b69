/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/fd.h"
#include "link/record.h"

struct rig {
	int fd;
	struct records *reader, *writer;
};

static int
setup(void **state)
{
	static struct rig g;
	struct err err;

	assert_int_equal(record_create(&g.fd, &err), 0);
	assert_int_equal(record_attach(&g.reader, g.fd, &err), 0);
	assert_int_equal(record_join(&g.writer, g.fd, 3, &err), 0);
	*state = &g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;

	record_free(g->reader);
	record_free(g->writer);
	fd_close(&g->fd);
	return 0;
}

static void
put(struct records *w, uint64_t mark)
{
	struct record *rec = record_begin(w);

	memset(&rec->started_us, 0, sizeof(*rec) - sizeof(rec->seq));
	rec->started_us = rec->total_us = rec->bytes_in = rec->bytes_out = mark;
	memcpy(rec->tail + RECORD_TAIL - sizeof(mark), &mark, sizeof(mark));
	record_commit(w);
}

static void
the_ring_keeps_the_last_and_says_what_is_gone(void **state)
{
	struct rig *g = *state;
	struct record rec;

	assert_int_equal(record_head(g->reader, 3), 0);
	assert_false(record_read(g->reader, 3, 0, &rec));
	for (uint64_t i = 0; i < RECORD_RING + 10; i++)
		put(g->writer, i);
	assert_int_equal(record_head(g->reader, 3), RECORD_RING + 10);
	assert_int_equal(record_tail(g->reader, 3), 10);
	for (uint64_t i = 0; i < 10; i++)
		assert_false(record_read(g->reader, 3, i, &rec));
	for (uint64_t i = 10; i < RECORD_RING + 10; i++) {
		assert_true(record_read(g->reader, 3, i, &rec));
		assert_int_equal(rec.started_us, i);
	}
	assert_false(record_read(g->reader, 3, RECORD_RING + 10, &rec));
	assert_int_equal(record_head(g->reader, 2), 0);
}

static void
a_record_that_is_being_written_cannot_be_read(void **state)
{
	struct rig *g = *state;
	struct record rec;

	for (uint64_t i = 0; i < RECORD_RING; i++)
		put(g->writer, i);
	assert_true(record_read(g->reader, 3, 0, &rec));
	record_begin(g->writer)->status = 200;
	assert_false(record_read(g->reader, 3, 0, &rec));
	assert_false(record_read(g->reader, 3, RECORD_RING, &rec));
	assert_int_equal(record_head(g->reader, 3), RECORD_RING);
}

static _Atomic int stop;

static void *
write_on(void *arg)
{
	for (uint64_t i = 0; !stop; i++)
		put(arg, i);
	return NULL;
}

static bool
is_whole(const struct record *rec, uint64_t at)
{
	uint64_t mark;

	memcpy(&mark, rec->tail + RECORD_TAIL - sizeof(mark), sizeof(mark));
	return rec->started_us == at && rec->bytes_out == at && mark == at;
}

/* The reader stays at the edge where the writer overwrites. */
static void
no_read_is_torn_while_the_writer_goes_round(void **state)
{
	struct rig *g = *state;
	unsigned got = 0, gone = 0, torn = 0;
	pthread_t writer;

	stop = 0;
	assert_int_equal(pthread_create(&writer, NULL, write_on, g->writer), 0);
	while (got < 2000000 || gone < 100) {
		uint64_t at = record_tail(g->reader, 3) + got % 8;
		struct record rec;

		if (!record_read(g->reader, 3, at, &rec)) {
			gone++;
			continue;
		}
		got++;
		torn += !is_whole(&rec, at);
	}
	stop = 1;
	pthread_join(writer, NULL);
	assert_int_equal(torn, 0);
}

static void
names_outlive_the_worker_that_used_them(void **state)
{
	struct rig *g = *state;
	char buf[RECORD_NAME_MAX + 1], text[200];
	uint16_t web = record_intern(g->writer, SPAN("web"));
	struct err err;

	assert_int_not_equal(web, 0);
	assert_int_equal(record_intern(g->writer, SPAN("web")), web);
	assert_int_not_equal(record_intern(g->writer, SPAN("web.0")), web);
	assert_int_equal(record_intern(g->writer, SPAN("")), 0);
	assert_string_equal(record_read_name(g->reader, 3, web, buf), "web");
	put(g->writer, 1);

	record_free(g->writer);
	assert_int_equal(record_join(&g->writer, g->fd, 3, &err), 0);
	assert_int_equal(record_intern(g->writer, SPAN("web")), web);
	put(g->writer, 2);
	assert_int_equal(record_head(g->reader, 3), 2);

	memset(text, 'x', sizeof(text));
	assert_string_equal(
	    record_read_name(g->reader, 3,
		record_intern(g->writer, (struct span){ text, 200 }), buf),
	    memset(memset(text, 0, 200), 'x', RECORD_NAME_MAX));
	assert_string_equal(record_read_name(g->reader, 3, 9999, buf), "");
	assert_string_equal(record_read_name(g->reader, 3, 0, buf), "");
}

static void
when_the_names_are_used_up_the_rest_have_none(void **state)
{
	struct rig *g = *state;
	char text[16];
	uint16_t last = 0;

	for (unsigned i = 0; i < RECORD_NAMES + 10; i++) {
		snprintf(text, sizeof(text), "n%u", i);
		last = record_intern(g->writer, span_of(text));
	}
	assert_int_equal(last, 0);
	assert_int_not_equal(record_intern(g->writer, SPAN("n0")), 0);
}

static void
put_text(struct records *w, const char *data, size_t n)
{
	struct record *rec = record_begin(w);

	memset(&rec->started_us, 0, sizeof(*rec) - sizeof(rec->seq));
	rec->text_at = record_put_text(w, data, n);
	rec->text_len = (uint16_t)n;
	record_commit(w);
}

static void
texts_go_round_and_are_whole_or_gone(void **state)
{
	struct rig *g = *state;
	char data[3001], out[RECORD_TEXT_MAX];
	unsigned n = RECORD_TEXTS / sizeof(data) + 5, whole = 0;
	struct record rec;

	for (unsigned i = 0; i < n; i++) {
		memset(data, (int)('a' + i % 26), sizeof(data));
		put_text(g->writer, data, sizeof(data));
	}
	for (unsigned i = 0; i < n; i++) {
		assert_true(record_read(g->reader, 3, i, &rec));
		if (record_read_text(g->reader, 3, &rec, out) == 0)
			continue;
		whole++;
		assert_int_equal(out[0], 'a' + i % 26);
		assert_int_equal(out[sizeof(data) - 1], 'a' + i % 26);
	}
	assert_int_equal(whole, RECORD_TEXTS / sizeof(data));
	assert_true(record_read(g->reader, 3, n - 1, &rec));
	rec.text_at += 1; /* over what was written */
	assert_int_equal(record_read_text(g->reader, 3, &rec, out), 0);
	rec.text_len = RECORD_TEXT_MAX + 1;
	assert_int_equal(record_read_text(g->reader, 3, &rec, out), 0);
}

static void
texts_are_cut_to_their_shares(void **state)
{
	static char big[5000];
	const struct span s = { big, sizeof(big) };
	const struct record_text in = { s, s, s, s };
	struct record_text out;
	char packed[RECORD_TEXT_MAX];
	size_t n = record_pack_text(&in, packed);

	(void)state;
	assert_int_equal(n, RECORD_TEXT_MAX);
	for (size_t cut = 0; cut <= n; cut += 7)
		record_unpack_text(packed, cut, &out); /* within its bytes */
	record_unpack_text(packed, n, &out);
	assert_int_equal(out.host.n + out.target.n + out.referer.n +
		out.agent.n + 4 * sizeof(uint16_t),
	    n);
	record_unpack_text("\377\377\377\377\377\377\377\377", 8, &out);
	assert_int_equal(out.host.n, 0);
}

static void
what_is_out_of_bounds_reads_as_nothing(void **state)
{
	struct record rec = { .id_len = 200, .path_len = 255 };
	char buf[RECORD_ID_MAX];

	(void)state;
	assert_int_equal(record_id(&rec, buf).n, 0);
	assert_int_equal(record_path(&rec).n, 0);
	assert_string_equal(record_outcome_name(255), "unknown");
}

static void
an_area_is_sparse_and_other_files_are_refused(void **state)
{
	struct rig *g = *state;
	struct records *r;
	struct stat st;
	struct err err;
	FILE *f = tmpfile();

	put(g->writer, 1);
	assert_int_equal(fstat(g->fd, &st), 0);
	assert_true(st.st_blocks / 2 <= 16);
	assert_non_null(f);
	assert_int_equal(record_attach(&r, fileno(f), &err), -EPROTO);
	fclose(f);
	assert_true(pwrite(g->fd, "\377\377", 2, 4) == 2);
	assert_int_equal(record_attach(&r, g->fd, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version"));
}

static int fail_fd;

static void
join_once(void)
{
	struct records *r;
	struct err err;

	if (record_join(&r, fail_fd, 3, &err) < 0)
		return;
	(void)record_intern(r, SPAN("another"));
	record_free(r);
}

static void
each_allocation_may_fail(void **state)
{
	struct rig *g = *state;

	(void)record_intern(g->writer, SPAN("web"));
	fail_fd = g->fd;
	ALLOC_FAIL_EACH(join_once());
}

int
main(void)
{
#define RIG(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		RIG(the_ring_keeps_the_last_and_says_what_is_gone),
		RIG(a_record_that_is_being_written_cannot_be_read),
		RIG(no_read_is_torn_while_the_writer_goes_round),
		RIG(names_outlive_the_worker_that_used_them),
		RIG(when_the_names_are_used_up_the_rest_have_none),
		RIG(texts_go_round_and_are_whole_or_gone),
		cmocka_unit_test(texts_are_cut_to_their_shares),
		cmocka_unit_test(what_is_out_of_bounds_reads_as_nothing),
		RIG(an_area_is_sparse_and_other_files_are_refused),
		RIG(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
