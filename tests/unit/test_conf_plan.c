/* SPDX-License-Identifier: ISC */

/* What a configuration is asked once it stands. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "conf_folder.h"
#include "config.h"

#ifndef WITH_SANITIZERS
#define WITH_SANITIZERS 0
#endif

static const char full_root[] =
    "listen: [{address: 0.0.0.0:80, http2: never,"
    " http2_streams: 9}, {address: '[::1]:81', tls: {ciphers: X,"
    " certificates: [{cert: /c/a, key: k}], min_version: 1.3, handshakes: 5"
    ", ciphersuites: Y, handshake_timeout: 3s}}]\n"
    "admin: {socket: /r/a, groups: {admin: adm, read: users}}\n"
    "registry: {url: 'redis://u:p@h:1/2', cluster: C.1, memory: 1GiB}\n"
    "node: {name: N-1}\nworkers: 3\nuser: www\n"
    "trusted_proxies: [10.0.0.0/8, 1.2.3.4, 'fd00::/8', '::1', '::/0']\n"
    "limits: {connections: 16, connections_per_address: 2,"
    " requests_per_connection: 3, idle_timeout: 4s, memory: 5MiB,"
    " head_size: 6KiB, head_lines: 8, target: 99B, head_timeout: 9s,"
    " body_rate: 10B, body_grace: 11s, send_timeout: 12s,"
    " half_close_timeout: 13s, linger_timeout: 14s, linger_size: 15B,"
    " connect_timeout: 16s, pool: 17, pool_timeout: 18s,"
    " response_head: 19KiB, http2_resets: 20, http2_controls: 21,"
    " http2_window: 22KiB, auth_verdicts: 23, auth_refusals: 24,"
    " auth_keep: 25s, auth_queue: 26, auth_timeout: 27s,"
    " interims: 28}\n"
    "ports: {first: 1024, last: 65535}\n"
    "directories: {runtime: /r, state: /s, cache: /c, logs: /l}\n"
    "log: {destination: journal, size: 64KiB, files: 100}\n"
    "access_log: {format: combined, file: /x, sample: 7%, size: 1GiB,"
    " files: 9}\n";

static const char full_service[] =
    "service: a\ncommand: [x, '${PORT}', '']\n"
    "env: {B: '$${X}', A: \"1\"}\ndirectory: /d\nreplicas: 256\n"
    "listen: port\n"
    "route:\n"
    "  - {path: /p/, host: '*.Example.org', methods: [GET, PATCH],"
    " rewrite: /q, expose: internal}\n"
    "  - {exact: /e, strip: true}\n"
    "readiness: {exec: [t, u], interval: 1500ms, timeout: 10ms, rise: 1,"
    " fall: 100}\n"
    "liveness: {path: '/h?x=1', interval: 3s, timeout: 2s, fall: 9}\n"
    "start: {timeout: 5s}\n"
    "restart: {first: 1s, base: 2s, max: 1h, reset: 1d}\n"
    "stop: {drain: 0ms, signal: QUIT, timeout: 0s}\n"
    "balance: {hash: 'cookie:sid'}\n"
    "limits: {concurrency: 1, queue: 2, queue_timeout: 3s, body: 4097,"
    " request_timeout: 5s, idle_timeout: 6s}\n"
    "resources: {memory: 7MiB, cpu: 150%, files: 8, processes: 9}\n"
    "sandbox: {user: nobody, private_tmp: true, read_only: true,"
    " network: true, optional: true, no_new_privs: true, capabilities: false,"
    " seccomp: default, seccomp_allow: [debug, io_uring]}\n"
    "depends_on: [redis, b]\ncalls: [b]\nneeds_redis: true\n"
    "access_log: false\n";

/* --- JSON ----------------------------------------------------------------- */

static void
goes_through_json(const struct conf *c)
{
	json_t *json = conf_json(c), *again;
	const struct conf *back;
	struct buf errors;

	assert_non_null(json);
	buf_init(&errors, 4096);
	back = conf_from_json(json, &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(back);
	again = conf_json(back);
	if (!json_equal(json, again))
		fail_msg("%s\n%s", json_dumps(json, 0), json_dumps(again, 0));
	assert_int_equal(back->nservices, c->nservices);
	for (size_t i = 0; i < c->nservices; i++) {
		assert_int_equal(
		    back->services[i].hash_all, c->services[i].hash_all);
		assert_int_equal(
		    back->services[i].hash_spawn, c->services[i].hash_spawn);
	}
	json_decref(json);
	json_decref(again);
	conf_unref(back);
	buf_done(&errors);
}

static void
json_brings_back_what_it_was_made_of(void **state)
{
	struct folder *f = *state;
	const struct conf *c;

	folder_put(f, "drover.yaml", full_root);
	folder_put(f, "a", full_service);
	folder_put(f, "b",
	    "service: b\ncommand: [b]\nready: notify\nbalance: round_robin\n");
	folder_put(f, "c",
	    "service: c\ncommand: [b]\nreadiness: {tcp: true}\n"
	    "liveness: {exec: [x]}\nbalance: {hash: path}\n");
	c = folder_accept(f);
	goes_through_json(c);
	conf_unref(c);
	folder_put(f, "drover.yaml", "registry: none\nlisten: []\n");
	folder_drop(f, "a");
	c = folder_accept(f);
	assert_int_equal(c->nlisten, 0);
	goes_through_json(c);
	conf_unref(c);
}

static void
json_looks_like_the_file(void **state)
{
	struct folder *f = *state;
	const struct conf *c;
	json_t *json, *service;

	folder_put(
	    f, "a", "service: a\ncommand: [a]\nlimits: {queue_timeout: 90s}\n");
	c = folder_accept(f);
	json = conf_json(c);
	service = json_array_get(json_object_get(json, "services"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(service, "balance")), "least");
	assert_string_equal(
	    json_string_value(json_object_get(
		json_object_get(service, "limits"), "queue_timeout")),
	    "90s");
	assert_null(json_object_get(service, "liveness"));
	assert_null(json_object_get(service, "directory"));
	json_decref(json);
	conf_unref(c);
}

static void
json_that_is_wrong_is_refused(void **state)
{
	static const char *const texts[] = { "[]", "{\"workers\": \"x\"}",
		"{\"services\": [{\"service\": \"a\"}]}", "{\"services\": [1]}",
		"{\"unknown\": 1}", "{\"log\": {\"files\": 1.5}}",
		"{\"node\": {\"name\": null}}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *json = json_loads(texts[i], 0, NULL);
		struct buf errors;

		assert_non_null(json);
		buf_init(&errors, 4096);
		assert_null(conf_from_json(json, &errors));
		assert_int_equal(
		    strncmp(buf_str(&errors), "(applied): ", 11), 0);
		buf_done(&errors);
		json_decref(json);
	}
}

/* --- diff ----------------------------------------------------------------- */

/* The changes as lines: "kind service key: from -> to". */
static char *
told(const struct conf *old, const struct conf *new_)
{
	static const char *const kinds[] = {
		[CONF_ADDED] = "added",
		[CONF_REMOVED] = "removed",
		[CONF_CHANGED] = "changed",
		[CONF_RESTARTED] = "restarted",
		[CONF_NEEDS_RESTART_OF_DROVER] = "refused",
	};
	static char text[4096];
	struct conf_change *changes;
	size_t n, at = 0;

	assert_int_equal(conf_diff(old, new_, &changes, &n), 0);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "%s %s %s: %s -> %s\n", kinds[changes[i].kind],
		    changes[i].service, changes[i].key, changes[i].from,
		    changes[i].to);
	free(changes);
	return text;
}

static void
nothing_changed_is_no_change(void **state)
{
	struct folder *f = *state;
	const struct conf *a, *b;

	folder_put(f, "drover.yaml", full_root);
	folder_put(f, "a", full_service);
	folder_put(f, "b", "service: b\ncommand: [b]\n");
	a = folder_accept(f);
	/* Other words, other order, comments: the same. */
	folder_put(
	    f, "b", "# b\ncommand: [b]\nrestart: {max: 60000ms}\nservice: b\n");
	b = folder_accept(f);
	assert_string_equal(told(a, b), "");
	conf_unref(a);
	conf_unref(b);
}

/* clang-format off */
static const struct {
	const char *from, *to, *want;
} edits[] = {
	{ "replicas: 2", "replicas: 3", "changed s replicas: 2 -> 3\n" },
	{ "command: [a]", "command: [a, b]", "restarted s command: [\"a\"] -> [\"a\",\"b\"]\n" },
	{ "", "env: {A: x}", "restarted s env: {} -> {\"A\":\"x\"}\n" },
	{ "", "directory: /x", "restarted s directory:  -> /x\n" },
	{ "listen: unix", "listen: port", "restarted s listen: unix -> port\n" },
	{ "route: [{path: /a}]", "route: [{exact: /a}]",
	    "changed s route: [{\"path\":\"/a\",\"strip\":false,* -> "
	    "[{\"exact\":\"/a\",\"strip\":false,*\n" },
	{ "route: [{path: /a}]", "",
	    "changed s route: [{\"path\":\"/a\",\"strip\":false,* -> []\n" },
	{ "route: [{path: /a}]", "route: [{path: /a, upgrade: []}]",
	    "changed s route: *\"upgrade\":[\"websocket\"]* -> *\"upgrade\":[]*\n" },
	{ "route: [{path: /a}]", "route: [{path: /a, auth: {basic: {users: /u}}}]", "changed s route: [{\"path\":\"/a\",* -> [{\"path\":\"/a\",*\n" },
	{ "readiness: {path: /a}", "readiness: {tcp: true}", "changed s readiness.path: /a -> \n" },
	{ "", "ready: notify", "restarted s ready:  -> notify\n" },
	{ "", "liveness: {tcp: true}", "changed s liveness.tcp:  -> true\n" },
	{ "", "start: {timeout: 5s}", "changed s start.timeout: 1m -> 5s\n" },
	{ "", "restart: {max: 2h}", "changed s restart.max: 1m -> 2h\n" },
	{ "", "stop: {signal: INT}", "changed s stop.signal: TERM -> INT\n" },
	{ "balance: least", "balance: round_robin",
	    "changed s balance.policy: least -> round_robin\n" },
	{ "balance: least", "balance: {hash: path}", "changed s balance.policy: least -> \n" },
	{ "", "ejection: {errors: 0}", "changed s ejection.errors: 5 -> 0\n" },
	{ "", "limits: {body: 1KiB}", "changed s limits.body: 64MiB -> 1KiB\n" },
	{ "", "resources: {memory: 1GiB}", "restarted s resources.memory: 0B -> 1GiB\n" },
	{ "", "sandbox: {read_only: true}", "restarted s sandbox.read_only: false -> true\n" },
	{ "", "depends_on: [redis]", "changed s depends_on: [] -> [\"redis\"]\n" },
	{ "", "needs_redis: true", "restarted s needs_redis: false -> true\n" },
	/* One that costs processes is told before one that does not. */
	{ "replicas: 1", "replicas: 2\nneeds_redis: true",
	    "restarted s needs_redis: false -> true\n" },
};
/* clang-format on */

/* A * stands for any text: a route has many defaults. */
static void
assert_told(const struct conf *a, const struct conf *b, const char *want)
{
	const char *text = told(a, b), *at = text;

	for (const char *w = want; *w != '\0';) {
		size_t n = strcspn(w, "*");
		char part[256];

		snprintf(part, sizeof(part), "%.*s", (int)n, w);
		at = w == want ? (strncmp(text, part, n) == 0 ? text : NULL)
			       : strstr(at, part);
		if (at == NULL)
			fail_msg("%s is not %s", text, want);
		at += n;
		w += n + (w[n] == '*');
	}
	assert_string_equal(at, "");
}

static void
each_changed_key_is_told(void **state)
{
	struct folder *f = *state;
	char yaml[512];

	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		const char *command = strstr(edits[i].from, "command") != NULL
		    ? ""
		    : "command: [a]\n";
		const struct conf *a, *b;

		snprintf(yaml, sizeof(yaml), "service: s\n%s%s\n", command,
		    edits[i].from);
		folder_put(f, "s", yaml);
		a = folder_accept(f);
		snprintf(yaml, sizeof(yaml), "service: s\n%s%s\n", command,
		    edits[i].to);
		folder_put(f, "s", yaml);
		b = folder_accept(f);
		assert_told(a, b, edits[i].want);
		assert_int_equal(
		    a->services[0].hash_spawn != b->services[0].hash_spawn,
		    strncmp(edits[i].want, "restarted", 9) == 0);
		assert_int_not_equal(
		    a->services[0].hash_all, b->services[0].hash_all);
		conf_unref(a);
		conf_unref(b);
	}
}

static void
services_come_and_go_by_name(void **state)
{
	struct folder *f = *state;
	const struct conf *a, *b;

	folder_put(f, "1", "service: b\ncommand: [b]\n");
	folder_put(f, "2", "service: d\ncommand: [b]\n");
	folder_put(f, "3", "service: e\ncommand: [b]\n");
	a = folder_accept(f);
	folder_put(f, "1", "service: a\ncommand: [b]\n");
	folder_put(f, "2", "service: d\ncommand: [b]\nreplicas: 0\n");
	folder_put(f, "3", "service: z\ncommand: [b]\n");
	b = folder_accept(f);
	assert_string_equal(told(a, b),
	    "added a :  -> \nremoved b :  -> \nchanged d replicas: 1 -> 0\n"
	    "removed e :  -> \nadded z :  -> \n");
	conf_unref(a);
	conf_unref(b);
}

static void
keys_of_the_root_are_told_each(void **state)
{
	struct folder *f = *state;
	const struct conf *a, *b;

	a = folder_accept(f);
	folder_put(f, "drover.yaml",
	    "node: {name: b}\nworkers: 64\ntrusted_proxies: [10.0.0.0/8]\n"
	    "registry: redis://me:secret@there\nports: {last: 21000}\n"
	    "limits: {connections: 100, head_timeout: 1s, memory: 64MiB,"
	    " auth_verdicts: 100, auth_refusals: 1, auth_keep: 1m,"
	    " auth_queue: 8, auth_timeout: 500ms}\n"
	    "access_log: json\n");
	b = folder_accept(f);
	assert_non_null(strstr(told(a, b),
	    "refused  registry.url: managed -> redis://there\n"
	    "refused  node.name: a -> b\n"
	    "refused  workers: "));
	assert_non_null(strstr(told(a, b),
	    "changed  trusted_proxies: [] -> [\"10.0.0.0/8\"]\n"
	    "changed  limits.connections: 16384 -> 100\n"
	    "changed  limits.memory: 256MiB -> 64MiB\n"
	    "changed  limits.head_timeout: 10s -> 1s\n"
	    "changed  limits.auth_verdicts: 4096 -> 100\n"
	    "changed  limits.auth_refusals: 256 -> 1\n"
	    "changed  limits.auth_keep: 5m -> 1m\n"
	    "changed  limits.auth_queue: 64 -> 8\n"
	    "changed  limits.auth_timeout: 5s -> 500ms\n"
	    "changed  ports.last: 29999 -> 21000\n"
	    "changed  access_log.format: off -> json\n"));
	assert_null(strstr(told(a, b), "secret"));
	conf_unref(a);
	conf_unref(b);
}

/* --- order ---------------------------------------------------------------- */

static void
services_start_after_what_they_need(void **state)
{
	struct folder *f = *state;
	const struct conf *c;
	char names[16] = "";
	size_t order[8];

	folder_put(
	    f, "a", "service: a\ncommand: [a]\ndepends_on: [e, redis]\n");
	folder_put(f, "b", "service: b\ncommand: [a]\n");
	folder_put(f, "c", "service: c\ncommand: [a]\ndepends_on: [a, b]\n");
	folder_put(f, "d", "service: d\ncommand: [a]\ndepends_on: [c]\n");
	folder_put(f, "e", "service: e\ncommand: [a]\ndepends_on: [b]\n");
	c = folder_accept(f);
	assert_int_equal(conf_order(c, order), 0);
	for (size_t i = 0; i < c->nservices; i++)
		names[i] = c->services[order[i]].name[0];
	assert_string_equal(names, "beacd");
	conf_unref(c);
}

/* --- the host ------------------------------------------------------------- */

static void
host_says(struct folder *f, const char *want)
{
	const struct conf *c = folder_accept(f);
	struct buf errors;
	char *colon;

	buf_init(&errors, 4096);
	assert_int_equal(conf_check_host(c, &errors), want[0] == '\0');
	colon = strstr(buf_str(&errors), "services.d/");
	assert_string_equal(
	    colon != NULL ? colon + strlen("services.d/") : "", want);
	conf_unref(c);
	buf_done(&errors);
}

static void
what_the_host_lacks_is_told(void **state)
{
	struct folder *f = *state;

	folder_put(f, "s",
	    "service: s\ncommand: [sh]\ndirectory: /usr/bin\n"
	    "readiness: {exec: [/bin/true]}\nliveness: {exec: [./env]}\n");
	host_says(f, "");
	folder_put(f, "s", "service: s\n\ncommand: [no-such-program]\n");
	host_says(f,
	    "s.yaml:3: command: found \"no-such-program\", which is no program "
	    "in PATH; allowed one of " CONF_PATH "\n");
	folder_put(f, "s",
	    "service: s\ncommand: [sh]\nenv: {PATH: '/nowhere::/etc'}\n");
	host_says(f,
	    "s.yaml:2: command: found \"sh\", which is no program in PATH; "
	    "allowed one of /nowhere::/etc\n");
	folder_put(f, "s", "service: s\ncommand: [/etc/passwd]\n");
	host_says(f,
	    "s.yaml:2: command: found \"/etc/passwd\", which is no program "
	    "here; allowed the path of an executable file\n");
	folder_put(f, "s", "service: s\ncommand: [/usr/bin]\n");
	host_says(f,
	    "s.yaml:2: command: found \"/usr/bin\", which is no program here; "
	    "allowed the path of an executable file\n");
	folder_put(
	    f, "s", "service: s\ncommand: [sh]\nreadiness:\n  exec: [/no]\n");
	host_says(f,
	    "s.yaml:4: readiness.exec: found \"/no\", which is no program "
	    "here; allowed the path of an executable file\n");
	folder_put(f, "s", "service: s\ncommand: [sh]\ndirectory: /no\n");
	host_says(f,
	    "s.yaml:3: directory: found \"/no\", which is no folder here; "
	    "allowed one that is\n");
	folder_put(f, "s",
	    "service: s\ncommand: [sh]\nsandbox: {user: no-such-user}\n");
	host_says(f,
	    "s.yaml:3: sandbox.user: found \"no-such-user\", who is no user "
	    "here; allowed a user, or sandbox.optional: true\n");
	folder_put(f, "s",
	    "service: s\ncommand: ['${NODE}']\n"
	    "sandbox: {user: no-such-user, optional: true}\n");
	host_says(f, "");
}

/* --- memory and time ------------------------------------------------------ */

static void
every_allocation_may_fail(void **state)
{
	struct folder *f = *state;

	alloc_hook_jansson();
	folder_put(f, "drover.yaml", full_root);
	folder_put(f, "a", full_service);
	folder_put(f, "b",
	    "service: b\ncommand: [b, '${NODE}']\nreadiness: {path: /x}\n");
	ALLOC_FAIL_EACH({
		const struct conf *c;

		buf_clear(&f->errors);
		c = conf_load(f->file, &f->errors);
		assert_int_equal(c == NULL, alloc_failed());
		conf_unref(c);
	});
}

static void
every_allocation_after_loading_may_fail(void **state)
{
	struct folder *f = *state;
	const struct conf *a, *b;

	alloc_hook_jansson();
	folder_put(f, "drover.yaml", full_root);
	folder_put(f, "a", full_service);
	folder_put(f, "b", "service: b\ncommand: [b]\n");
	a = folder_accept(f);
	folder_put(f, "drover.yaml", "workers: 1\n");
	folder_put(f, "b", "service: b\ncommand: [c]\n");
	folder_put(f, "c", "service: c\ncommand: [c]\n");
	b = folder_accept(f);
	ALLOC_FAIL_EACH({
		struct conf_change *changes;
		json_t *json = conf_json(a);
		const struct conf *back = NULL;
		size_t order[8];
		size_t n;

		assert_int_equal(json == NULL, alloc_failed());
		if (json != NULL)
			back = conf_from_json(json, &f->errors);
		if (conf_diff(a, b, &changes, &n) == 0)
			free(changes);
		else
			assert_true(alloc_failed());
		if (conf_order(a, order) < 0)
			assert_true(alloc_failed());
		assert_int_equal(back != NULL || alloc_failed(), 1);
		json_decref(json);
		conf_unref(back);
		buf_done(&f->errors);
	});
	conf_unref(a);
	conf_unref(b);
}

static long
resident_kib(void)
{
	char text[128] = "";
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	if (fgets(text, sizeof(text), file) != NULL)
		pages = strtol(strchr(text, ' ') + 1, NULL, 10);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

static long
elapsed_us(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (now.tv_sec - since->tv_sec) * 1000000 +
	    (now.tv_nsec - since->tv_nsec) / 1000;
}

static void
two_hundred_services_load_quickly_and_small(void **state)
{
	long before, us, best = LONG_MAX;
	struct folder *f = *state;
	const struct conf *c;
	struct timespec start;
	char name[32], yaml[512];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "service-%u", i);
		snprintf(yaml, sizeof(yaml),
		    "service: %s\ncommand: [/usr/bin/env, run, --now]\n"
		    "env: {MODE: production, LEVEL: \"3\"}\nreplicas: 1\n"
		    "route: [{path: /service-%u/, strip: true}]\n"
		    "readiness: {path: /readyz}\nliveness: {path: /healthz}\n"
		    "limits: {concurrency: 8, queue: 100, body: 64MiB}\n"
		    "resources: {memory: 512MiB, files: 4096}\n"
		    "depends_on: [redis]\n",
		    name, i);
		folder_put(f, name, yaml);
	}
	before = resident_kib();
	c = folder_accept(f);
	print_message("200 services: %ld KiB", resident_kib() - before);
	assert_true(resident_kib() - before < 2048 || WITH_SANITIZERS);
	assert_int_equal(c->nservices, 200);
	conf_unref(c);
	for (unsigned i = 0; i < 3; i++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
		conf_unref(folder_accept(f));
		us = elapsed_us(&start);
		best = us < best ? us : best;
	}
	print_message(", %ld us of CPU\n", best);
	assert_true(best < 50000 || WITH_SANITIZERS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(json_brings_back_what_it_was_made_of),
		F(json_looks_like_the_file),
		F(json_that_is_wrong_is_refused),
		F(nothing_changed_is_no_change),
		F(each_changed_key_is_told),
		F(services_come_and_go_by_name),
		F(keys_of_the_root_are_told_each),
		F(services_start_after_what_they_need),
		F(what_the_host_lacks_is_told),
		F(every_allocation_may_fail),
		F(every_allocation_after_loading_may_fail),
		F(two_hundred_services_load_quickly_and_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
