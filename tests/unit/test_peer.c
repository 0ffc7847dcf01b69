/* SPDX-License-Identifier: ISC */

/* peer: which addresses are one client. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/array.h"
#include "proxy/peer.h"

static void
set(struct sockaddr_storage *ss, const char *text)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		ss->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		ss->ss_family = AF_INET6;
	else
		ss->ss_family = AF_UNIX;
}

static void
one_client_has_an_address_or_a_64(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.2", false },
		{ "10.0.0.1", "::ffff:10.0.0.1", true },
		{ "::ffff:10.0.0.1", "::ffff:10.0.0.2", false },
		{ "2001:db8::1", "2001:db8::ffff:1:2:3", true },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sockaddr_storage a, b;
		unsigned char x[16], y[16];

		set(&a, rows[i].a);
		set(&b, rows[i].b);
		assert_true(peer_address((struct sockaddr *)&a, x));
		assert_true(peer_address((struct sockaddr *)&b, y));
		assert_int_equal(peer_network(x), peer_network(y));
		assert_int_equal(
		    memcmp(x, y, peer_network(x)) == 0, rows[i].same);
	}
}

static void
an_address_is_shown_as_it_is_written(void **state)
{
	static const struct {
		const char *given, *text;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.1" },
		{ "::ffff:10.0.0.1", "10.0.0.1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "unix", "unknown" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sockaddr_storage ss;
		struct peer p;

		set(&ss, rows[i].given);
		peer_init(&p, (struct sockaddr *)&ss, i == 1);
		assert_true(span_eq(peer_text(&p), span_of(rows[i].text)));
		assert_int_equal(p.local, i == 3);
		assert_int_equal(p.internal, i == 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_client_has_an_address_or_a_64),
		cmocka_unit_test(an_address_is_shown_as_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
