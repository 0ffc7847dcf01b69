/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "alloc.h"
#include "conf/pem.h"
#include "conf_folder.h"
#include "tls_made.h"

#define DAY 86400L

static void
put(struct folder *f, const char *name, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

/* One listener with this certificate and its key, beside the configuration. */
static const struct conf *
with(struct folder *f, const struct made *m)
{
	put(f, "c", m->cert);
	put(f, "k", m->key);
	folder_put(f, "drover.yaml",
	    "listen:\n  - address: '0.0.0.0:1'\n    tls: {certificates: "
	    "[{cert: "
	    "c, key: k}]}\n");
	return folder_accept(f);
}

static void
says(struct folder *f, long from, long to, const char *words)
{
	struct made m = made_new("EC", "DNS:a.test", from, to);
	const struct conf *conf = with(f, &m);
	struct buf said;

	buf_init(&said, 4096);
	assert_true(conf_check_host(conf, &said));
	assert_string_equal(buf_str(&said), "");
	conf_warn_host(conf, &said);
	if (words == NULL)
		assert_string_equal(buf_str(&said), "");
	else {
		assert_non_null(strstr(buf_str(&said), words));
		assert_non_null(strstr(buf_str(&said),
		    "drover.yaml:3: listen[0].tls.certificates[0].cert: "
		    "warning: the certificate of a.test "));
	}
	buf_done(&said);
	conf_unref(conf);
	made_done(&m);
}

static void
a_certificate_that_is_not_good_for_long_is_a_warning(void **state)
{
	says(*state, -DAY, 15 * DAY, NULL);
	says(*state, -DAY, 13 * DAY, "expires within 14 days");
	says(*state, -3 * DAY, -DAY, "has expired");
	says(*state, DAY, 30 * DAY, "is not valid yet");
}

static void
the_text_and_the_facts_are_read(void **state)
{
	struct made m = made_new("RSA", "DNS:b.test,DNS:a.test", 0, 100);
	const struct conf *conf = with(*state, &m);
	struct buf said;
	struct pems p;

	buf_init(&said, 4096);
	assert_true(pems_read(&p, conf, &said));
	assert_int_equal(p.n, 1);
	assert_string_equal(buf_str(&p.all[0].cert), m.cert);
	assert_string_equal(buf_str(&p.all[0].key), m.key);
	assert_string_equal(p.all[0].name, "b.test");
	assert_int_equal(p.all[0].not_after - p.all[0].not_before, 100);
	pems_done(&p);
	buf_done(&said);
	conf_unref(conf);
	made_done(&m);
}

static void
without_memory_nothing_is_read_and_the_error_is_not_the_file_s(void **state)
{
	struct made m = made_new("EC", "DNS:a.test", 0, 30 * DAY);
	const struct conf *conf = with(*state, &m);

	ALLOC_FAIL_EACH({
		struct buf said;
		struct pems p;
		bool ok;

		buf_init(&said, 4096);
		ok = pems_read(&p, conf, &said);
		assert_true(ok != alloc_failed());
		pems_done(&p);
		buf_done(&said);
	});
	conf_unref(conf);
	made_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_certificate_that_is_not_good_for_long_is_a_warning,
		    folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(the_text_and_the_facts_are_read,
		    folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(
		    without_memory_nothing_is_read_and_the_error_is_not_the_file_s,
		    folder_setup, folder_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
