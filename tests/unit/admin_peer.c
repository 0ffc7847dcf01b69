/* SPDX-License-Identifier: ISC */

#include "admin_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/api.h"
#include "base/array.h"
#include "base/clock.h"

#define PATIENCE_MS 5000

/* Somebody else's numbers: where the test is root, peers take these on. */
#define STRANGER 4001
#define GROUP_READ 1
#define GROUP_ADMIN 2

struct loop *loop;
struct control control;
struct admin *admin;
struct reply reply;

static struct loop_timer alarm_;
static char folder[] = "/tmp/test_admin.XXXXXX";
static char path[64];

/* --- the loop and its peers ----------------------------------------------- */

static void
on_alarm(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

void
peer_run(uint64_t ms)
{
	loop_timer_arm(&alarm_, ms);
	assert_int_equal(loop_run(loop), 0);
}

static int
listen_at(const char *where)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", where);
	unlink(where);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(chmod(where, 0777), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static char *
group_name(gid_t gid)
{
	struct group *g = getgrgid(gid);

	assert_non_null(g);
	return strdup(g->gr_name);
}

/*
 * An admin to whom a peer of this test has the role. A test that runs as root
 * connects as a stranger in the right group; any other cannot change who it
 * is, so what is changed is whom the admin takes it for.
 */
void
peer_start(enum role role)
{
	struct err err = { "" };
	bool root = getuid() == 0;
	char *groups[2] = {
		group_name(root ? GROUP_ADMIN : getgid()),
		group_name(root ? GROUP_READ : getgid()),
	};
	struct admin_args args = {
		.fd = listen_at(path),
		.group_admin = root || role == ROLE_ADMIN ? groups[0] : NULL,
		.group_read = root || role == ROLE_READ ? groups[1] : NULL,
		.uid = (uid_t)-2,
	};

	fake_control_init(&control, loop);
	admin = admin_new(loop, &control, &args, &err);
	assert_non_null(admin);
	free(groups[0]);
	free(groups[1]);
}

void
peer_stop(void)
{
	admin_free(admin);
	admin = NULL;
	assert_true(list_empty(&control.watches));
	assert_int_equal(control.followers, 0);
	fake_control_done(&control);
}

static int
dial_as(enum role role)
{
	static const gid_t groups[] = {
		[ROLE_NONE] = 4001,
		[ROLE_READ] = GROUP_READ,
		[ROLE_ADMIN] = GROUP_ADMIN,
	};
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool root = getuid() == 0;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (root) {
		assert_int_equal(setegid(groups[role]), 0);
		assert_int_equal(seteuid(STRANGER), 0);
	}
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (root) {
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(setegid(0), 0);
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void
send_text(int fd, const char *text)
{
	size_t n = strlen(text), at = 0;

	while (at < n) {
		ssize_t w = write(fd, text + at, n - at);

		if (w < 0 && errno == EPIPE)
			return;
		if (w > 0)
			at += (size_t)w;
		else
			peer_run(1);
	}
}

void
reply_clear(struct reply *r)
{
	r->len = 0;
	r->status = 0;
	r->text[0] = '\0';
	r->body = r->text;
}

/* What has come so far; true at its end. */
bool
reply_read(struct reply *r, int fd)
{
	ssize_t n = read(fd, r->text + r->len, TEXT_MAX - 1 - r->len);
	const char *body;

	if (n > 0)
		r->len += (size_t)n;
	r->text[r->len] = '\0';
	if (r->len > 12)
		r->status = (unsigned)strtoul(r->text + 9, NULL, 10);
	body = strstr(r->text, "\r\n\r\n");
	r->body = body != NULL ? body + 4 : r->text + r->len;
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* Until the text has come, or the end of all; whether it has. */
bool
reply_wait(struct reply *r, int fd, const char *text)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (clock_ms() < end) {
		bool over = reply_read(r, fd);

		if (text != NULL && strstr(r->text, text) != NULL)
			return true;
		if (over)
			return text == NULL;
		peer_run(1);
	}
	return false;
}

/* One whole exchange on its own connection; headers end with CRLF each. */
unsigned
peer_ask(enum role role, const char *method, const char *target,
    const char *headers, const char *body)
{
	static char text[ADMIN_BODY_MAX * 2 + 4096];
	int fd = dial_as(role);

	snprintf(text, sizeof(text),
	    "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
	    "Content-Length: %zu\r\n\r\n%s",
	    method, target, headers, strlen(body), body);
	reply_clear(&reply);
	send_text(fd, text);
	assert_true(reply_wait(&reply, fd, NULL));
	close(fd);
	return reply.status;
}

unsigned
peer_get(const char *target)
{
	return peer_ask(ROLE_ADMIN, "GET", target, "", "");
}

unsigned
peer_post(const char *target, const char *body)
{
	return peer_ask(ROLE_ADMIN, "POST", target, "", body);
}

/* A stream that goes on: the connection. */
int
peer_open(const char *target, const char *headers)
{
	char text[1024];
	int fd = dial_as(ROLE_ADMIN);

	snprintf(text, sizeof(text),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, headers);
	send_text(fd, text);
	return fd;
}

json_t *
reply_json(void)
{
	json_t *value = json_loads(reply.body, JSON_DECODE_ANY, NULL);

	assert_non_null(value);
	return value;
}

void
assert_problem(unsigned status, const char *type, const char *field)
{
	json_t *p = reply_json();
	const char *have = json_string_value(json_object_get(p, "type"));
	char want[64];

	assert_int_equal(reply.status, status);
	assert_non_null(strstr(reply.text, "application/problem+json"));
	snprintf(want, sizeof(want), "/errors/%s", type);
	assert_string_equal(have, want);
	assert_int_equal(
	    json_integer_value(json_object_get(p, "status")), status);
	if (field != NULL)
		assert_string_equal(
		    json_string_value(json_object_get(p, "field")), field);
	json_decref(p);
}

/* A path of the table with names that are there. */
const char *
peer_target(const struct api_route *r, char *out, size_t size)
{
	const char *hole = strchr(r->path, '{');

	if (hole == NULL)
		snprintf(out, size, "%s", r->path);
	else
		snprintf(out, size, "%.*s%s%s", (int)(hole - r->path), r->path,
		    hole[1] == 's' ? "image" : "image.0",
		    strchr(hole, '}') + 1);
	if (strcmp(r->path, "/v1/events") == 0)
		snprintf(out, size, "/v1/events?follow=false");
	return out;
}

int
peer_set_up(void **state)
{
	struct err err;

	(void)state;
	if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/admin.sock", folder);
	loop = loop_new(&err);
	if (loop == NULL)
		return -1;
	loop_timer_init(&alarm_, loop, on_alarm, NULL);
	return 0;
}

int
peer_tear_down(void **state)
{
	(void)state;
	loop_timer_done(&alarm_);
	loop_free(loop);
	unlink(path);
	return rmdir(folder);
}
