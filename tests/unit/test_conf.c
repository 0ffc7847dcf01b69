/* SPDX-License-Identifier: ISC */

/* What a configuration may say, and what services may not among each other. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "conf/expand.h"
#include "conf_folder.h"
#include "model/seccomp.h"

/* --- what is right -------------------------------------------------------- */

static void
an_empty_file_gives_the_defaults(void **state)
{
	struct folder *f = *state;
	const struct conf *c;

	folder_put(f, "drover.yaml", "");
	c = folder_accept(f);
	assert_int_equal(c->nlisten, 1);
	assert_string_equal(c->listen[0].address, "127.0.0.1:8080");
	assert_string_equal(c->admin.socket, "/run/drover/admin.sock");
	assert_null(c->admin.group_admin);
	assert_int_equal(c->registry.kind, CONF_REGISTRY_MANAGED);
	assert_string_equal(c->registry.cluster, "drover");
	assert_string_equal(c->registry.program, "redis-server");
	assert_int_equal(c->registry.max_memory, 64 << 20);
	assert_int_not_equal(c->node.name[0], '\0');
	assert_string_equal(c->dirs.state, "/var/lib/drover");
	assert_true(c->workers >= 1);
	assert_null(c->user);
	assert_int_equal(c->port_first, 20000);
	assert_int_equal(c->port_last, 29999);
	assert_int_equal(c->log_size, 10 << 20);
	assert_int_equal(c->log_files, 3);
	assert_false(c->log_journal);
	assert_int_equal(c->access.format, CONF_ACCESS_OFF);
	assert_string_equal(c->access.file, "/var/log/drover/access.log");
	assert_int_equal(c->access.sample, 100);
	assert_int_equal(c->ntrusted, 0);
	assert_int_equal(c->nservices, 0);
	assert_null(conf_service(c, "image"));
	conf_unref(c);
}

static void
a_service_has_the_defaults_of_the_design(void **state)
{
	struct folder *f = *state;
	const struct conf_service *s;
	const struct conf *c;

	folder_put(f, "a", "service: a\ncommand: [a]\n");
	c = folder_accept(f);
	s = conf_service(c, "a");
	assert_non_null(s);
	assert_string_equal(s->command[0], "a");
	assert_null(s->command[1]);
	assert_int_equal(s->nenv, 0);
	assert_null(s->directory);
	assert_int_equal(s->replicas_min, 1);
	assert_int_equal(s->replicas_max, 1);
	assert_int_equal(s->listen, CONF_SOCKET_UNIX);
	assert_int_equal(s->nroutes, 0);
	assert_int_equal(s->readiness.kind, CONF_CHECK_TCP);
	assert_int_equal(s->readiness.interval_ms, 2000);
	assert_int_equal(s->readiness.rise, 2);
	assert_int_equal(s->readiness.fall, 3);
	assert_int_equal(s->liveness.kind, CONF_CHECK_NONE);
	assert_int_equal(s->start_timeout_ms, 60000);
	assert_int_equal(s->restart.first_ms, 0);
	assert_int_equal(s->restart.base_ms, 100);
	assert_int_equal(s->restart.max_ms, 60000);
	assert_int_equal(s->restart.reset_ms, 60000);
	assert_int_equal(s->stop.drain_ms, 30000);
	assert_int_equal(s->stop.signal, SIGTERM);
	assert_int_equal(s->stop.timeout_ms, 10000);
	assert_int_equal(s->balance, CONF_BALANCE_LEAST);
	assert_int_equal(s->limits.concurrency, 0);
	assert_int_equal(s->limits.queue, 100);
	assert_int_equal(s->limits.queue_timeout_ms, 5000);
	assert_int_equal(s->limits.body, 64 << 20);
	assert_int_equal(s->limits.request_timeout_ms, 60000);
	assert_int_equal(s->resources.memory, 0);
	assert_true(s->sandbox.network);
	assert_false(s->sandbox.optional);
	assert_false(s->sandbox.no_new_privs || s->sandbox.seccomp);
	assert_true(s->sandbox.capabilities);
	assert_int_equal(s->sandbox.seccomp_allow, 0);
	assert_null(s->depends_on[0]);
	assert_null(s->calls[0]);
	assert_false(s->needs_redis);
	conf_unref(c);
}

static void
every_key_of_the_root_is_read(void **state)
{
	struct folder *f = *state;
	const struct conf *c;

	folder_put(f, "drover.yaml",
	    "listen: [{address: 0.0.0.0:80}, {address: '[::1]:81'},"
	    " {address: 'unix:/x/y', http2: always, http2_streams: 7}]\n"
	    "admin: {socket: /r/a, groups: {admin: adm, read: users}}\n"
	    "registry: {url: 'redis://u:p@h:1/2', cluster: C.1, memory: 1GiB,"
	    " program: /bin/r}\n"
	    "node: {name: N-1}\nworkers: 3\nuser: www\n"
	    "trusted_proxies: [10.0.0.0/8, 1.2.3.4, 'fd00::/8', '::1', "
	    "'::/0']\n"
	    "ports: {first: 1024, last: 65535}\n"
	    "directories: {runtime: /r, state: /s, cache: /c, logs: /l}\n"
	    "log: {destination: journal, size: 64KiB, files: 100}\n");
	c = folder_accept(f);
	assert_int_equal(c->nlisten, 3);
	assert_string_equal(c->listen[1].address, "[::1]:81");
	assert_int_equal(c->listen[1].http2, CONF_HTTP2_TLS);
	assert_int_equal(c->listen[1].http2_streams, 128);
	assert_string_equal(c->listen[2].address, "unix:/x/y");
	assert_int_equal(c->listen[2].http2, CONF_HTTP2_ALWAYS);
	assert_int_equal(c->listen[2].http2_streams, 7);
	assert_string_equal(c->admin.socket, "/r/a");
	assert_string_equal(c->admin.group_admin, "adm");
	assert_string_equal(c->admin.group_read, "users");
	assert_int_equal(c->registry.kind, CONF_REGISTRY_URL);
	assert_string_equal(c->registry.url, "redis://u:p@h:1/2");
	assert_string_equal(c->registry.cluster, "C.1");
	assert_int_equal(c->registry.max_memory, 1 << 30);
	assert_string_equal(c->registry.program, "/bin/r");
	assert_string_equal(c->node.name, "N-1");
	assert_int_equal(c->workers, 3);
	assert_string_equal(c->user, "www");
	assert_int_equal(c->ntrusted, 5);
	assert_int_equal(c->trusted[0].prefix, 104);
	assert_int_equal(c->trusted[0].address[11], 0xff);
	assert_int_equal(c->trusted[0].address[12], 10);
	assert_int_equal(c->trusted[1].prefix, 128);
	assert_int_equal(c->trusted[2].prefix, 8);
	assert_int_equal(c->trusted[2].address[0], 0xfd);
	assert_int_equal(c->trusted[3].prefix, 128);
	assert_int_equal(c->trusted[4].prefix, 0);
	assert_int_equal(c->port_first, 1024);
	assert_int_equal(c->port_last, 65535);
	assert_string_equal(c->dirs.runtime, "/r");
	assert_string_equal(c->dirs.logs, "/l");
	assert_true(c->log_journal);
	assert_int_equal(c->log_size, 64 << 10);
	assert_int_equal(c->log_files, 100);
	conf_unref(c);
}

static const char full_service[] =
    "service: a\ncommand: [x, '${PORT}', '']\n"
    "env: {B: '$${X}', A: \"1\"}\ndirectory: /d\nreplicas: 256\n"
    "listen: port\n"
    "route:\n"
    "  - {path: /p/, host: '*.Example.org', methods: [GET, PATCH],"
    " rewrite: /q, expose: internal}\n"
    "  - {exact: /e, strip: true}\n"
    "readiness: {exec: [t, u], interval: 1m, timeout: 10ms, rise: 1,"
    " fall: 100}\n"
    "liveness: {path: '/h?x=1', interval: 3s, timeout: 2s, fall: 9}\n"
    "start: {timeout: 5s}\n"
    "restart: {first: 1s, base: 2s, max: 1h, reset: 1d}\n"
    "stop: {drain: 0ms, signal: QUIT, timeout: 0s}\n"
    "rollout: {watch: 1m, errors: 0%, minimum: 1}\n"
    "balance: {hash: 'cookie:sid'}\n"
    "limits: {concurrency: 1, queue: 2, queue_timeout: 3s, body: 4,"
    " request_timeout: 5s, idle_timeout: 6s}\n"
    "resources: {memory: 7MiB, cpu: 150%, files: 8, processes: 9}\n"
    "sandbox: {user: nobody, private_tmp: true, read_only: true,"
    " network: true, optional: true, no_new_privs: true,"
    " capabilities: false, seccomp: default,"
    " seccomp_allow: [debug, io_uring]}\n"
    "depends_on: [redis, b]\ncalls: [b]\nneeds_redis: true\n";

static void
every_key_of_a_service_is_read(void **state)
{
	struct folder *f = *state;
	const struct conf_service *s;
	const struct conf *c;

	folder_put(f, "b", "service: b\ncommand: [b]\n");
	folder_put(f, "a", full_service);
	c = folder_accept(f);
	s = conf_service(c, "a");
	assert_string_equal(s->command[1], "${PORT}");
	assert_string_equal(s->command[2], "");
	assert_null(s->command[3]);
	assert_int_equal(s->nenv, 2);
	assert_string_equal(s->env[0].name, "A"); /* by name */
	assert_string_equal(s->env[1].value, "$${X}");
	assert_string_equal(s->directory, "/d");
	assert_int_equal(s->replicas_max, 256);
	assert_int_equal(s->listen, CONF_SOCKET_PORT);
	assert_int_equal(s->nroutes, 2);
	assert_string_equal(s->routes[0].host, "*.example.org");
	assert_string_equal(s->routes[0].path, "/p/");
	assert_string_equal(s->routes[0].rewrite, "/q");
	assert_int_equal(s->routes[0].methods, CONF_GET | CONF_PATCH);
	assert_true(s->routes[0].internal);
	assert_false(s->routes[0].exact);
	assert_int_equal(s->routes[0].line, 8);
	assert_true(s->routes[1].exact);
	assert_true(s->routes[1].strip);
	conf_unref(c);
}

static void
every_rule_of_a_service_is_read(void **state)
{
	struct folder *f = *state;
	const struct conf_service *s;
	const struct conf *c;

	folder_put(f, "b", "service: b\ncommand: [b]\n");
	folder_put(f, "a", full_service);
	c = folder_accept(f);
	s = conf_service(c, "a");
	assert_int_equal(s->readiness.kind, CONF_CHECK_EXEC);
	assert_string_equal(s->readiness.command[1], "u");
	assert_int_equal(s->readiness.interval_ms, 60000);
	assert_int_equal(s->liveness.kind, CONF_CHECK_HTTP);
	assert_string_equal(s->liveness.path, "/h?x=1");
	assert_int_equal(s->liveness.fall, 9);
	assert_int_equal(s->restart.reset_ms, 86400000);
	assert_int_equal(s->stop.drain_ms, 0);
	assert_int_equal(s->stop.signal, SIGQUIT);
	assert_int_equal(s->balance, CONF_BALANCE_HASH);
	assert_int_equal(s->hash, CONF_HASH_COOKIE);
	assert_string_equal(s->hash_name, "sid");
	assert_int_equal(s->limits.body, 4);
	assert_int_equal(s->limits.idle_timeout_ms, 6000);
	assert_int_equal(s->resources.memory, 7 << 20);
	assert_int_equal(s->resources.cpu_percent, 150);
	assert_int_equal(s->resources.processes, 9);
	assert_string_equal(s->sandbox.user, "nobody");
	assert_true(s->sandbox.optional);
	assert_true(s->sandbox.no_new_privs && !s->sandbox.capabilities);
	assert_true(s->sandbox.seccomp);
	assert_int_equal(s->sandbox.seccomp_allow,
	    1u << SECCOMP_DEBUG | 1u << SECCOMP_IO_URING);
	assert_string_equal(s->depends_on[1], "b");
	assert_string_equal(s->calls[0], "b");
	assert_true(s->needs_redis);
	conf_unref(c);
}

static void
short_forms_are_read(void **state)
{
	struct folder *f = *state;
	const struct conf *c;

	folder_put(f, "drover.yaml", "registry: none\nworkers: auto\nlog:\n");
	folder_put(f, "a",
	    "service: a\ncommand: [a]\nbalance: round_robin\nready: notify\n");
	folder_put(f, "b",
	    "service: b\ncommand: [a]\nbalance: {hash: source}\n"
	    "readiness: {tcp: true}\nliveness: {tcp: true}\nlimits:\n");
	c = folder_accept(f);
	assert_int_equal(c->registry.kind, CONF_REGISTRY_NONE);
	assert_int_equal(c->services[0].balance, CONF_BALANCE_ROUND_ROBIN);
	assert_int_equal(c->services[0].readiness.kind, CONF_CHECK_NOTIFY);
	assert_int_equal(c->services[1].hash, CONF_HASH_SOURCE);
	assert_string_equal(c->services[1].hash_name, "");
	assert_int_equal(c->services[1].liveness.kind, CONF_CHECK_TCP);
	conf_unref(c);
}

static void
services_stand_by_name(void **state)
{
	struct folder *f = *state;
	const struct conf *c;

	folder_put(f, "1", "service: zebra\ncommand: [a]\n");
	folder_put(f, "2", "service: ape\ncommand: [a]\n");
	folder_put(f, "3", "service: lion\ncommand: [a]\n");
	folder_put(f, ".4", "this is no service: [");
	c = folder_accept(f);
	assert_int_equal(c->nservices, 3);
	assert_string_equal(c->services[0].name, "ape");
	assert_string_equal(c->services[2].name, "zebra");
	assert_non_null(strstr(c->services[2].file, "services.d/1.yaml"));
	assert_int_equal(c->services[2].line, 1);
	assert_int_equal(conf_line(&c->services[2], "command"), 2);
	assert_int_equal(conf_line(&c->services[2], "stop.signal"), 1);
	conf_unref(c);
}

/* --- what is wrong between services --------------------------------------- */

static void
a_name_stands_once(void **state)
{
	struct folder *f = *state;

	folder_put(f, "a", "service: x\ncommand: [a]\n");
	folder_put(f, "b", "# second\nservice: x\ncommand: [a]\n");
	assert_null(folder_load(f));
	assert_non_null(strstr(buf_str(&f->errors),
	    "b.yaml:2: service: found \"x\", which stands in a.yaml:1 too; "
	    "allowed once\n"));
}

static void
a_route_belongs_to_one_service(void **state)
{
	/* clang-format off */
	static const struct {
		const char *a, *b;
		bool clash;
	} cases[] = {
		{ "path: /x", "path: /x", true },
		{ "path: /x", "path: /x/", false },
		{ "path: /x", "path: /y", false },
		{ "path: /x", "exact: /x", false },
		{ "exact: /x", "exact: /x", true },
		{ "path: /x, host: a", "path: /x, host: A", true },
		{ "path: /x, host: a", "path: /x", false },
		{ "path: /x, host: a", "path: /x, host: b", false },
		{ "path: /x, methods: [GET]", "path: /x", true },
		{ "path: /x, methods: [GET]", "path: /x, methods: [POST]", false },
		{ "path: /x, methods: [GET, PUT]", "path: /x, methods: [PUT]", true },
		{ "path: /x, expose: internal", "path: /x", true },
		{ "path: /x, strip: true", "path: /x, rewrite: /y", true },
	};
	/* clang-format on */
	struct folder *f = *state;
	char yaml[256];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(yaml, sizeof(yaml),
		    "service: a\ncommand: [a]\nroute: [{%s}]\n", cases[i].a);
		folder_put(f, "a", yaml);
		snprintf(yaml, sizeof(yaml),
		    "service: b\ncommand: [a]\n\nroute: [{%s}]\n", cases[i].b);
		folder_put(f, "b", yaml);
		if (!cases[i].clash) {
			conf_unref(folder_accept(f));
			continue;
		}
		assert_null(folder_load(f));
		assert_non_null(
		    strstr(buf_str(&f->errors), "b.yaml:4: route[0]: found "));
		assert_non_null(strstr(buf_str(&f->errors),
		    "/x, which a has at a.yaml:3; allowed one service for a "
		    "route\n"));
	}
}

static void
every_clash_of_a_route_is_found(void **state)
{
	struct folder *f = *state;

	folder_put(f, "a",
	    "service: a\ncommand: [a]\nroute: [{path: /x, methods: [GET]}]\n");
	folder_put(f, "b",
	    "service: b\ncommand: [a]\nroute: [{path: /x, methods: [PUT]}]\n");
	folder_put(f, "c",
	    "service: c\ncommand: [a]\nroute: [{path: /x, methods: [GET]}]\n");
	folder_refuse(f,
	    "c.yaml:3: route[0]: found /x, which a has at a.yaml:3; allowed "
	    "one service for a route\n");
}

static void
dependencies_must_be_known(void **state)
{
	struct folder *f = *state;

	folder_put(f, "image", "service: image\ncommand: [a]\n");
	folder_put(f, "b",
	    "service: b\ncommand: [a]\ndepends_on: [imgae]\ncalls: [c]\n");
	folder_refuse(f,
	    "b.yaml:3: depends_on: found \"imgae\" (image?); allowed names of "
	    "services\n"
	    "b.yaml:4: calls: found \"c\"; allowed names of services\n");
}

static void
what_is_broken_is_not_called_unknown(void **state)
{
	struct folder *f = *state;

	folder_put(f, "a", "service: a\ncommand: [a]\nreplicas: x\n");
	folder_put(f, "b", "service: b\ncommand: [a]\ndepends_on: [a]\n");
	folder_refuse(f,
	    "a.yaml:3: replicas: found \"x\"; allowed an integer from 0 to "
	    "256, or {min: 0, max: 8} with max from 1 to that\n");
}

static void
dependencies_have_no_circle(void **state)
{
	struct folder *f = *state;

	folder_put(f, "a", "service: a\ncommand: [a]\n\ndepends_on: [b]\n");
	folder_put(f, "b", "service: b\ncommand: [a]\ndepends_on: [c]\n");
	folder_put(f, "c", "service: c\ncommand: [a]\ndepends_on: [a, d]\n");
	folder_put(f, "d", "service: d\ncommand: [a]\n");
	folder_put(f, "e", "service: e\ncommand: [a]\ndepends_on: [a]\n");
	folder_refuse(f,
	    "a.yaml:4: depends_on: found a circle that comes back from \"c\"; "
	    "allowed none\n");
}

static void
without_a_registry_there_is_no_redis(void **state)
{
	struct folder *f = *state;

	folder_put(f, "a",
	    "service: a\ncommand: [a]\nneeds_redis: true\n"
	    "depends_on: [redis]\n");
	conf_unref(folder_accept(f));
	folder_put(f, "drover.yaml", "registry: redis://there\n");
	conf_unref(folder_accept(f));
	folder_put(f, "drover.yaml", "registry: none\n");
	folder_refuse(f,
	    "a.yaml:3: needs_redis: found true with registry: none; allowed "
	    "false, or registry: managed or a redis:// URL\n"
	    "a.yaml:4: depends_on: found \"redis\"; allowed names of "
	    "services\n");
	folder_put(f, "a", "service: a\ncommand: [a]\ndepends_on: [redis]\n");
	folder_put(f, "redis", "service: redis\ncommand: [a]\n");
	conf_unref(folder_accept(f)); /* one of one's own */
}

/* --- files ---------------------------------------------------------------- */

static void
all_faults_are_told_up_to_twenty(void **state)
{
	struct folder *f = *state;
	size_t lines = 0;
	char name[8];

	for (unsigned i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "s%02u", i);
		folder_put(f, name,
		    "service: A\ncommand: []\nreplicas: x\nlisten: y\n");
	}
	assert_null(folder_load(f));
	for (const char *p = buf_str(&f->errors); *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 20);
	assert_non_null(strstr(buf_str(&f->errors), "s00.yaml:1: service:"));
	assert_non_null(strstr(buf_str(&f->errors), "s04.yaml:4: listen:"));
}

static void
a_missing_file_is_named(void **state)
{
	struct folder *f = *state;

	folder_drop(f, "drover.yaml");
	folder_refuse(f,
	    "drover.yaml: (file): found No such file or directory; allowed a "
	    "readable file\n");
}

static void
a_file_over_a_mebibyte_is_refused(void **state)
{
	size_t n = 1024 * 1024 + 1;
	char *text = malloc(n + 1);
	struct folder *f = *state;

	assert_non_null(text);
	memset(text, '#', n);
	text[n] = '\0';
	folder_put(f, "drover.yaml", text);
	folder_refuse(f,
	    "drover.yaml: (file): found more than 1 MiB; allowed that "
	    "much\n");
	text[n - 1] = '\0';
	folder_put(f, "drover.yaml", text);
	conf_unref(folder_accept(f));
	free(text);
}

static void
a_process_is_not_given_too_much(void **state)
{
	char *yaml = malloc(70000);
	struct folder *f = *state;

	assert_non_null(yaml);
	snprintf(yaml, 70000, "service: s\ncommand: [s, \"%065534d\"]\n", 0);
	folder_put(f, "s", yaml);
	folder_refuse(f,
	    "s.yaml:2: command: found 65537 bytes of command and env; allowed "
	    "65536\n");
	snprintf(yaml, 70000, "service: s\ncommand: [s, \"%065533d\"]\n", 0);
	folder_put(f, "s", yaml);
	conf_unref(folder_accept(f));
	free(yaml);
}

/* --- expansion ------------------------------------------------------------ */

static void
variables_are_replaced(void **state)
{
	static const struct expand values = {
		.port = "80",
		.instance = "a.0",
		.node = "n",
	};
	/* clang-format off */
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{ "", "" },			{ "plain", "plain" },
		{ "${PORT}", "80" },		{ "a${PORT}b${NODE}", "a80bn" },
		{ "${INSTANCE}${PORT}", "a.080" },
		{ "$$", "$" },			{ "$${PORT}", "${PORT}" },
		{ "$$$$", "$$" },		{ "$$${PORT}", "$80" },
		{ "$HOME $1 $", "$HOME $1 $" },	{ "100%", "100%" },
		{ "${SOCKET}", NULL },		{ "${port}", NULL },
		{ "${PORT", NULL },		{ "${}", NULL },
		{ "${PORT }", NULL },		{ "${${PORT}}", NULL },
		{ "x${", NULL },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out;
		struct err err;
		int r;

		buf_init(&out, 64);
		assert_int_equal(buf_puts(&out, "kept "), 0);
		r = expand(&values, cases[i].text, &out, &err);
		assert_int_equal(r, cases[i].want != NULL ? 0 : -EINVAL);
		assert_string_equal(buf_str(&out) + 5,
		    cases[i].want != NULL ? cases[i].want : "");
		buf_done(&out);
	}
}

static void
an_expansion_has_a_ceiling(void **state)
{
	static const struct expand values = { .node = "0123456789" };
	struct buf out;

	(void)state;
	buf_init(&out, 25);
	assert_int_equal(expand(&values, "${NODE}${NODE}", &out, NULL), 0);
	assert_int_equal(
	    expand(&values, "${NODE}${NODE}", &out, NULL), -ENOBUFS);
	assert_string_equal(buf_str(&out), "01234567890123456789");
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(an_empty_file_gives_the_defaults),
		F(a_service_has_the_defaults_of_the_design),
		F(every_key_of_the_root_is_read),
		F(every_key_of_a_service_is_read),
		F(every_rule_of_a_service_is_read),
		F(short_forms_are_read),
		F(services_stand_by_name),
		F(a_name_stands_once),
		F(a_route_belongs_to_one_service),
		F(every_clash_of_a_route_is_found),
		F(dependencies_must_be_known),
		F(what_is_broken_is_not_called_unknown),
		F(dependencies_have_no_circle),
		F(without_a_registry_there_is_no_redis),
		F(all_faults_are_told_up_to_twenty),
		F(a_missing_file_is_named),
		F(a_file_over_a_mebibyte_is_refused),
		F(a_process_is_not_given_too_much),
		F(variables_are_replaced),
		F(an_expansion_has_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
