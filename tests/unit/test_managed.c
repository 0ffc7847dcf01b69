/* SPDX-License-Identifier: ISC */

#include <errno.h>
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
#include "cluster/managed.h"
#include "cluster/registry.h"
#include "redis/url.h"
#include "redis_server.h"

struct place {
	struct redis_server server; /* its folder is ours; url as drover */
	struct managed_args args;
	struct managed *m;
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err err;

	server_open(&p->server);
	p->args = (struct managed_args){
		.state = p->server.dir,
		.runtime = p->server.dir,
		.program = "redis-server",
		.max_memory = 32 << 20,
	};
	p->m = managed_new(&p->args, &err);
	if (p->m == NULL)
		fail_msg("%s", err.text);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	managed_free(p->m);
	server_done(&p->server);
	free(p);
	return 0;
}

static void
run(struct place *p)
{
	server_run(&p->server, managed_argv(p->m), managed_url(p->m));
}

static const char *
as(struct place *p, const char *url, const char *command)
{
	struct redis_server at = p->server;
	const char *answer;

	snprintf(at.url, sizeof(at.url), "%s", url);
	answer = server_ask(&at, command);
	return answer != NULL ? answer : "(gone)";
}

static const char *
as_drover(struct place *p, const char *command)
{
	return as(p, managed_url(p->m), command);
}

static const char *
as_service(struct place *p, const char *command)
{
	return as(p, managed_services_url(p->m), command);
}

static bool
denied(struct place *p, const char *command)
{
	const char *answer = as_service(p, command);

	/* A script is refused inside, some commands before the users. */
	if (strncmp(answer, "-NOPERM", 7) != 0 &&
	    strstr(answer, "can't access") == NULL &&
	    strstr(answer, "command not allowed") == NULL)
		fail_msg("%s: %s", command, answer);
	return true;
}

static void
it_is_as_the_contract_says(void **state)
{
	struct place *p = *state;
	char path[256];
	struct stat st;

	run(p);
	assert_string_equal(as_drover(p, "CONFIG GET port"), "port 0");
	assert_string_equal(as_drover(p, "CONFIG GET save"), "save ");
	assert_string_equal(
	    as_drover(p, "CONFIG GET appendonly"), "appendonly yes");
	assert_string_equal(
	    as_drover(p, "CONFIG GET appendfsync"), "appendfsync everysec");
	assert_string_equal(as_drover(p, "CONFIG GET maxmemory-policy"),
	    "maxmemory-policy noeviction");
	assert_string_equal(
	    as_drover(p, "CONFIG GET maxmemory"), "maxmemory 33554432");
	assert_string_equal(as_drover(p, "ACL WHOAMI"), "drover");
	snprintf(path, sizeof(path), "dir %s/redis", p->server.dir);
	assert_string_equal(as_drover(p, "CONFIG GET dir"), path);
	assert_int_equal(stat(managed_socket(p->m), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_string_equal(managed_directory(p->m), path + 4);
}

static void
secrets_are_for_us_alone(void **state)
{
	static const char *const files[] = { "redis.conf", "users.acl",
		"secrets" };
	struct place *p = *state;
	char path[256];
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(
		    path, sizeof(path), "%s/redis/%s", p->server.dir, files[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	assert_int_equal(stat(managed_directory(p->m), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_null(strstr(managed_argv(p->m)[1], managed_url(p->m) + 14));
	assert_string_not_equal(managed_url(p->m), managed_services_url(p->m));
}

static void
nobody_gets_in_without_a_password(void **state)
{
	struct place *p = *state;
	char url[256];

	run(p);
	snprintf(url, sizeof(url), "unix://%s", managed_socket(p->m));
	assert_int_equal(strncmp(as(p, url, "GET x"), "-NOAUTH", 7), 0);
	snprintf(url, sizeof(url), "unix://:x@%s", managed_socket(p->m));
	assert_int_equal(strncmp(as(p, url, "GET x"), "-NOAUTH", 7), 0);
}

static void
services_reach_everything_but_drovers_keys(void **state)
{
	static const char *const theirs[] = { "x", "a:b", "{room}:1", "{", "{d",
		"{drover", "{drover}", "{droves:1}", "drover", "D",
		"{Drover:x}" };
	static const char *const ours[] = { "{drover:t}:epoch",
		"{drover:t}:inst:image", "{drover:", "{drover::" };
	struct place *p = *state;
	char command[256];

	run(p);
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
		/* Those that are a beginning of the word stay out: no matter.
		 */
		if (strncmp("{drover:", theirs[i], strlen(theirs[i])) == 0)
			continue;
		snprintf(command, sizeof(command), "SET %s 1", theirs[i]);
		assert_string_equal(as_service(p, command), "OK");
	}
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		snprintf(command, sizeof(command), "GET %s", ours[i]);
		assert_true(denied(p, command));
		snprintf(command, sizeof(command), "DEL %s", ours[i]);
		assert_true(denied(p, command));
	}
	assert_true(denied(p, "SUBSCRIBE {drover:t}:events"));
	assert_true(denied(p, "PUBLISH {drover:t}:events x"));
	assert_true(
	    denied(p, "EVAL return(redis.call('DEL','{drover:t}:epoch')) 0"));
	assert_string_equal(as_service(p, "PUBLISH room:1 x"), "0");
	assert_non_null(strchr(as_service(p, "XADD jobs * k v"), '-'));
	assert_string_equal(as_service(p, "XLEN jobs"), "1");
}

static void
services_cannot_harm_the_server(void **state)
{
	static const char *const commands[] = { "FLUSHALL", "FLUSHDB",
		"CONFIG GET dir", "CONFIG SET maxmemory 1", "SHUTDOWN",
		"KEYS *", "ACL LIST", "ACL SETUSER x on", "DEBUG SLEEP 1",
		"SAVE", "REPLICAOF h 1", "MONITOR", "CLIENT KILL ID 1",
		"SWAPDB 0 1", "BGREWRITEAOF", "MODULE LIST",
		"MIGRATE h 1 k 0 1" };
	struct place *p = *state;

	run(p);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		assert_true(denied(p, commands[i]));
	assert_string_equal(as_service(p, "PING"), "PONG");
	assert_non_null(strstr(as_service(p, "INFO server"), "redis_version"));
	assert_string_equal(as_service(p, "CLIENT SETNAME x"), "OK");
}

static bool
is_up(void *arg)
{
	return registry_state(arg) == REGISTRY_UP;
}

static void
on_state(void *owner, enum registry_state state, const char *reason)
{
	(void)owner;
	(void)state;
	(void)reason;
}

static void
on_link(void *owner, bool up)
{
	(void)owner;
	(void)up;
}

static void
the_registry_lives_in_it_and_survives_its_restart(void **state)
{
	const struct registry_ops ops = { on_state, on_link };
	struct place *p = *state;
	struct loop *loop = loop_new(NULL);
	struct registry_args args = { .cluster = "t",
		.node = "a",
		.incarnation = "i",
		.url = managed_url(p->m) };
	struct registry_instance in = {
		.service = "s", .id = "s.0", .state = "ready"
	};
	struct registry *reg = registry_new(loop, &args, &ops, NULL, NULL);
	char birth[64];

	assert_int_equal(registry_set(reg, &in), 0);
	registry_start(reg);
	loop_for(loop, 100);
	assert_int_equal(registry_state(reg), REGISTRY_DOWN);
	run(p);
	registry_kick(reg);
	assert_true(loop_until(loop, is_up, reg, 2000));
	assert_string_equal(as_drover(p, "HLEN {drover:t}:inst:s"), "1");
	snprintf(
	    birth, sizeof(birth), "%s", as_drover(p, "GET {drover:t}:birth"));
	loop_for(loop, 1500); /* the AOF is synced each second */
	server_kill(&p->server);
	loop_for(loop, 50);
	assert_int_equal(registry_state(reg), REGISTRY_DOWN);
	run(p);
	assert_true(loop_until(loop, is_up, reg, 5000));
	assert_string_equal(as_drover(p, "GET {drover:t}:birth"), birth);
	registry_free(reg);
	loop_free(loop);
}

static void
read_file(const char *dir, const char *name, char *text, size_t size)
{
	struct buf b;
	char path[256];

	buf_init(&b, 1 << 16);
	snprintf(path, sizeof(path), "%s/redis/%s", dir, name);
	assert_int_equal(fd_read_file(path, &b), 0);
	snprintf(text, size, "%s", buf_str(&b));
	buf_done(&b);
}

static void
equal_arguments_give_equal_files(void **state)
{
	static const char *const files[] = { "redis.conf", "users.acl",
		"secrets" };
	struct place *p = *state;
	char before[4096], after[4096], url[512];

	snprintf(url, sizeof(url), "%s", managed_services_url(p->m));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		read_file(p->server.dir, files[i], before, sizeof(before));
		managed_free(p->m);
		p->m = managed_new(&p->args, NULL);
		assert_non_null(p->m);
		read_file(p->server.dir, files[i], after, sizeof(after));
		assert_string_equal(before, after);
	}
	assert_string_equal(url, managed_services_url(p->m));
}

static ino_t
inode(const struct place *p, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/redis/%s", p->server.dir, name);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static int
again(struct place *p, struct err *err)
{
	managed_free(p->m);
	p->m = managed_new(&p->args, err);
	return p->m == NULL ? -1 : 0;
}

/* A folder where the new file would be made stands for a full disk. */
static void
what_a_full_disk_does_not_take_stays_as_it_was(void **state)
{
	struct place *p = *state;
	char block[256], file[256];
	ino_t conf = inode(p, "redis.conf"), acl = inode(p, "users.acl");
	struct err err;

	snprintf(file, sizeof(file), "%s/redis/redis.conf", p->server.dir);
	snprintf(
	    block, sizeof(block), "%s/redis/redis.conf.tmp", p->server.dir);
	assert_int_equal(mkdir(block, 0700), 0);
	/* Nothing to write. */
	assert_int_equal(again(p, &err), 0);
	/* It says something else now, and is still good enough. */
	p->args.max_memory = 64 << 20;
	assert_int_equal(again(p, &err), 0);
	assert_int_equal(inode(p, "redis.conf"), conf);
	assert_int_equal(inode(p, "users.acl"), acl);
	/* The disk has room again. */
	assert_int_equal(rmdir(block), 0);
	assert_int_equal(again(p, &err), 0);
	assert_int_not_equal(inode(p, "redis.conf"), conf);
	assert_int_equal(inode(p, "users.acl"), acl);
	/* None at all is an error. */
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(block, 0700), 0);
	assert_int_equal(again(p, &err), -1);
	assert_non_null(strstr(err.text, "cannot write"));
	assert_int_equal(rmdir(block), 0);
}

static void
damaged_secrets_are_an_error_that_says_what_to_do(void **state)
{
	static const char *const texts[] = { "", "drover x\nservices y\n",
		"drover 0123\n", "services\n" };
	struct place *p = *state;
	char path[256];
	struct err err;

	snprintf(path, sizeof(path), "%s/redis/secrets", p->server.dir);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(fd_replace_file(path, texts[i],
				     strlen(texts[i]), 0600, NULL),
		    0);
		assert_null(managed_new(&p->args, &err));
		assert_non_null(strstr(err.text, "damaged"));
	}
	assert_int_equal(unlink(path), 0);
	managed_free(p->m);
	p->m = managed_new(&p->args, &err);
	assert_non_null(p->m);
}

static void
odd_folders_are_quoted_or_refused(void **state)
{
	struct place *p = *state;
	char dir[128], longer[256];
	struct managed_args args = p->args;
	struct managed *m;
	struct err err;

	snprintf(dir, sizeof(dir), "%s/a \"b\\ é", p->server.dir);
	assert_int_equal(fd_mkdirs(dir, 0700, &err), 0);
	args.state = args.runtime = dir;
	m = managed_new(&args, &err);
	assert_non_null(m);
	server_run(&p->server, managed_argv(m), managed_url(m));
	assert_string_equal(as(p, managed_url(m), "PING"), "PONG");
	managed_free(m);

	args.runtime = "relative";
	assert_null(managed_new(&args, &err));
	args.runtime = "/a\nb";
	assert_null(managed_new(&args, &err));
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[120] = '\0';
	args.runtime = longer;
	assert_null(managed_new(&args, &err));
	assert_non_null(strstr(err.text, "107"));
	args.runtime = dir;
	args.max_memory = 1 << 20;
	assert_null(managed_new(&args, &err));
	assert_non_null(strstr(err.text, "4MiB"));
	args.max_memory = 4 << 20;
	args.state = "/proc/nowhere";
	assert_null(managed_new(&args, &err));
	assert_non_null(strstr(err.text, "/proc/nowhere"));
}

static void
a_missing_redis_server_is_said(void **state)
{
	struct place *p = *state;
	struct err err;

	assert_int_equal(managed_check(p->m, &err), 0);
	managed_free(p->m);
	p->args.program = "no-such-redis-server";
	p->m = managed_new(&p->args, &err);
	assert_non_null(p->m);
	assert_int_equal(managed_check(p->m, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no-such-redis-server"));
	managed_free(p->m);
	p->args.program = "/no/such/redis-server";
	p->m = managed_new(&p->args, &err);
	assert_int_equal(managed_check(p->m, &err), -ENOENT);
}

static void
every_allocation_may_fail(void **state)
{
	struct place *p = *state;

	ALLOC_FAIL_EACH({
		struct err err = { "" };
		struct managed *m = managed_new(&p->args, &err);

		assert_true(m != NULL || alloc_failed());
		assert_true(m != NULL || err.text[0] != '\0');
		managed_free(m);
	});
	managed_free(NULL);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_is_as_the_contract_says),
		T(secrets_are_for_us_alone),
		T(nobody_gets_in_without_a_password),
		T(services_reach_everything_but_drovers_keys),
		T(services_cannot_harm_the_server),
		T(the_registry_lives_in_it_and_survives_its_restart),
		T(equal_arguments_give_equal_files),
		T(what_a_full_disk_does_not_take_stays_as_it_was),
		T(damaged_secrets_are_an_error_that_says_what_to_do),
		T(odd_folders_are_quoted_or_refused),
		T(a_missing_redis_server_is_said),
		T(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
