/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "tls/certificate.h"
#include "tls/conn.h"
#include "tls/context.h"
#include "tls_made.h"

/* --- certificates --------------------------------------------------------- */

static struct made a, b, exact, rsa, bare, edd;

static int
make_all(void **state)
{
	(void)state;
	a = made_new("EC", "DNS:a.test,DNS:both.test", -10, 86400);
	b = made_new("EC", "DNS:b.test,DNS:*.b.test", -10, 86400);
	exact = made_new("EC", "DNS:www.b.test", -10, 86400);
	rsa = made_new("RSA", "DNS:both.test,DNS:*.b.test", -10, 86400);
	bare = made_new("EC", NULL, -10, 86400);
	edd = made_new("ED25519", "DNS:both.test", -10, 86400);
	return 0;
}

static int
free_all(void **state)
{
	struct made *all[] = { &a, &b, &exact, &rsa, &bare, &edd };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		made_done(all[i]);
	return 0;
}

static void
a_certificate_has_the_names_that_a_host_can_have(void **state)
{
	struct made m = made_new("EC",
	    "DNS:A.Test,DNS:*.a.test,DNS:*,DNS:x.*.test,DNS:a*.test,"
	    "DNS:-a.test,IP:10.0.0.1,email:a@b.test,DNS:under_score.test",
	    0, 10);
	struct tls_certificate *c;
	struct err err;

	(void)state;
	assert_int_equal(
	    tls_certificate_read(&c, m.pair.cert, m.pair.key, &err), 0);
	assert_int_equal(tls_certificate_nnames(c), 3);
	assert_string_equal(tls_certificate_name(c, 0), "a.test");
	assert_string_equal(tls_certificate_name(c, 1), "*.a.test");
	assert_string_equal(tls_certificate_name(c, 2), "under_score.test");
	assert_true(tls_certificate_covers(c, SPAN("x.a.test")));
	assert_true(tls_certificate_covers(c, SPAN("*.a.test")));
	assert_false(tls_certificate_covers(c, SPAN("x.y.a.test")));
	assert_false(tls_certificate_covers(c, SPAN(".a.test")));
	assert_false(tls_certificate_covers(c, SPAN("test")));
	assert_int_equal(
	    tls_certificate_not_after(c) - tls_certificate_not_before(c), 10);
	tls_certificate_free(c);
	made_done(&m);
}

static void
refuses(struct span cert, struct span key, const char *words)
{
	struct tls_certificate *c;
	struct err err;

	assert_int_equal(tls_certificate_read(&c, cert, key, &err), -EINVAL);
	assert_null(c);
	assert_non_null(strstr(err.text, words));
	assert_null(strstr(err.text, "BEGIN"));
	assert_int_equal(ERR_peek_error(), 0);
}

static char *
repeated(const char *text, unsigned n)
{
	char *all = calloc(n, strlen(text) + 1);

	for (unsigned i = 0; i < n; i++)
		memcpy(all + i * strlen(text), text, strlen(text));
	return all;
}

static void
what_is_no_certificate_or_no_key_for_it_is_refused(void **state)
{
	char *chain = repeated(a.cert, TLS_CHAIN_MAX + 2);
	char *huge = calloc(1, TLS_PEM_MAX + 2);
	char broken[64];

	(void)state;
	memset(huge, 'x', TLS_PEM_MAX + 1);
	memcpy(broken, a.cert, 60);
	memcpy(broken + 56, "!!!", 4);
	refuses(SPAN(""), a.pair.key, "certificate: found none in PEM");
	refuses(a.pair.key, a.pair.key, "certificate: found none in PEM");
	refuses(span_of(broken), a.pair.key, "certificate: ");
	refuses(a.pair.cert, SPAN(""), "key: found none in PEM");
	refuses(a.pair.cert, a.pair.cert, "key: found none in PEM");
	refuses(a.pair.cert, b.pair.key, "does not belong");
	refuses(span_of(huge), a.pair.key, "certificate: found more than");
	refuses(a.pair.cert, span_of(huge), "key: found more than");
	refuses(span_of(chain), a.pair.key, "behind the first");
	free(chain);
	free(huge);
}

static void
a_name_is_read_whole_or_not_at_all(void **state)
{
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "-a",
		"a-", "a b", "a/b", "*.a", "a:1", "\xc3\xa4.test" };
	char out[TLS_NAME_MAX + 1], longest[TLS_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(tls_name_read(span_of(bad[i]), false, out));
	assert_false(
	    tls_name_read((struct span){ "a\0b.test", 8 }, false, out));
	assert_false(tls_name_read(SPAN("*"), true, out));
	assert_true(tls_name_read(SPAN("*.A.test"), true, out));
	assert_string_equal(out, "*.a.test");
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 9; i < sizeof(longest); i += 10)
		longest[i] = '.';
	assert_false(tls_name_read(
	    (struct span){ longest, TLS_NAME_MAX + 1 }, false, out));
	assert_true(
	    tls_name_read((struct span){ longest, TLS_NAME_MAX }, false, out));
}

/* --- handshakes ----------------------------------------------------------- */

struct pair {
	struct tls_context *context;
	SSL_CTX *client_ctx;
	SSL *client;
	struct tls_conn *server;
	int fds[2];
};

static struct tls_context *
conmade_text(const struct tls_config *conf)
{
	struct tls_context *t;
	struct err err;
	int r = tls_context_new(&t, conf, &err);

	if (r < 0)
		print_message("%s\n", err.text);
	assert_int_equal(r, 0);
	return t;
}

static void
open_pair(struct pair *p, struct tls_context *t, const char *name)
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
	p->context = t;
	p->server = tls_conn_new(t, p->fds[0]);
	assert_non_null(p->server);
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	p->client = SSL_new(p->client_ctx);
	SSL_set_fd(p->client, p->fds[1]);
	SSL_set_connect_state(p->client);
	if (name != NULL)
		SSL_set_tlsext_host_name(p->client, name);
}

static int
shake(struct pair *p)
{
	int r = -EAGAIN;

	for (int i = 0; i < 20 && (r == -EAGAIN || r == -EINPROGRESS); i++) {
		SSL_do_handshake(p->client);
		r = tls_conn_handshake(p->server);
	}
	SSL_do_handshake(p->client);
	ERR_clear_error();
	return r;
}

static void
close_pair(struct pair *p)
{
	tls_conn_free(p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->client_ctx);
	close(p->fds[0]);
	close(p->fds[1]);
}

static bool
shows(struct tls_context *t, const char *name, const char *ciphers,
    const struct made *m)
{
	struct pair p;
	BIO *out = BIO_new(BIO_s_mem());
	char *text;
	X509 *x;
	bool same;

	open_pair(&p, t, name);
	if (ciphers != NULL) {
		SSL_set_max_proto_version(p.client, TLS1_2_VERSION);
		assert_int_equal(SSL_set_cipher_list(p.client, ciphers), 1);
	}
	assert_int_equal(shake(&p), 0);
	x = SSL_get1_peer_certificate(p.client);
	PEM_write_bio_X509(out, x);
	text = made_text(out);
	same = strcmp(text, m->cert) == 0;
	free(text);
	X509_free(x);
	close_pair(&p);
	return same;
}

static void
the_name_chooses_and_the_ciphers_decide_between_twins(void **state)
{
	const struct tls_pair pairs[] = { a.pair, b.pair, exact.pair,
		rsa.pair };
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = pairs, .npairs = 4 });
	const char *with_rsa = "ECDHE-RSA-AES128-GCM-SHA256";
	const char *with_ec = "ECDHE-ECDSA-AES128-GCM-SHA256";

	(void)state;
	assert_true(shows(t, NULL, NULL, &a));
	assert_true(shows(t, "other.test", NULL, &a));
	assert_true(shows(t, "B.test", NULL, &b));
	assert_true(shows(t, "x.b.test", with_ec, &b));
	assert_true(shows(t, "x.b.test", with_rsa, &rsa));
	assert_true(shows(t, "www.b.test", with_ec, &exact));
	assert_true(shows(t, "www.b.test", with_rsa, &rsa));
	assert_true(shows(t, "both.test", with_rsa, &rsa));
	assert_true(shows(t, "both.test", with_ec, &a));
	assert_true(shows(t, "x.y.b.test", with_ec, &a));
	tls_context_unref(t);
}

static void
a_connection_holds_its_context(void **state)
{
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = &edd.pair, .npairs = 1 });
	struct pair p;

	(void)state;
	open_pair(&p, t, "both.test");
	tls_context_unref(t);
	assert_int_equal(shake(&p), 0);
	assert_false(tls_conn_is_http2(p.server));
	close_pair(&p);
}

static void
h2_is_offered_only_where_it_is_asked_for(void **state)
{
	static const unsigned char both[] = "\x08http/1.1\x02h2";

	(void)state;
	for (int http2 = 0; http2 < 2; http2++) {
		struct tls_context *t = conmade_text(&(struct tls_config){
		    .pairs = &a.pair, .npairs = 1, .http2 = http2 });
		struct pair p;

		open_pair(&p, t, "a.test");
		SSL_set_alpn_protos(p.client, both, sizeof(both) - 1);
		assert_int_equal(shake(&p), 0);
		assert_int_equal(tls_conn_is_http2(p.server), http2);
		close_pair(&p);
		tls_context_unref(t);
	}
}

/* --- bytes ---------------------------------------------------------------- */

static void
bytes_come_whole_whatever_the_socket_takes(void **state)
{
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = &a.pair, .npairs = 1 });
	size_t size = 3U << 20, sent = 0, got = 0;
	char *out = malloc(size), *in = malloc(size);
	struct pair p;

	(void)state;
	for (size_t i = 0; i < size; i++)
		out[i] = (char)(i * 7 + i / 251);
	open_pair(&p, t, "a.test");
	assert_int_equal(shake(&p), 0);
	while (got < size) {
		/* Cut where it hurts: within records, and empty ones between.
		 */
		size_t left = size - sent, one = left / 3;
		struct iovec iov[] = { { out + sent, one }, { NULL, 0 },
			{ out + sent + one, left - one } };
		ssize_t n = left > 0 ? tls_conn_send(p.server, iov, 3) : 0;
		int r;

		assert_true(n >= 0);
		sent += (size_t)n;
		r = SSL_read(p.client, in + got, 100000);
		ERR_clear_error();
		got += r > 0 ? (size_t)r : 0;
	}
	assert_memory_equal(in, out, size);
	close_pair(&p);
	tls_context_unref(t);
	free(in);
	free(out);
}

static void
nothing_stays_behind_without_being_told(void **state)
{
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = &a.pair, .npairs = 1 });
	char in[64 * 1024];
	struct pair p;

	(void)state;
	open_pair(&p, t, "a.test");
	assert_int_equal(shake(&p), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(SSL_write(p.client, "0123456789", 10), 10);
	assert_int_equal(tls_conn_recv(p.server, in, sizeof(in)), 1000);
	assert_false(tls_conn_pending(p.server));
	assert_int_equal(tls_conn_recv(p.server, in, sizeof(in)), -EAGAIN);
	for (int i = 0; i < 100; i++)
		assert_int_equal(SSL_write(p.client, "0123456789", 10), 10);
	assert_int_equal(tls_conn_recv(p.server, in, 15), 15);
	assert_true(tls_conn_pending(p.server));
	assert_int_equal(tls_conn_recv(p.server, in, sizeof(in)), 985);
	close_pair(&p);
	tls_context_unref(t);
}

static void
an_end_is_one_only_where_it_was_said(void **state)
{
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = &a.pair, .npairs = 1 });
	char in[100];

	(void)state;
	for (int said = 0; said < 2; said++) {
		struct pair p;

		open_pair(&p, t, "a.test");
		assert_int_equal(shake(&p), 0);
		assert_int_equal(SSL_write(p.client, "x", 1), 1);
		if (said)
			SSL_shutdown(p.client);
		shutdown(p.fds[1], SHUT_WR);
		assert_int_equal(tls_conn_recv(p.server, in, 1), 1);
		assert_int_equal(
		    tls_conn_recv(p.server, in, 100), said ? 0 : -ECONNRESET);
		assert_int_equal(
		    tls_conn_recv(p.server, in, 100), said ? 0 : -ECONNRESET);
		close_pair(&p);
	}
	tls_context_unref(t);
}

static void
what_shall_look_broken_says_no_end(void **state)
{
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = &a.pair, .npairs = 1 });
	char in[100];

	(void)state;
	for (int broken = 0; broken < 2; broken++) {
		struct pair p;
		int r;

		open_pair(&p, t, "a.test");
		assert_int_equal(shake(&p), 0);
		if (broken)
			tls_conn_break(p.server);
		tls_conn_shut(p.server);
		shutdown(p.fds[0], SHUT_WR);
		r = SSL_read(p.client, in, sizeof(in));
		assert_int_equal(SSL_get_error(p.client, r),
		    broken ? SSL_ERROR_SSL : SSL_ERROR_ZERO_RETURN);
		ERR_clear_error();
		close_pair(&p);
	}
	tls_context_unref(t);
}

static void
garbage_fails_once_and_for_good(void **state)
{
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = &a.pair, .npairs = 1 });
	char in[100];
	struct pair p;
	const struct iovec iov = { in, 1 };

	(void)state;
	open_pair(&p, t, NULL);
	assert_int_equal(write(p.fds[1], "GET / HTTP/1.1\r\n", 16), 16);
	assert_int_equal(tls_conn_handshake(p.server), -EPROTO);
	assert_int_equal(tls_conn_failure(p.server), TLS_FAILURE_GARBAGE);
	assert_true(tls_conn_handshake(p.server) < 0);
	assert_true(tls_conn_recv(p.server, in, 1) < 0);
	assert_true(tls_conn_send(p.server, &iov, 1) < 0);
	assert_int_equal(ERR_peek_error(), 0);
	close_pair(&p);
	tls_context_unref(t);
}

/* --- tickets -------------------------------------------------------------- */

static SSL_SESSION *
resume(struct tls_context *t, SSL_SESSION *session, bool *resumed)
{
	char in[1];
	struct pair p;

	open_pair(&p, t, "a.test");
	SSL_set_max_proto_version(p.client, TLS1_2_VERSION);
	if (session != NULL)
		SSL_set_session(p.client, session);
	SSL_SESSION_free(session);
	assert_int_equal(shake(&p), 0);
	(void)SSL_read(p.client, in, 1);
	ERR_clear_error();
	*resumed = tls_conn_resumed(p.server);
	session = SSL_get1_session(p.client);
	SSL_shutdown(p.client);
	close_pair(&p);
	return session;
}

static void
a_ticket_is_good_for_as_long_as_its_key(void **state)
{
	struct tls_context *t = conmade_text(
	    &(struct tls_config){ .pairs = &a.pair, .npairs = 1 });
	struct tls_context *other = conmade_text(
	    &(struct tls_config){ .pairs = &b.pair, .npairs = 1 });
	unsigned char keys[3 * TLS_TICKET_KEY];
	SSL_SESSION *s;
	bool resumed;

	(void)state;
	for (int i = 0; i < 3; i++)
		memset(keys + i * TLS_TICKET_KEY, 3 - i, TLS_TICKET_KEY);
	s = resume(t, resume(t, NULL, &resumed), &resumed);
	assert_false(resumed); /* no key, no ticket */
	tls_context_tickets(t, keys + 2 * TLS_TICKET_KEY, 1);
	s = resume(t, s, &resumed);
	assert_false(resumed);
	tls_context_tickets(other, keys + TLS_TICKET_KEY, 2);
	s = resume(other, s, &resumed);
	assert_true(resumed); /* and renewed with the second */
	tls_context_tickets(t, keys, 2);
	s = resume(t, s, &resumed);
	assert_true(resumed);
	tls_context_tickets(t, keys + 2 * TLS_TICKET_KEY, 1);
	s = resume(t, s, &resumed);
	assert_false(resumed);
	SSL_SESSION_free(s);
	tls_context_unref(t);
	tls_context_unref(other);
}

/* --- what cannot be ------------------------------------------------------- */

static void
a_configuration_that_cannot_be_names_what(void **state)
{
	const struct tls_pair two[] = { a.pair, { b.pair.cert, a.pair.key } };
	const struct {
		struct tls_config conf;
		const char *words;
	} bad[] = {
		{ { .npairs = 0 }, "certificates: found 0" },
		{ { .pairs = two, .npairs = 2 }, "certificates[1]: key: " },
		{ { .pairs = two, .npairs = 1, .ciphers = "NONE" },
		    "ciphers: " },
		{ { .pairs = two, .npairs = 1, .suites = "NONE" },
		    "ciphersuites: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tls_context *t;
		struct err err;

		assert_int_equal(
		    tls_context_new(&t, &bad[i].conf, &err), -EINVAL);
		assert_null(t);
		assert_non_null(strstr(err.text, bad[i].words));
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static int
all_at_once(void)
{
	const struct tls_pair pairs[] = { a.pair, b.pair, rsa.pair };
	struct tls_context *t;
	struct tls_conn *c;
	struct err err;
	int r = tls_context_new(
	    &t, &(struct tls_config){ .pairs = pairs, .npairs = 3 }, &err);

	if (r < 0)
		return r;
	c = tls_conn_new(t, 0);
	tls_context_unref(t);
	if (c == NULL)
		return -ENOMEM;
	tls_conn_free(c);
	return 0;
}

static void
without_memory_nothing_is_made_and_nothing_left(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		int r = all_at_once();

		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_certificate_has_the_names_that_a_host_can_have),
		cmocka_unit_test(
		    what_is_no_certificate_or_no_key_for_it_is_refused),
		cmocka_unit_test(a_name_is_read_whole_or_not_at_all),
		cmocka_unit_test(
		    the_name_chooses_and_the_ciphers_decide_between_twins),
		cmocka_unit_test(a_connection_holds_its_context),
		cmocka_unit_test(h2_is_offered_only_where_it_is_asked_for),
		cmocka_unit_test(bytes_come_whole_whatever_the_socket_takes),
		cmocka_unit_test(nothing_stays_behind_without_being_told),
		cmocka_unit_test(an_end_is_one_only_where_it_was_said),
		cmocka_unit_test(what_shall_look_broken_says_no_end),
		cmocka_unit_test(garbage_fails_once_and_for_good),
		cmocka_unit_test(a_ticket_is_good_for_as_long_as_its_key),
		cmocka_unit_test(a_configuration_that_cannot_be_names_what),
		cmocka_unit_test(
		    without_memory_nothing_is_made_and_nothing_left),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
