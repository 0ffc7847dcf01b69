/* SPDX-License-Identifier: ISC */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "http/client.h"

static int
listen_tcp(char *address, size_t size)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(listen(fd, 1), 0);
	snprintf(address, size, "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
	return fd;
}

static void
a_call_waits_for_its_answer(void **state)
{
	struct client_request q = { .address = "unix:/nonexistent",
		.target = "/" };
	struct client_answer answer;
	struct err err = { "" };

	(void)state;
	assert_int_equal(client_call(&q, &answer, &err), -ENOENT);
	assert_non_null(strstr(err.text, "unix:/nonexistent"));
	buf_done(&answer.body);
	q.target = "";
	assert_int_equal(client_call(&q, &answer, &err), -EINVAL);
	buf_done(&answer.body);
}

/* Accept one, say it, wait for the other side to close; in a child. */
static void
serve_once(int listener, struct span reply)
{
	int fd = accept(listener, NULL, NULL);
	char byte;

	if (fd < 0 || fd_write_all(fd, reply.p, reply.n) < 0)
		_exit(1);
	shutdown(fd, SHUT_WR);
	while (read(fd, &byte, 1) > 0)
		;
	_exit(0);
}

static void
a_call_gives_the_whole_answer(void **state)
{
	struct client_request q = { .target = "/", .total_ms = 5000 };
	struct client_answer answer;
	char address[64];
	int listener;
	int status = 1;
	pid_t pid;

	(void)state;
	listener = listen_tcp(address, sizeof(address));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		serve_once(listener,
		    SPAN("HTTP/1.1 200 OK\r\n"
			 "Content-Type: text/x\r\n\r\nhello"));
	q.address = address;
	assert_int_equal(client_call(&q, &answer, NULL), 0);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.content_type, "text/x");
	assert_string_equal(buf_str(&answer.body), "hello");
	buf_done(&answer.body);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd_close(&listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_waits_for_its_answer),
		cmocka_unit_test(a_call_gives_the_whole_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
