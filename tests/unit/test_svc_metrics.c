/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc.h"
#include "lib/log.h"
#include "lib/metrics.h"

static struct svc_metrics metrics;
static struct buf out;
static const struct svc_metrics_now now = { .pool = { .queue = 64 },
	.held = 123 };

static int
setup(void **state)
{
	(void)state;
	memset(&metrics, 0, sizeof(metrics));
	metrics.route[0].path = "/do";
	buf_init(&out, 1 << 16);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_done(&out);
	return 0;
}

static void
write_all(void)
{
	buf_clear(&out);
	assert_int_equal(svc_metrics_write(&out, &metrics, &now, "thing"), 0);
}

static void
requests_are_counted_by_route_and_status(void **state)
{
	(void)state;
	svc_metrics_count(&metrics, 0, 200, NULL, 7000);
	svc_metrics_count(&metrics, 0, 200, NULL, 80000000);
	svc_metrics_count(&metrics, 0, 413, &svc_body_too_large, 10);
	write_all();
	assert_non_null(strstr(out.data,
	    "drover_tool_requests_total{service=\"thing\",route=\"/do\","
	    "code=\"200\"} 2\n"));
	assert_non_null(strstr(out.data, "code=\"413\"} 1\n"));
	assert_non_null(strstr(out.data, "type=\"body-too-large\"} 1\n"));
	assert_non_null(strstr(out.data, "le=\"0.005\"} 1\n"));
	assert_non_null(strstr(out.data, "le=\"0.01\"} 2\n"));
	assert_non_null(strstr(out.data, "le=\"10\"} 2\n"));
	assert_non_null(strstr(out.data, "le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(out.data,
	    "seconds_sum{service=\"thing\","
	    "route=\"/do\"} 80.007010\n"));
	assert_non_null(
	    strstr(out.data, "drover_tool_queue_max{service=\"thing\"} 64\n"));
	assert_non_null(strstr(
	    out.data, "drover_tool_body_bytes{service=\"thing\"} 123\n"));
	assert_non_null(strstr(out.data, "process_resident_memory_bytes "));
}

static void
more_kinds_than_there_is_room_for_do_no_harm(void **state)
{
	struct svc_problem many[SVC_METRICS_REFUSED + 5];
	uint64_t sum = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = (struct svc_problem){ "x", 400 + i, "X", 0 };
		svc_metrics_count(&metrics, i, 400 + i, &many[i], 1);
	}
	for (size_t i = 0; i < SVC_METRICS_REFUSED; i++)
		sum += metrics.refused[i].count;
	assert_int_equal(sum, ARRAY_LEN(many));
}

static void
a_page_over_its_ceiling_is_an_error(void **state)
{
	struct buf small;
	int r;

	(void)state;
	buf_init(&small, 100);
	assert_int_equal(
	    svc_metrics_write(&small, &metrics, &now, "thing"), -ENOBUFS);
	buf_done(&small);
	ALLOC_FAIL_EACH({
		buf_init(&small, 1 << 16);
		r = svc_metrics_write(&small, &metrics, &now, "thing");
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		buf_done(&small);
	});
}

static void
a_hostile_request_is_still_one_line_of_json(void **state)
{
	char line[SVC_LOG_LINE_MAX], path[4096];
	struct svc_log_request r = { .service = "thing",
		.request_id = "a\"b\\c\n",
		.method = "POST",
		.path = { path, sizeof(path) },
		.status = 503,
		.problem = "queue-full",
		.us = 12345 };
	json_t *o;
	size_t n;

	(void)state;
	memset(path, '"', sizeof(path));
	n = svc_log_format(line, &r, 1000);
	assert_true(n > 0 && line[n - 1] == '\n');
	assert_ptr_equal(memchr(line, '\n', n), line + n - 1);
	o = json_loadb(line, n, 0, NULL);
	assert_non_null(o);
	assert_string_equal(
	    json_string_value(json_object_get(o, "request_id")), "a\"b\\c?");
	assert_string_equal(
	    json_string_value(json_object_get(o, "level")), "warn");
	assert_string_equal(
	    json_string_value(json_object_get(o, "problem")), "queue-full");
	assert_string_equal(json_string_value(json_object_get(o, "time")),
	    "1970-01-01T00:00:01.000Z");
	assert_true(json_real_value(json_object_get(o, "ms")) > 12.2);
	json_decref(o);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(requests_are_counted_by_route_and_status),
		T(more_kinds_than_there_is_room_for_do_no_harm),
		T(a_page_over_its_ceiling_is_an_error),
		T(a_hostile_request_is_still_one_line_of_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
