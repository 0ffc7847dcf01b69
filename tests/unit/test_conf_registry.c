/* SPDX-License-Identifier: ISC */

/* Where the registry is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "conf_folder.h"

static void
put(struct folder *f, const char *url)
{
	char yaml[512];

	snprintf(yaml, sizeof(yaml), "registry: '%s'\n", url);
	folder_put(f, "drover.yaml", yaml);
}

static void
urls_that_are_taken(void **state)
{
	static const char *const urls[] = { "redis://a", "redis://a/16383",
		"sentinel://a?master=m",
		"sentinel://a:1,b,[::1]:26379?master=my-master.1",
		"sentinel://u:p@a,b/3?master=m",
		"sentinel://a?sentinel_pass=x&master=m&sentinel_user=y",
		"sentinel://a,b,c,d,e,f,g,h?master=m" };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		const struct conf *c;

		put(*state, urls[i]);
		c = folder_accept(*state);
		assert_int_equal(c->registry.kind, CONF_REGISTRY_URL);
		assert_string_equal(c->registry.url, urls[i]);
		conf_unref(c);
	}
}

static void
sentinels_that_are_refused_without_their_password(void **state)
{
	static const char *const urls[] = { "sentinel://u:secret@a",
		"sentinel://u:secret@a?master=", "sentinel://?master=m",
		"sentinel://a,,b?master=secret", "sentinel://a:0?master=m",
		"sentinel://a/16384?master=m", "sentinel://a/x?master=m",
		"sentinel://a?master=m&master=n", "sentinel://a?master=a/b",
		"sentinel://a?master=m&pass=secret",
		"sentinel://a?master=m&sentinel_pass=",
		"sentinel://a,b,c,d,e,f,g,h,i?master=m", "sentinel://" };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		put(*state, urls[i]);
		folder_refuse(*state,
		    "drover.yaml:1: registry: found a sentinel:// URL with a "
		    "bad host, port, database, master or key; allowed managed, "
		    "none, redis://[user:password@]host[:port][/db] or "
		    "sentinel://host[:port],...[/db]?master=NAME\n");
	}
}

static void
a_change_is_told_without_passwords(void **state)
{
	const struct conf *a, *b;
	struct conf_change *list;
	size_t n;

	put(*state, "sentinel://u:secret@a?sentinel_pass=secret&master=m");
	a = folder_accept(*state);
	put(*state, "sentinel://u:secret@a?master=m&sentinel_pass=secret");
	b = folder_accept(*state);
	assert_int_equal(conf_diff(a, b, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(
	    list[0].from, "sentinel://a?sentinel_pass=&master=m");
	assert_string_equal(list[0].to, "sentinel://a?master=m&sentinel_pass=");
	free(list);
	conf_unref(a);
	conf_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(urls_that_are_taken),
		F(sentinels_that_are_refused_without_their_password),
		F(a_change_is_told_without_passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
