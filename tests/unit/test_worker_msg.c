/* SPDX-License-Identifier: ISC */

/* worker_msg and address: what is sent is what arrives. */

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/fd.h"
#include "link/address.h"
#include "link/pack.h"
#include "link/worker_msg.h"

static const struct worker_msg hello = {
	.type = WORKER_HELLO,
	.version = WORKER_MSG_VERSION,
	.index = 5,
	.pid = 1234,
	.generation = 99,
	.requests = 1000000,
	.connections = 17,
};

static void
a_message_arrives_with_its_descriptors(void **state)
{
	struct worker_msg m = {
		.type = WORKER_LISTENERS, .nids = 2, .ids = { 10, 20 }
	};
	int sv[2], out[2] = { 0, 1 }, in[WORKER_MSG_FDS];
	unsigned n;
	struct err err;

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(worker_msg_send(sv[0], &hello, NULL, 0), 0);
	assert_int_equal(worker_msg_send(sv[0], &m, out, 2), 0);
	assert_int_equal(worker_msg_send(sv[0], &m, out, 1), -EINVAL);
	memset(&m, 0, sizeof(m));
	assert_int_equal(worker_msg_recv(sv[1], &m, in, &n, &err), 1);
	assert_memory_equal(&m, &hello, sizeof(m));
	assert_int_equal(worker_msg_recv(sv[1], &m, in, &n, &err), 1);
	assert_int_equal(m.nids, 2);
	assert_int_equal(m.ids[1], 20);
	assert_int_equal(n, 2);
	fd_close(&in[0]);
	fd_close(&in[1]);
	assert_int_equal(worker_msg_recv(sv[1], &m, in, &n, &err), -EAGAIN);
	assert_int_equal(write(sv[0], "garbage", 7), 7);
	assert_int_equal(worker_msg_recv(sv[1], &m, in, &n, &err), -EBADMSG);
	fd_close(&sv[0]);
	assert_int_equal(worker_msg_recv(sv[1], &m, in, &n, &err), 0);
	fd_close(&sv[1]);
}

static void
a_message_of_the_future_is_refused_with_the_reason(void **state)
{
	struct worker_msg m = hello, back;
	char data[WORKER_MSG_MAX];
	struct err err;
	ssize_t n;

	(void)state;
	m.version = WORKER_MSG_VERSION + 1;
	n = worker_msg_encode(&m, data, sizeof(data));
	assert_int_equal(
	    worker_msg_decode(&back, data, (size_t)n, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version 4"));
	n = worker_msg_encode(&hello, data, sizeof(data));
	for (ssize_t cut = 0; cut < n; cut++)
		assert_int_equal(
		    worker_msg_decode(&back, data, (size_t)cut, &err),
		    -EBADMSG);
	assert_int_equal(worker_msg_encode(&hello, data, 20), -EMSGSIZE);
}

static void
a_hello_of_the_version_before_is_read(void **state)
{
	struct worker_msg m = hello, back;
	char data[WORKER_MSG_MAX];
	struct err err;
	ssize_t n;

	(void)state;
	m.version = WORKER_MSG_VERSION - 1;
	n = worker_msg_encode(&m, data, sizeof(data));
	assert_int_equal(worker_msg_decode(&back, data, (size_t)n, &err), 0);
	assert_int_equal(back.version, WORKER_MSG_VERSION - 1);
	m.version--;
	n = worker_msg_encode(&m, data, sizeof(data));
	assert_int_equal(
	    worker_msg_decode(&back, data, (size_t)n, &err), -EPROTO);
}

static void
a_wake_names_the_cell_of_a_service(void **state)
{
	struct worker_msg m = { .type = WORKER_WAKE,
		.cell = SNAPSHOT_SERVICES_MAX - 1 };
	struct worker_msg back;
	char data[WORKER_MSG_MAX];
	struct err err;
	ssize_t n = worker_msg_encode(&m, data, sizeof(data));

	(void)state;
	assert_int_equal(worker_msg_decode(&back, data, (size_t)n, &err), 0);
	assert_int_equal(back.type, WORKER_WAKE);
	assert_int_equal(back.cell, SNAPSHOT_SERVICES_MAX - 1);
	m.cell++;
	n = worker_msg_encode(&m, data, sizeof(data));
	assert_int_equal(
	    worker_msg_decode(&back, data, (size_t)n, &err), -EBADMSG);
}

static void
addresses_are_numbers_or_paths(void **state)
{
	static const char *const good[] = { "unix:/a", "127.0.0.1:80",
		"[::1]:65535", "0.0.0.0:0", "[::]:80" };
	static const char *const bad[] = { "", ":", "unix:", "/a",
		"localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"1.2.3:80", "::1:80", "[::1]", "[::1:80", "[]:80",
		"127.0.0.1:+1", "127.0.0.1:8 0" };
	char path[130] = "unix:";
	struct address a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(address_parse(&a, good[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(address_parse(&a, bad[i]), -EINVAL);
	memset(path + 5, 'a', 107);
	assert_int_equal(address_parse(&a, path), 0);
	path[112] = 'a';
	assert_int_equal(address_parse(&a, path), -ENAMETOOLONG);
}

/* Bound to what the text says, it says the same again. */
static void
a_socket_says_its_address_as_it_is_written(void **state)
{
	static const char *const texts[] = { "127.0.0.1:0", "[::1]:0",
		"unix:/tmp/test_worker_msg.sock" };
	char text[ADDRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct address a, b, c;
		int fd;

		assert_int_equal(address_parse(&a, texts[i]), 0);
		fd = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(fd >= 0);
		assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
		assert_int_equal(address_of_socket(&b, fd), 0);
		assert_int_equal(address_parse(&c, address_text(&b, text)), 0);
		assert_true(address_equal(&b, &c));
		assert_string_not_equal(text, "127.0.0.1:0");
		assert_int_equal(
		    strncmp(text, texts[i], strlen(texts[i]) - 1), 0);
		c.u.in.sin_port ^= 1;
		assert_false(address_equal(&b, &c));
		close(fd);
	}
	unlink(texts[2] + 5);
}

static void
a_socket_at_no_such_address_is_refused(void **state)
{
	struct address a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(address_of_socket(&a, fd), -EINVAL); /* unbound */
	close(fd);
	assert_int_equal(address_of_socket(&a, fd), -EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_with_its_descriptors),
		cmocka_unit_test(
		    a_message_of_the_future_is_refused_with_the_reason),
		cmocka_unit_test(a_hello_of_the_version_before_is_read),
		cmocka_unit_test(a_wake_names_the_cell_of_a_service),
		cmocka_unit_test(addresses_are_numbers_or_paths),
		cmocka_unit_test(a_socket_says_its_address_as_it_is_written),
		cmocka_unit_test(a_socket_at_no_such_address_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
