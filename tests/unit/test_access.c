/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
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

#include "base/fd.h"
#include "control/access.h"

static struct control c;
static struct conf conf;
static struct records *writer;
static char dir[64], path[96];

static int
setup(void **state)
{
	struct err err;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_access.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	memset(&c, 0, sizeof(c));
	conf = (struct conf){ .access = { .format = CONF_ACCESS_COMBINED,
				  .file = path,
				  .sample = 100,
				  .files = 2 } };
	c.conf = &conf;
	c.loop = loop_new(&err);
	c.workers.n = 1;
	assert_int_equal(record_create(&c.workers.records_fd, &err), 0);
	assert_int_equal(
	    record_attach(&c.workers.records, c.workers.records_fd, &err), 0);
	assert_int_equal(
	    record_join(&writer, c.workers.records_fd, 0, &err), 0);
	access_init(&c);
	access_apply(&c);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	access_close(&c);
	record_free(writer);
	record_free(c.workers.records);
	fd_close(&c.workers.records_fd);
	loop_free(c.loop);
	fd_remove_tree(dir);
	return 0;
}

/* What the next control does: it takes the memory over, and the file. */
static void
next_control(void)
{
	access_close(&c);
	access_init(&c);
	access_apply(&c);
}

static void
request(unsigned status)
{
	struct record *rec = record_begin(writer);

	memset(&rec->started_us, 0, sizeof(*rec) - sizeof(rec->seq));
	rec->status = (uint16_t)status;
	rec->trace[15] = (unsigned char)status;
	record_commit(writer);
}

/* " 200 " and the like, in the order of the lines. */
static void
assert_log(const char *want)
{
	char got[4096] = "", line[512];
	FILE *f = fopen(path, "r");
	unsigned status;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s - - [%*[^]]] \"-\" %u", &status) == 1)
			snprintf(got + strlen(got), sizeof(got) - strlen(got),
			    "%u ", status);
		else
			snprintf(got + strlen(got), sizeof(got) - strlen(got),
			    "broken ");
	if (f != NULL)
		fclose(f);
	assert_string_equal(got, want);
}

/* As if it had been killed in the write of `lines` that left `size` bytes. */
static void
die_in_write(uint64_t from, uint64_t size_before, uint64_t len, uint64_t left)
{
	struct record_cursor *cur = record_cursor(c.workers.records, 0);
	struct stat st;

	assert_int_equal(truncate(path, (off_t)left), 0);
	assert_int_equal(stat(path, &st), 0);
	cur->wanted_at = cur->at;
	cur->at = from;
	cur->wanted_size = size_before;
	cur->wanted_len = len;
	cur->wanted_inode = st.st_ino;
	loop_timer_disarm(&c.access.timer); /* it writes no more */
}

static uint64_t
size_now(void)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void
lines_go_on_where_the_last_control_stopped(void **state)
{
	(void)state;
	request(200);
	request(201);
	next_control();
	assert_log("200 201 ");
	request(202);
	next_control();
	assert_log("200 201 202 ");
}

static void
killed_after_the_write_nothing_is_written_again(void **state)
{
	uint64_t before, after;

	(void)state;
	request(200);
	next_control();
	before = size_now();
	request(201);
	request(202);
	next_control();
	after = size_now();
	die_in_write(1, before, after - before, after);
	next_control();
	request(203);
	next_control();
	assert_log("200 201 202 203 ");
}

static void
killed_before_the_write_it_is_done(void **state)
{
	uint64_t before, after;

	(void)state;
	request(200);
	next_control();
	before = size_now();
	request(201);
	next_control();
	after = size_now();
	die_in_write(1, before, after - before, before);
	next_control();
	next_control();
	assert_log("200 201 ");
}

static void
half_a_write_is_taken_out_and_done_again(void **state)
{
	uint64_t before, after;

	(void)state;
	request(200);
	next_control();
	before = size_now();
	request(201);
	request(202);
	next_control();
	after = size_now();
	die_in_write(1, before, after - before, after - 5);
	next_control();
	next_control();
	assert_log("200 201 202 ");
}

static void
another_file_is_not_cut(void **state)
{
	uint64_t after;

	(void)state;
	request(200);
	request(201);
	next_control();
	after = size_now();
	die_in_write(1, 0, after + 1, after);
	record_cursor(c.workers.records, 0)->wanted_inode++;
	next_control();
	next_control();
	assert_log("200 201 201 ");
}

static void
what_was_overwritten_is_counted_and_the_rest_is_written(void **state)
{
	struct buf out;

	(void)state;
	for (unsigned i = 0; i < RECORD_RING + 3; i++)
		request(200);
	next_control();
	buf_init(&out, 65536);
	assert_int_equal(access_metrics(&c, &out), 0);
	assert_non_null(
	    strstr(buf_str(&out), "drover_records_overflow_total 3\n"));
	buf_done(&out);
}

static void
what_cannot_be_written_waits_and_is_counted(void **state)
{
	char elsewhere[96];

	(void)state;
	snprintf(elsewhere, sizeof(elsewhere), "%s/none/log", dir);
	conf.access.file = elsewhere;
	access_apply(&c);
	request(200);
	next_control();
	assert_int_equal(c.access.lines, 0);
	conf.access.file = path;
	next_control();
	next_control();
	assert_log("200 ");
}

static void
a_sample_keeps_all_of_a_trace_or_nothing(void **state)
{
	(void)state;
	conf.access.sample = 50;
	for (unsigned i = 0; i < 2; i++) {
		request(200); /* the trace ends in 00 c8: kept at 1 % and up */
		request(201);
	}
	next_control();
	assert_log("200 201 200 201 ");
	record_begin(writer)->trace[14] = 0xff;
	record_commit(writer);
	next_control();
	assert_log("200 201 200 201 ");
}

int
main(void)
{
#define LOG(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOG(lines_go_on_where_the_last_control_stopped),
		LOG(killed_after_the_write_nothing_is_written_again),
		LOG(killed_before_the_write_it_is_done),
		LOG(half_a_write_is_taken_out_and_done_again),
		LOG(another_file_is_not_cut),
		LOG(what_was_overwritten_is_counted_and_the_rest_is_written),
		LOG(what_cannot_be_written_waits_and_is_counted),
		LOG(a_sample_keeps_all_of_a_trace_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
