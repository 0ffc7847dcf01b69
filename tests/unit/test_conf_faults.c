/* SPDX-License-Identifier: ISC */

/* What is said to a value that is wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "conf_folder.h"

#define REGISTRY                                                      \
	"managed, none, redis://[user:password@]host[:port][/db] or " \
	"sentinel://host[:port],...[/db]?master=NAME"

/* --- what is wrong: drover.yaml ------------------------------------------- */

#define PATH_107                                            \
	"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *yaml, *want;
} roots[] = {
	{ "- a\n", "drover.yaml:1: (file): found a list; allowed a mapping\n" },
	{ "a\n", "drover.yaml:1: (file): found \"a\"; allowed a mapping\n" },
	{ "\nadnim: {}\n",
	    "drover.yaml:2: adnim: found an unknown key (admin?); allowed "
	    "listen, admin, registry, node, workers, user, trusted_proxies, "
	    "limits, ports, directories, log, access_log\n" },
	{ "services: []\n",
	    "drover.yaml:1: services: found an unknown key; allowed "
	    "listen, admin, registry, node, workers, user, trusted_proxies, "
	    "limits, ports, directories, log, access_log\n" },
	{ "node:\n  nmae: a\n",
	    "drover.yaml:2: node.nmae: found an unknown key (name?); allowed "
	    "name\n" },
	{ "node: {advertise: 10.0.0.1:7070}\n",
	    "drover.yaml:1: node.advertise: found an unknown key; allowed "
	    "name\n" },
	{ "node: {name: ''}\n",
	    "drover.yaml:1: node.name: found \"\"; allowed letters, digits, "
	    "dots, dashes and underscores, at most 63, a letter or digit "
	    "first\n" },
	{ "node: a\n",
	    "drover.yaml:1: node: found \"a\"; allowed a "
	    "mapping\n" },
	{ "listen: 8080\n",
	    "drover.yaml:1: listen: found 8080; allowed a list of at most 64 "
	    "mappings\n" },
	{ "listen:\n  - 8080\n",
	    "drover.yaml:2: listen[0]: found 8080; allowed a mapping\n" },
	{ "listen:\n  - address: '0.0.0.0:1'\n  - {}\n",
	    "drover.yaml:3: listen[1].address: found no such key, which is "
	    "required; allowed ADDRESS:PORT, [ADDRESS]:PORT or unix:/PATH of "
	    "at most 107 bytes\n" },
	{ "listen: [{address: '0.0.0.0:1', tls: {}}]\n",
	    "drover.yaml:1: listen[0].tls.certificates: found no such key, "
	    "which is required; allowed a list of 1 to 256 mappings\n" },
	{ "listen: [{address: '0.0.0.0:1', tls: {certificates: []}}]\n",
	    "drover.yaml:1: listen[0].tls.certificates: found a list; "
	    "allowed a list of 1 to 256 mappings\n" },
	{ "listen:\n  - address: '0.0.0.0:1'\n    tls:\n"
	  "      certificates: [{cert: a}]\n      min_version: 1.1\n"
	  "      handshakes: 0\n      handshake_timeout: 1ms\n",
	    "drover.yaml:4: listen[0].tls.certificates[0].key: found no such "
	    "key, which is required; allowed a path of at most 4095 bytes, "
	    "absolute or from the folder of this file\n"
	    "drover.yaml:5: listen[0].tls.min_version: found 1.1; allowed one "
	    "of 1.2, 1.3\n"
	    "drover.yaml:6: listen[0].tls.handshakes: found 0; allowed an "
	    "integer from 1 to 1048576\n"
	    "drover.yaml:7: listen[0].tls.handshake_timeout: found \"1ms\"; "
	    "allowed a duration from 10ms to 1h, as 250ms, 5s, 2m, 1h\n" },
	{ "listen: [{address: '0.0.0.0:1', tsl: {}}]\n",
	    "drover.yaml:1: listen[0].tsl: found an unknown key (tls?); "
	    "allowed address, http2, http2_streams, tls\n" },
	{ "listen: [{address: 1.2.3.4:5, http2: maybe}]\n",
	    "drover.yaml:1: listen[0].http2: found \"maybe\"; allowed one of "
	    "never, tls, always\n" },
	{ "listen: [{address: 1.2.3.4:5, http2_streams: 0}]\n",
	    "drover.yaml:1: listen[0].http2_streams: found 0; allowed an "
	    "integer from 1 to 1024\n" },
	{ "listen: [{address: 1.2.3.4:5}, {address: 1.2.3.4:5}]\n",
	    "drover.yaml:1: listen: found 1.2.3.4:5 twice; allowed once\n" },
	{ "admin: {socket: admin.sock}\n",
	    "drover.yaml:1: admin.socket: found \"admin.sock\"; allowed an "
	    "absolute path of at most 4095 bytes\n" },
	{ "admin: {socket: " PATH_107 "a}\n",
	    "drover.yaml:1: admin.socket: found a path of 108 bytes; allowed "
	    "107\n" },
	{ "admin: {groups: {admin: 5}}\n",
	    "drover.yaml:1: admin.groups.admin: found 5; allowed text of 1 to "
	    "63 bytes without control characters\n" },
	{ "admin: {address: '127.0.0.1:1'}\n",
	    "drover.yaml:1: admin.address: found an unknown key; allowed "
	    "socket, groups\n" },
	{ "registry: mangaed\n",
	    "drover.yaml:1: registry: found \"mangaed\"; allowed " REGISTRY
	    "\n" },
	{ "registry: rediss://u:secret@a\n",
	    "drover.yaml:1: registry: found a URL with TLS; allowed " REGISTRY
	    "\n" },
	{ "registry: http://u:secret@a\n",
	    "drover.yaml:1: registry: found a URL that is none of Redis; "
	    "allowed " REGISTRY "\n" },
	{ "registry: {url: 'redis://u:secret@a:99999'}\n",
	    "drover.yaml:1: registry.url: found a redis:// URL with a bad "
	    "host, port or database; allowed " REGISTRY "\n" },
	{ "registry: {memory: 1KiB}\n",
	    "drover.yaml:1: registry.memory: found \"1KiB\"; allowed a size "
	    "from 1MiB to 1024GiB, as 64KiB, 512MiB, 4GiB\n" },
	{ "workers: 0\n",
	    "drover.yaml:1: workers: found 0; allowed auto, or an integer "
	    "from 1 to 64\n" },
	{ "workers: all\n",
	    "drover.yaml:1: workers: found \"all\"; allowed auto, or an "
	    "integer from 1 to 64\n" },
	{ "limits: {connections: 15}\n",
	    "drover.yaml:1: limits.connections: found 15; allowed an integer "
	    "from 16 to 1048576\n" },
	{ "limits: {head_size: 33KiB}\n",
	    "drover.yaml:1: limits.head_size: found \"33KiB\"; allowed a size "
	    "from 1KiB to 32KiB, as 64KiB, 512MiB, 4GiB\n" },
	{ "limits: {head_timeout: 0s}\n",
	    "drover.yaml:1: limits.head_timeout: found \"0s\"; allowed a "
	    "duration from 1ms to 1h, as 250ms, 5s, 2m, 1h\n" },
	{ "limits: {body: 1KiB}\n",
	    "drover.yaml:1: limits.body: found an unknown key; allowed "
	    "connections, connections_per_address, requests_per_connection, "
	    "idle_timeout, memory, head_size, head_lines, target, head_timeout,"
	    " body_rate, body_grace, send_timeout, half_close_timeout, "
	    "linger_timeout, linger_size, connect_timeout, pool, pool_timeout, "
	    "response_head, http2_resets, http2_controls, http2_window, "
	    "auth_verdicts, auth_refusals, auth_keep, auth_queue, "
	    "auth_timeout, interims\n" },
	{ "limits: {http2_resets: 15, http2_controls: no, http2_window: 1B}\n",
	    "drover.yaml:1: limits.http2_resets: found 15; allowed an integer "
	    "from 16 to 65535\n"
	    "drover.yaml:1: limits.http2_controls: found \"no\"; allowed an "
	    "integer from 16 to 65535\n"
	    "drover.yaml:1: limits.http2_window: found \"1B\"; allowed a size "
	    "from 16KiB to 256KiB, as 64KiB, 512MiB, 4GiB\n" },
	{ "trusted_proxies: [10.0.0.1/8]\n",
	    "drover.yaml:1: trusted_proxies: found \"10.0.0.1/8\"; allowed a "
	    "list of at most 256 addresses or networks, as 10.0.0.0/8 or "
	    "fd00::/8, with nothing set behind the prefix\n" },
	{ "ports: {first: 1000}\n",
	    "drover.yaml:1: ports.first: found 1000; allowed an integer from "
	    "1024 to 65535\n" },
	{ "ports: {first: 5000,\n  last: 4000}\n",
	    "drover.yaml:1: ports.first: found 5000; allowed at most "
	    "ports.last, which is 4000\n" },
	{ "directories: {runtime: " PATH_107 "}\n",
	    "drover.yaml: admin.socket: found a path of 118 bytes; allowed "
	    "107\n"
	    "drover.yaml:1: directories.runtime: found a path of 107 bytes; "
	    "allowed 94, so that the sockets in it can be bound\n" },
	{ "access_log: clf\n",
	    "drover.yaml:1: access_log: found \"clf\"; allowed one of "
	    "off, json, combined\n" },
	{ "access_log: {sample: 0%}\n",
	    "drover.yaml:1: access_log.sample: found \"0%\"; allowed a "
	    "percentage from 1% to 100%, as 150%\n" },
	{ "access_log: {files: 0,\n  size: 1KiB}\n",
	    "drover.yaml:1: access_log.files: found 0; allowed an integer from "
	    "1 to 100\n"
	    "drover.yaml:2: access_log.size: found \"1KiB\"; allowed a size "
	    "from 64KiB to 1024GiB, as 64KiB, 512MiB, 4GiB\n" },
	{ "log: {destination: syslog}\n",
	    "drover.yaml:1: log.destination: found \"syslog\"; allowed one of "
	    "files, journal\n" },
	{ "log: {files: 1.5}\n",
	    "drover.yaml:1: log.files: found 1.5; allowed an integer from 1 to "
	    "100\n" },
	{ "log: {size: 99999999999999999999GiB}\n",
	    "drover.yaml:1: log.size: found \"99999999999999999999GiB\"; "
	    "allowed a size from 64KiB to 16GiB, as 64KiB, 512MiB, 4GiB\n" },
	{ "user: \"a\\nb\"\n",
	    "drover.yaml:1: user: found \"a?b\"; allowed text of 1 to 63 bytes "
	    "without control characters\n" },
	{ "user: 01234567890123456789012345678901234567890123456789"
	  "012345678901234567\xc3\xa4\n",
	    "drover.yaml:1: user: found "
	    "\"012345678901234567890123456789012345678901234567890123456789"
	    "...\"; allowed text of 1 to 63 bytes without control "
	    "characters\n" },
};

static void
each_fault_of_the_root_is_named(void **state)
{
	struct folder *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		folder_put(f, "drover.yaml", roots[i].yaml);
		folder_refuse(f, roots[i].want);
	}
}

static void
addresses_are_judged(void **state)
{
	static const char *const bad[] = { "0.0.0.0", ":80",
		"0.0.0.0:", "0.0.0.0:0", "0.0.0.0:65536", "0.0.0.0:+1",
		"1.2.3:80", "::1:80", "[::1]", "[::1:80", "[::1]80",
		"[1.2.3.4]:80", "localhost:80", "unix:x", "unix:", "*:80",
		"unix:" PATH_107 "a" };
	static const char *const good[] = { "0.0.0.0:1", "255.0.0.1:65535",
		"[::]:80", "[fe80::1]:443", "unix:/a", "unix:" PATH_107 };
	struct folder *f = *state;
	char yaml[256];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(
		    yaml, sizeof(yaml), "listen: [{address: '%s'}]", bad[i]);
		folder_put(f, "drover.yaml", yaml);
		if (folder_load(f) != NULL)
			fail_msg("%s was taken", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(
		    yaml, sizeof(yaml), "listen: [{address: '%s'}]", good[i]);
		folder_put(f, "drover.yaml", yaml);
		conf_unref(folder_accept(f));
	}
}

static void
registry_urls_are_judged(void **state)
{
	static const char *const bad[] = { "redis://", "redis:///0",
		"redis://a:0", "redis://a:x", "redis://a/x", "redis://a/65536",
		"redis://[::1", "redis://a b", "redis://a#b", "redis://-a",
		"redis://a/1/2", "redis://u@", "redis://a:1:2" };
	static const char *const good[] = { "redis://a", "redis://a/",
		"redis://a:6379/15", "redis://[::1]:1", "redis://u:p@a",
		"redis://:p@1.2.3.4:5/6", "redis://u:p@p@a" };
	struct folder *f = *state;
	char yaml[128];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(yaml, sizeof(yaml), "registry: '%s'", bad[i]);
		folder_put(f, "drover.yaml", yaml);
		if (folder_load(f) != NULL)
			fail_msg("%s was taken", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(yaml, sizeof(yaml), "registry: '%s'", good[i]);
		folder_put(f, "drover.yaml", yaml);
		conf_unref(folder_accept(f));
	}
}

/* --- what is wrong: a service --------------------------------------------- */

#define ARGV "a list of 1 to 255 strings, the first not empty"
#define PROTOCOLS                                                         \
	"a list of at most 8 different protocols of lower-case letters, " \
	"digits, dots and dashes, at most 31 each, and not h2c"
#define URL_PATH                                                           \
	"a path that begins with a slash, of visible ASCII without ? and " \
	"#, without dot segments, at most 1024 bytes"

/* All below `service: s` and `command: [s]`, from line 3 on. */
static const struct {
	const char *yaml, *want;
} services[] = {
	{ "replcias: 2\n",
	    "s.yaml:3: replcias: found an unknown key (replicas?); allowed "
	    "service, command, env, directory, replicas, autoscale, listen, "
	    "route, ready, readiness, liveness, start, restart, stop, "
	    "rollout, balance, ejection, limits, "
	    "resources, sandbox, depends_on, calls, "
	    "access_log, needs_redis\n" },
	{ "env: {A: 1}\n",
	    "s.yaml:3: env: found 1; allowed a mapping of at most 200 "
	    "variables to strings in quotes\n" },
	{ "env: {1A: x}\n",
	    "s.yaml:3: env: found the variable \"1A\"; allowed a letter or _, "
	    "then letters, digits and _, and none that drover sets itself\n" },
	{ "env: {DROVER_URL: x}\n",
	    "s.yaml:3: env: found the variable \"DROVER_URL\"; allowed a "
	    "letter "
	    "or _, then letters, digits and _, and none that drover sets "
	    "itself\n" },
	{ "env: {LISTEN_FDS: '1'}\n",
	    "s.yaml:3: env: found the variable \"LISTEN_FDS\"; allowed a "
	    "letter "
	    "or _, then letters, digits and _, and none that drover sets "
	    "itself\n" },
	{ "env: {A: '${HOME}'}\n",
	    "s.yaml:3: env: found ${HOME}; allowed ${SOCKET}, ${INSTANCE}, "
	    "${NODE}, $$ for a dollar\n" },
	{ "env: {A: '${PORT}'}\n",
	    "s.yaml:3: env: found ${PORT}; allowed ${SOCKET}, ${INSTANCE}, "
	    "${NODE}, $$ for a dollar\n" },
	{ "listen: port\nenv: {A: '${SOCKET}'}\n",
	    "s.yaml:4: env: found ${SOCKET}; allowed ${PORT}, ${INSTANCE}, "
	    "${NODE}, $$ for a dollar\n" },
	{ "env: {A: '${NODE'}\n",
	    "s.yaml:3: env: found ${ without its }; allowed $${ for a literal "
	    "one\n" },
	{ "directory: here\n",
	    "s.yaml:3: directory: found \"here\"; allowed an absolute path of "
	    "at most 4095 bytes\n" },
	{ "listen: tcp\n",
	    "s.yaml:3: listen: found \"tcp\"; allowed one of unix, port, "
	    "fd\n" },
	{ "route: /a\n",
	    "s.yaml:3: route: found \"/a\"; allowed a list of at most 64 "
	    "mappings\n" },
	{ "route: [{strip: true}]\n",
	    "s.yaml:3: route[0]: found neither path nor exact; allowed one of "
	    "them\n" },
	{ "route: [{path: /a, exact: /b}]\n",
	    "s.yaml:3: route[0].exact: found path and exact; allowed one of "
	    "them\n" },
	{ "route: [{path: /a, strip: true, rewrite: /b}]\n",
	    "s.yaml:3: route[0]: found strip and rewrite; allowed one of "
	    "them\n" },
	{ "route: [{path: a}]\n",
	    "s.yaml:3: route[0].path: found \"a\"; allowed " URL_PATH "\n" },
	{ "route: [{path: /a/../b}]\n",
	    "s.yaml:3: route[0].path: found \"/a/../b\"; allowed " URL_PATH
	    "\n" },
	{ "route: [{path: '/a?b'}]\n",
	    "s.yaml:3: route[0].path: found \"/a?b\"; allowed " URL_PATH "\n" },
	{ "route: [{path: /a, methods: [GET, get]}]\n",
	    "s.yaml:3: route[0].methods: found \"get\"; allowed a list of "
	    "different ones of GET, HEAD, POST, PUT, DELETE, PATCH, "
	    "OPTIONS\n" },
	{ "route: [{path: /a, methods: [GET, GET]}]\n",
	    "s.yaml:3: route[0].methods: found \"GET\"; allowed a list of "
	    "different ones of GET, HEAD, POST, PUT, DELETE, PATCH, "
	    "OPTIONS\n" },
	{ "route: [{path: /a, host: 'a:80'}]\n",
	    "s.yaml:3: route[0].host: found \"a:80\"; allowed a host name "
	    "without a port, or *. and a host name\n" },
	{ "route: [{path: /a, strip: yes}]\n",
	    "s.yaml:3: route[0].strip: found \"yes\"; allowed true or "
	    "false\n" },
	{ "route: [{path: /a, expose: all}]\n",
	    "s.yaml:3: route[0].expose: found \"all\"; allowed one of public, "
	    "internal\n" },
	{ "route: [{path: /a, colour: red}]\n",
	    "s.yaml:3: route[0].colour: found an unknown key; allowed path, "
	    "exact, host, methods, strip, rewrite, upgrade, expose, headers, "
	    "redirect, rate_limit, cors, auth\n" },
	{ "route: [{path: /a, upgrade: websocket}]\n",
	    "s.yaml:3: route[0].upgrade: found \"websocket\"; "
	    "allowed " PROTOCOLS "\n" },
	{ "route: [{path: /a, upgrade: [websocket, h2c]}]\n",
	    "s.yaml:3: route[0].upgrade: found \"h2c\"; allowed " PROTOCOLS
	    "\n" },
	{ "route: [{path: /a, upgrade: [a, a]}]\n",
	    "s.yaml:3: route[0].upgrade: found \"a\"; allowed " PROTOCOLS
	    "\n" },
	{ "route:\n  - {path: /a}\n  - {path: /b}\n  - {path: /a}\n",
	    "s.yaml:6: route[2]: found /a, which s has at s.yaml:4; allowed "
	    "one service for a route\n" },
	{ "ready: soon\n",
	    "s.yaml:3: ready: found \"soon\"; allowed one of check, notify\n" },
	{ "ready: notify\nreadiness: {path: /x}\n",
	    "s.yaml:4: readiness: found a check beside ready: notify; allowed "
	    "one of them\n" },
	{ "readiness: {interval: 5s}\nready: notify\n",
	    "s.yaml:3: readiness: found a check beside ready: notify; allowed "
	    "one of them\n" },
	{ "ejection: {percent: 101%}\n",
	    "s.yaml:3: ejection.percent: found \"101%\"; allowed a percentage "
	    "from 0% to 100%, as 150%\n" },
	{ "readiness: {path: /x, tcp: true}\n",
	    "s.yaml:3: readiness.tcp: found a second kind of check; allowed "
	    "one of path, tcp and exec\n" },
	{ "readiness: {exec: []}\n",
	    "s.yaml:3: readiness.exec: found a list; allowed " ARGV "\n" },
	{ "readiness: {path: x}\n",
	    "s.yaml:3: readiness.path: found \"x\"; allowed a path that begins "
	    "with a slash, of visible ASCII without #, at most 1024 bytes\n" },
	{ "readiness: {timeout: 5}\n",
	    "s.yaml:3: readiness.timeout: found 5; allowed a duration from "
	    "10ms to 1m, as 250ms, 5s, 2m, 1h\n" },
	{ "readiness: {interval: 99ms}\n",
	    "s.yaml:3: readiness.interval: found \"99ms\"; allowed a duration "
	    "from 100ms to 1h, as 250ms, 5s, 2m, 1h\n" },
	{ "liveness: {interval: 5s}\n",
	    "s.yaml:3: liveness: found no check; allowed one of path, tcp and "
	    "exec\n" },
	{ "liveness: {tcp: false}\n",
	    "s.yaml:3: liveness: found no check; allowed one of path, tcp and "
	    "exec\n" },
	{ "liveness:\n",
	    "s.yaml:3: liveness: found no check; allowed one of path, tcp and "
	    "exec\n" },
	{ "liveness: {tcp: true, rise: 1}\n",
	    "s.yaml:3: liveness.rise: found an unknown key; allowed path, tcp, "
	    "exec, interval, timeout, fall\n" },
	{ "restart: {base: 2m}\n",
	    "s.yaml:3: restart.max: found less than restart.base; allowed at "
	    "least that\n" },
	{ "restart:\n  first: 2m\n  max: 1s\n",
	    "s.yaml:5: restart.max: found less than restart.first; allowed at "
	    "least that\n" },
	{ "stop: {signal: SIGTERM}\n",
	    "s.yaml:3: stop.signal: found \"SIGTERM\"; allowed one of TERM, "
	    "INT, QUIT, HUP, USR1, USR2, WINCH\n" },
	{ "stop: {grace: 5m}\n",
	    "s.yaml:3: stop.grace: found an unknown key; allowed drain, "
	    "websocket_drain, signal, timeout\n" },
	{ "balance: fair\n",
	    "s.yaml:3: balance: found \"fair\"; allowed one of least, "
	    "round_robin\n" },
	{ "balance: {hash: 'header:'}\n",
	    "s.yaml:3: balance.hash: found \"header:\"; allowed header:NAME, "
	    "cookie:NAME, query:NAME, path or source\n" },
	{ "balance: {hash: 'path:x'}\n",
	    "s.yaml:3: balance.hash: found \"path:x\"; allowed header:NAME, "
	    "cookie:NAME, query:NAME, path or source\n" },
	{ "balance: {hash: 'header:a b'}\n",
	    "s.yaml:3: balance.hash: found \"header:a b\"; allowed "
	    "header:NAME, "
	    "cookie:NAME, query:NAME, path or source\n" },
	{ "balance: {hash: path, policy: least}\n",
	    "s.yaml:3: balance: found policy and hash; allowed one of them\n" },
	{ "limits: {queue: 65536}\n",
	    "s.yaml:3: limits.queue: found 65536; allowed an integer from 0 to "
	    "65535\n" },
	{ "limits: {body: 1TB}\n",
	    "s.yaml:3: limits.body: found \"1TB\"; allowed a size from 0B to "
	    "1024GiB, as 64KiB, 512MiB, 4GiB\n" },
	{ "resources: {cpu: 200}\n",
	    "s.yaml:3: resources.cpu: found 200; allowed a percentage from 0% "
	    "to 100000%, as 150%\n" },
	{ "resources: {cpu: '%'}\n",
	    "s.yaml:3: resources.cpu: found \"%\"; allowed a percentage from "
	    "0% "
	    "to 100000%, as 150%\n" },
	{ "sandbox: {seccomp: true}\n",
	    "s.yaml:3: sandbox.seccomp: found true; allowed one of none, "
	    "default\n" },
	{ "listen: port\nsandbox: {network: false}\n",
	    "s.yaml:4: sandbox.network: found false with listen: port; allowed "
	    "true, or listen: unix or fd\n" },
	{ "depends_on: [redsi]\n",
	    "s.yaml:3: depends_on: found \"redsi\"; allowed names of "
	    "services\n" },
	{ "depends_on: [s]\n",
	    "s.yaml:3: depends_on: found the service itself; allowed "
	    "others\n" },
	{ "depends_on: [redis, redis]\n",
	    "s.yaml:3: depends_on: found \"redis\"; allowed a list of at most "
	    "64 different names of services\n" },
	{ "depends_on: redis\n",
	    "s.yaml:3: depends_on: found \"redis\"; allowed a list of at most "
	    "64 different names of services\n" },
	{ "calls: [S]\n",
	    "s.yaml:3: calls: found \"S\"; allowed a list of at most 64 "
	    "different names of services\n" },
	{ "calls: [redis]\n",
	    "s.yaml:3: calls: found \"redis\"; allowed names of services\n" },
	{ "needs_redis: 1\n",
	    "s.yaml:3: needs_redis: found 1; allowed true or false\n" },
};

static void
each_fault_of_a_service_is_named(void **state)
{
	struct folder *f = *state;
	char yaml[1024];

	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		snprintf(yaml, sizeof(yaml), "service: s\ncommand: [s]\n%s",
		    services[i].yaml);
		folder_put(f, "s", yaml);
		folder_refuse(f, services[i].want);
	}
}

static void
names_and_commands_are_judged(void **state)
{
	static const struct {
		const char *yaml, *want;
	} cases[] = {
		{ "",
		    "s.yaml:1: service: found no such key, which is "
		    "required; allowed a lower-case letter, then "
		    "lower-case letters, digits and dashes, at most 63\n"
		    "s.yaml:1: command: found no such key, which is "
		    "required; allowed " ARGV "\n" },
		{ "service: Image\ncommand: [a]\n",
		    "s.yaml:1: service: found \"Image\"; allowed a lower-case "
		    "letter, then lower-case letters, digits and dashes, at "
		    "most 63\n" },
		{ "service: 1\ncommand: [a]\n",
		    "s.yaml:1: service: found 1; allowed a lower-case letter, "
		    "then lower-case letters, digits and dashes, at most "
		    "63\n" },
		{ "service: proxy\ncommand: [a]\n",
		    "s.yaml:1: service: found \"proxy\", which drover's own "
		    "workers are called; allowed another name\n" },
		{ "service: redis\ncommand: [a]\n",
		    "s.yaml:1: service: found \"redis\", which the managed "
		    "Redis is called; allowed another name, or another "
		    "registry than managed\n" },
		{ "service: s\ncommand: a b\n",
		    "s.yaml:2: command: found \"a b\"; allowed " ARGV "\n" },
		{ "service: s\ncommand: []\n",
		    "s.yaml:2: command: found a list; allowed " ARGV "\n" },
		{ "service: s\ncommand: ['']\n",
		    "s.yaml:2: command: found \"\"; allowed " ARGV "\n" },
		{ "service: s\ncommand:\n  - a\n  - 5\n",
		    "s.yaml:4: command: found 5; allowed " ARGV "\n" },
		{ "- a\n",
		    "s.yaml:1: (file): found a list; allowed a "
		    "mapping\n" },
	};
	struct folder *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		folder_put(f, "s", cases[i].yaml);
		folder_refuse(f, cases[i].want);
	}
}

static void
names_have_at_most_63_letters(void **state)
{
	struct folder *f = *state;
	char yaml[128];

	/* 63 letters are also the longest that fit a socket in /run/drover. */
	snprintf(yaml, sizeof(yaml), "command: [a]\nservice: a%062d\n", 0);
	folder_put(f, "s", yaml);
	conf_unref(folder_accept(f));
	snprintf(yaml, sizeof(yaml), "command: [a]\nservice: a%063d\n", 0);
	folder_put(f, "s", yaml);
	assert_null(folder_load(f));
}

static void
sockets_must_fit_into_their_address(void **state)
{
	struct folder *f = *state;

	folder_put(f, "drover.yaml",
	    "directories: {runtime: "
	    "/a0123456789012345678901234567890123456789012345678901234567890}"
	    "\nadmin: {socket: /a}\n");
	folder_put(f, "s", "service: abcdefghijk\ncommand: [a]\n");
	conf_unref(folder_accept(f));
	folder_put(f, "s", "service: abcdefghijkl\ncommand: [a]\n");
	folder_refuse(f,
	    "s.yaml:1: service: found sockets of up to 108 bytes in "
	    "/a0123456789012345678901234567890123456789012345678901234567890/i;"
	    " allowed 107: shorten the name or directories.runtime\n");
	folder_put(
	    f, "s", "service: abcdefghijkl\ncommand: [a]\nlisten: port\n");
	conf_unref(folder_accept(f));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(each_fault_of_the_root_is_named),
		F(addresses_are_judged),
		F(registry_urls_are_judged),
		F(each_fault_of_a_service_is_named),
		F(names_and_commands_are_judged),
		F(names_have_at_most_63_letters),
		F(sockets_must_fit_into_their_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
