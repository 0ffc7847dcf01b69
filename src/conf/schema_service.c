/* SPDX-License-Identifier: ISC */

/* The keys of a service's file. */

#include "conf/conf.h"
#include "conf/schema.h"

#define GiB (UINT64_C(1) << 30)
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

#define SERVICE(member) .offset = offsetof(struct conf_service, member)
#define ROUTE(member) .offset = offsetof(struct conf_route, member)

/* clang-format off */
const struct schema schema_service[] = {
{ "service", SCHEMA_NAME, SCHEMA_LIVE, SERVICE(name), .required = true,
	.text = "The name: a lower-case letter, then lower-case letters, "
		"digits and dashes, at most 63 in all." },
{ "command", SCHEMA_ARGV, SCHEMA_RESPAWN, SERVICE(command),
	.min = 1, .max = CONF_ARGS_MAX, .required = true,
	.text = "The program, as a path or as a name that is looked up in "
		"PATH, and its arguments. No shell reads it. ${PORT}, "
		"${SOCKET}, ${INSTANCE} and ${NODE} are replaced; $$ is a "
		"dollar." },
{ "env", SCHEMA_ENV, SCHEMA_RESPAWN,
	.max = CONF_ENV_MAX, .preset = "{}",
	.text = "Environment variables, as strings, replaced likewise. Nothing "
		"of drover's own environment is passed on." },
{ "directory", SCHEMA_PATH, SCHEMA_RESPAWN, SERVICE(directory),
	.derived = "the service's own folder below directories.state",
	.text = "The working directory." },
{ "replicas", SCHEMA_REPLICAS, SCHEMA_LIVE,
	.min = 0, .max = CONF_REPLICAS_MAX, .preset = "1",
	.text = "How many copies run. 0 stops the service. {min: 0, max: 8}: as "
		"many as the load asks for, from min to max; with min 0 none "
		"while nobody asks, and the next request starts one and waits "
		"for it." },

{ "autoscale", SCHEMA_GROUP,
	.text = "How replicas: {min, max} follows the load, which is how many "
		"requests are in flight or wait. WebSockets and checks of "
		"drover's own are no load; an open WebSocket keeps the last "
		"copy." },
{ "autoscale.target", SCHEMA_BURST, SCHEMA_LIVE, SERVICE(autoscale.target),
	.min = 1, .max = 100000,
	.derived = "70% of limits.concurrency; without one 10",
	.text = "How many of them one copy is meant for." },
{ "autoscale.window", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(autoscale.window_ms),
	.min = 1 * SECOND, .max = HOUR, .preset = "60s",
	.text = "The load is its mean over so long." },
{ "autoscale.panic_window", SCHEMA_AGE, SCHEMA_LIVE,
	SERVICE(autoscale.panic_window_ms),
	.min = 100, .max = HOUR, .derived = "a tenth of window",
	.text = "When the mean over so short a time asks for twice the copies "
		"that are ready, it counts, and none is stopped, until it has "
		"asked for less for a window." },
{ "autoscale.grace", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(autoscale.grace_ms),
	.min = 0, .max = HOUR, .preset = "30s",
	.text = "A copy is stopped only when no sample of so long asked for "
		"it; the last one when nothing came for window and grace." },
{ "autoscale.queue_wait", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(autoscale.queue_wait_ms),
	.min = 10, .max = 60 * SECOND, .preset = "500ms",
	.text = "A request that waits longer asks for one copy more." },
{ "autoscale.surge", SCHEMA_INT, SCHEMA_LIVE, SERVICE(autoscale.surge),
	.min = 1, .max = CONF_REPLICAS_MAX, .preset = "4",
	.text = "How many copies may be starting at once, while memory has "
		"room for them: resources.memory each, or what those that run "
		"take. Until the first is ready it is one." },
{ "autoscale.wake_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(autoscale.wake_timeout_ms),
	.min = 100, .max = HOUR, .preset = "30s",
	.text = "With min 0: how long a request waits for the first copy. "
		"limits.queue says how many may." },
{ "listen", SCHEMA_ENUM, SCHEMA_RESPAWN, SERVICE(listen),
	.choices = "unix|port|fd", .preset = "unix",
	.text = "unix: it binds the path in DROVER_SOCKET. port: it binds "
		"127.0.0.1 and the port in PORT. fd: drover binds, and passes "
		"descriptor 3 with LISTEN_FDS." },

{ "route", SCHEMA_ELEMENTS, SCHEMA_LIVE, SERVICE(routes),
	.count = offsetof(struct conf_service, nroutes),
	.size = sizeof(struct conf_route),
	.line = offsetof(struct conf_route, line), .min = 0, .max = 64,
	.derived = "no route: nothing is sent to it",
	.text = "Which requests go to it; the longest path wins. Two services "
		"may not have one route." },
{ "route[].path", SCHEMA_ROUTE_PATH, SCHEMA_LIVE, .max = 1024,
	.derived = "none: exact must be given",
	.text = "A prefix that ends at a slash, so that /a matches /a and /a/b "
		"and not /ab." },
{ "route[].exact", SCHEMA_ROUTE_EXACT, SCHEMA_LIVE, .max = 1024,
	.derived = "none: path must be given",
	.text = "This path alone, instead of path." },
{ "route[].host", SCHEMA_HOST, SCHEMA_LIVE, ROUTE(host),
	.derived = "any host",
	.text = "A host name without a port; *.example.org is any name below "
		"it." },
{ "route[].methods", SCHEMA_METHODS, SCHEMA_LIVE, ROUTE(methods),
	.min = 1, .max = 7, .derived = "any method",
	.text = "A list of GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS." },
{ "route[].strip", SCHEMA_BOOL, SCHEMA_LIVE, ROUTE(strip),
	.preset = "false",
	.text = "Whether path is taken off before the service sees it." },
{ "route[].rewrite", SCHEMA_URL_PATH, SCHEMA_LIVE, ROUTE(rewrite),
	.max = 1024, .derived = "the path goes on as it came",
	.text = "What stands in the place of path; not together with strip." },
{ "route[].upgrade", SCHEMA_TOKENS, SCHEMA_LIVE, ROUTE(upgrade),
	.max = CONF_TOKENS_MAX, .preset = "[websocket]",
	.text = "Protocols that a client may switch to with the Upgrade "
		"header. An empty list: none." },
{ "route[].expose", SCHEMA_FLAG, SCHEMA_LIVE, ROUTE(internal),
	.choices = "public|internal", .preset = "public",
	.text = "internal: only other services reach it, by DROVER_URL." },

{ "route[].headers", SCHEMA_GROUP,
	.text = "Headers that it changes. Those that frame a message, end at "
		"this hop or are drover's own cannot be changed." },
{ "route[].headers.request", SCHEMA_GROUP,
	.text = "Of a request, on its way to the service." },
{ "route[].headers.request.set", SCHEMA_SET, SCHEMA_LIVE, ROUTE(request),
	.max = CONF_HEADERS_MAX, .derived = "none",
	.text = "Names and values, in the place of every line of that name, of "
		"any case and with _ for -." },
{ "route[].headers.request.remove", SCHEMA_REMOVE, SCHEMA_LIVE,
	ROUTE(request.remove), .max = CONF_HEADERS_MAX, .derived = "none",
	.text = "Names whose lines are left out, of any case and with _ "
		"for -." },
{ "route[].headers.response", SCHEMA_GROUP,
	.text = "Of the service's answers; not of drover's own." },
{ "route[].headers.response.set", SCHEMA_SET, SCHEMA_LIVE, ROUTE(response),
	.max = CONF_HEADERS_MAX, .derived = "none",
	.text = "As in request." },
{ "route[].headers.response.remove", SCHEMA_REMOVE, SCHEMA_LIVE,
	ROUTE(response.remove), .max = CONF_HEADERS_MAX, .derived = "none",
	.text = "As in request." },

{ "route[].redirect", SCHEMA_GROUP, .scalar = "route[].redirect.to",
	.text = "Answer with another address; the service is not asked. A bare "
		"value is short for to." },
{ "route[].redirect.to", SCHEMA_TARGET, SCHEMA_LIVE, ROUTE(redirect.to),
	.max = 1024, .derived = "no redirect",
	.text = "Where to. ${host} is the request's host without a port, "
		"${path} its path and ${query} its query with the ?, byte for "
		"byte. https: to the same address by TLS, unless it came so." },
{ "route[].redirect.status", SCHEMA_STATUS, SCHEMA_LIVE,
	ROUTE(redirect.status), .derived = "302; 308 with to: https",
	.text = "301, 302, 303, 307 or 308." },

{ "route[].rate_limit", SCHEMA_GROUP,
	.text = "Requests that one client may send; more are answered with 429 "
		"and Retry-After. Counted over all workers." },
{ "route[].rate_limit.rate", SCHEMA_RATE, SCHEMA_LIVE, ROUTE(rate),
	.derived = "no limit",
	.text = "How many in a second, a minute or an hour." },
{ "route[].rate_limit.burst", SCHEMA_BURST, SCHEMA_LIVE, ROUTE(rate.burst),
	.min = 1, .max = 1000000, .derived = "the number in rate",
	.text = "How many at once." },
{ "route[].rate_limit.key", SCHEMA_RATE_KEY, SCHEMA_LIVE, ROUTE(rate.header),
	.derived = "address",
	.text = "Who is one client: an address (of IPv6 its /64, behind "
		"trusted_proxies the one in X-Forwarded-For), or a header's "
		"value, and without that header the address." },

{ "route[].cors", SCHEMA_GROUP,
	.text = "Which pages of other origins may use it (CORS). What the "
		"service says in Access-Control-* is replaced." },
{ "route[].cors.origins", SCHEMA_ORIGINS, SCHEMA_LIVE, ROUTE(cors.origins),
	.max = CONF_ORIGINS_MAX, .derived = "no CORS",
	.text = "Whose pages; \"*\" is everybody's, and not with "
		"credentials." },
{ "route[].cors.methods", SCHEMA_METHODS, SCHEMA_LIVE, ROUTE(cors.methods),
	.min = 1, .max = 7,
	.derived = "the route's methods, else GET, HEAD, POST",
	.text = "What a preflight is told that they may do." },
{ "route[].cors.headers", SCHEMA_FIELDS, SCHEMA_LIVE, ROUTE(cors.headers),
	.max = CONF_HEADERS_MAX, .derived = "none",
	.text = "Request headers that they may send." },
{ "route[].cors.expose", SCHEMA_FIELDS, SCHEMA_LIVE, ROUTE(cors.expose),
	.max = CONF_HEADERS_MAX, .derived = "none",
	.text = "Response headers that they may read." },
{ "route[].cors.credentials", SCHEMA_SWITCH, SCHEMA_LIVE,
	ROUTE(cors.credentials), .derived = "false",
	.text = "Whether they may send cookies and logins." },
{ "route[].cors.max_age", SCHEMA_AGE, SCHEMA_LIVE, ROUTE(cors.max_age_ms),
	.min = 1 * SECOND, .max = DAY, .derived = "what browsers take, 5 s",
	.text = "How long they may keep a preflight's answer." },

{ "route[].auth", SCHEMA_GROUP, .noted = true, ROUTE(auth.given),
	.text = "Who may use the route. Either of basic and bearer lets a "
		"client in; forward is asked besides. Services that come by "
		"DROVER_URL have shown their own token and are not asked." },
{ "route[].auth.credentials", SCHEMA_FLAG, SCHEMA_LIVE, ROUTE(auth.pass),
	.choices = "strip|pass", .preset = "strip",
	.text = "Whether the service sees the Authorization header that basic "
		"or bearer has judged." },
{ "route[].auth.basic", SCHEMA_GROUP, .key = "users",
	.text = "A name and a password (RFC 7617)." },
{ "route[].auth.basic.users", SCHEMA_PATH, SCHEMA_LIVE, ROUTE(auth.users),
	.required = true,
	.text = "A file of name:hash lines, as mkpasswd and htpasswd -B write "
		"hashes: $y$, $gy$, $7$, $2b$, $6$ or $5$. Read at the start "
		"and at a reload." },
{ "route[].auth.basic.realm", SCHEMA_TEXT, SCHEMA_LIVE, ROUTE(auth.realm),
	.max = 100, .preset = "drover",
	.text = "What the client is told that the password is for." },
{ "route[].auth.basic.header", SCHEMA_FIELD, SCHEMA_LIVE,
	ROUTE(auth.user_header), .derived = "none",
	.text = "A header that tells the service the name." },
{ "route[].auth.bearer", SCHEMA_GROUP, .key = "algorithms",
	.text = "A signed token (RFC 6750, RFC 7519); it must have an end, "
		"exp." },
{ "route[].auth.bearer.algorithms", SCHEMA_ALGORITHMS, SCHEMA_LIVE,
	ROUTE(auth.algorithms), .min = 1, .max = 3, .required = true,
	.text = "How it may be signed: a list of HS256, RS256, ES256." },
{ "route[].auth.bearer.jwks", SCHEMA_PATH, SCHEMA_LIVE, ROUTE(auth.jwks),
	.derived = "none: secret_file must be given",
	.text = "A file with the keys, a JWK Set (RFC 7517)." },
{ "route[].auth.bearer.secret_file", SCHEMA_PATH, SCHEMA_LIVE,
	ROUTE(auth.secret), .derived = "none: jwks must be given",
	.text = "A file with the secret of HS256, 32 bytes or more; a line "
		"feed at its end does not belong to it." },
{ "route[].auth.bearer.issuer", SCHEMA_TEXT, SCHEMA_LIVE, ROUTE(auth.issuer),
	.max = 255, .derived = "anybody who has the key",
	.text = "What iss must be." },
{ "route[].auth.bearer.audience", SCHEMA_TEXT, SCHEMA_LIVE,
	ROUTE(auth.audience), .max = 255, .derived = "anybody",
	.text = "What aud must be, or have." },
{ "route[].auth.bearer.leeway", SCHEMA_DURATION, SCHEMA_LIVE,
	ROUTE(auth.leeway_ms), .min = 0, .max = 10 * 60 * SECOND,
	.preset = "30s",
	.text = "How far clocks may be apart, for exp, nbf and iat." },
{ "route[].auth.bearer.cookie", SCHEMA_COOKIE, SCHEMA_LIVE, ROUTE(auth.cookie),
	.derived = "none",
	.text = "A cookie that may have the token, where there is no "
		"Authorization header." },
{ "route[].auth.bearer.require", SCHEMA_REQUIRE, SCHEMA_LIVE,
	ROUTE(auth.require), .max = 8, .derived = "none",
	.text = "Claims that it must have, as claim=value; a list must have "
		"the value, scope the word. Otherwise 403." },
{ "route[].auth.bearer.claims", SCHEMA_CLAIMS, SCHEMA_LIVE, ROUTE(auth.claims),
	.max = 8, .derived = "none",
	.text = "Claims that the service is told in headers, as "
		"claim=Header." },
{ "route[].auth.forward", SCHEMA_GROUP, .key = "service",
	.text = "Another service is asked first, by a GET without a body, "
		"with X-Forwarded-Method and X-Forwarded-Uri. 2xx lets the "
		"request through; 3xx, 401 and 403 go to the client; "
		"anything else is an error, and nobody is let in." },
{ "route[].auth.forward.service", SCHEMA_NAME, SCHEMA_LIVE,
	ROUTE(auth.service), .required = true, .text = "Which service." },
{ "route[].auth.forward.path", SCHEMA_URL_PATH, SCHEMA_LIVE, ROUTE(auth.path),
	.max = 1024, .preset = "/", .text = "What it is asked for." },
{ "route[].auth.forward.request_headers", SCHEMA_PASSED, SCHEMA_LIVE,
	ROUTE(auth.request_headers), .max = 16,
	.derived = "Authorization and Cookie",
	.text = "What it is told of the client's headers." },
{ "route[].auth.forward.response_headers", SCHEMA_PASSED, SCHEMA_LIVE,
	ROUTE(auth.response_headers), .max = 16, .derived = "none",
	.text = "Headers of its answer that the request goes on with. The "
		"client's own are removed." },
{ "route[].auth.forward.timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROUTE(auth.timeout_ms), .min = 10, .max = 60 * SECOND, .preset = "2s",
	.text = "How long it may take, its queue included." },

{ "ready", SCHEMA_READY, SCHEMA_RESPAWN, SERVICE(readiness),
	.choices = "check|notify", .preset = "check",
	.text = "How it says that it is ready. check: readiness passes. "
		"notify: it sends READY=1 to NOTIFY_SOCKET." },
{ "readiness", SCHEMA_CHECK, SCHEMA_LIVE, SERVICE(readiness),
	.text = "Whether it takes traffic. One of path, tcp and exec; not with "
		"ready: notify. While it starts it is asked every 100 ms for "
		"10 s, then every 500 ms, and the first pass counts." },
{ "readiness.path", SCHEMA_CHECK_PATH, SCHEMA_LIVE, SERVICE(readiness),
	.max = 1024, .derived = "tcp",
	.text = "GET it on the service's own socket; 200 to 399 is a pass." },
{ "readiness.tcp", SCHEMA_CHECK_TCP, SCHEMA_LIVE, SERVICE(readiness),
	.derived = "true when neither path nor exec is given",
	.text = "true: a connection to its socket is a pass." },
{ "readiness.exec", SCHEMA_CHECK_EXEC, SCHEMA_LIVE, SERVICE(readiness),
	.min = 1, .max = CONF_ARGS_MAX, .derived = "tcp",
	.text = "Run this command; exit code 0 is a pass." },
{ "readiness.interval", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(readiness.interval_ms),
	.min = 100, .max = HOUR, .preset = "2s",
	.text = "From one check to the next, begin to begin, once it has "
		"started: one that hangs is found within fall times this, "
		"and a timeout." },
{ "readiness.timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(readiness.timeout_ms),
	.min = 10, .max = 60 * SECOND, .preset = "1s",
	.text = "A check that takes longer has failed." },
{ "readiness.rise", SCHEMA_INT, SCHEMA_LIVE, SERVICE(readiness.rise),
	.min = 1, .max = 100, .preset = "2",
	.text = "Passes in a row that bring it back." },
{ "readiness.fall", SCHEMA_INT, SCHEMA_LIVE, SERVICE(readiness.fall),
	.min = 1, .max = 100, .preset = "3",
	.text = "Failures in a row that take it out of rotation. It is not "
		"restarted for that." },

{ "liveness", SCHEMA_CHECK, SCHEMA_LIVE, SERVICE(liveness),
	.derived = "no such check",
	.text = "Whether it must be restarted. One of path, tcp and exec." },
{ "liveness.path", SCHEMA_CHECK_PATH, SCHEMA_LIVE, SERVICE(liveness),
	.max = 1024, .derived = "none",
	.text = "As in readiness." },
{ "liveness.tcp", SCHEMA_CHECK_TCP, SCHEMA_LIVE, SERVICE(liveness),
	.derived = "none", .text = "As in readiness." },
{ "liveness.exec", SCHEMA_CHECK_EXEC, SCHEMA_LIVE, SERVICE(liveness),
	.min = 1, .max = CONF_ARGS_MAX, .derived = "none",
	.text = "As in readiness." },
{ "liveness.interval", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(liveness.interval_ms),
	.min = 100, .max = HOUR, .preset = "10s",
	.text = "From one check to the next." },
{ "liveness.timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(liveness.timeout_ms),
	.min = 10, .max = 60 * SECOND, .preset = "1s",
	.text = "A check that takes longer has failed." },
{ "liveness.fall", SCHEMA_INT, SCHEMA_LIVE, SERVICE(liveness.fall),
	.min = 1, .max = 100, .preset = "3",
	.text = "Failures in a row after which it is restarted." },

{ "start", SCHEMA_GROUP, .text = "How it starts." },
{ "start.timeout", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(start_timeout_ms),
	.min = 100, .max = HOUR, .preset = "60s",
	.text = "One that is not ready by then is restarted." },

{ "restart", SCHEMA_GROUP,
	.text = "The wait before a crashed one is started again, plus or minus "
		"a quarter. It is never given up; exit code 125 means: do not "
		"restart me." },
{ "restart.first", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(restart.first_ms),
	.min = 0, .max = HOUR, .preset = "0ms",
	.text = "Before the first restart in a row." },
{ "restart.base", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(restart.base_ms),
	.min = 0, .max = HOUR, .preset = "100ms",
	.text = "Before the second; the third waits ten times as long, and "
		"from there it doubles." },
{ "restart.max", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(restart.max_ms),
	.min = 0, .max = DAY, .preset = "60s",
	.text = "The longest wait; not below first and base." },
{ "restart.reset", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(restart.reset_ms),
	.min = 100, .max = DAY, .preset = "60s",
	.text = "One that was ready for so long has its crashes forgotten." },

{ "stop", SCHEMA_GROUP, .text = "How it stops." },
{ "stop.drain", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(stop.drain_ms),
	.min = 0, .max = DAY, .preset = "30s",
	.text = "How long requests in flight may take after it has left "
		"rotation." },
{ "stop.websocket_drain", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(stop.websocket_drain_ms),
	.min = 0, .max = DAY, .preset = "5m",
	.text = "How long its WebSockets may stay open after it has left "
		"rotation." },
{ "stop.signal", SCHEMA_SIGNAL, SCHEMA_LIVE, SERVICE(stop.signal),
	.choices = "TERM|INT|QUIT|HUP|USR1|USR2|WINCH", .preset = "TERM",
	.text = "What it is then sent." },
{ "stop.timeout", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(stop.timeout_ms),
	.min = 0, .max = HOUR, .preset = "10s",
	.text = "From the signal until its whole process group is killed." },

{ "rollout", SCHEMA_GROUP,
	.text = "How a reload that changes what a process is started with "
		"replaces the copies: one at a time, a new one beside the old "
		"one until it is ready. A new copy that does not get ready, "
		"exits or fails too often takes them all back to the version "
		"before; the one in the files is then not tried again until "
		"it changes, or by drover reload --retry." },
{ "rollout.watch", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(rollout.watch_ms),
	.min = 0, .max = DAY, .preset = "30s",
	.text = "How long the first new copy has to be ready, beside all the "
		"old ones, before one of them goes. 0s: not at all." },
{ "rollout.errors", SCHEMA_PERCENT, SCHEMA_LIVE, SERVICE(rollout.errors),
	.min = 0, .max = 100, .preset = "5%",
	.text = "More errors than that among the answers of the new copies, "
		"until the last one is in its place, and the version has "
		"failed. Errors are answers of 5xx, invalid ones, broken "
		"connections and none in time. 100%: they do not matter." },
{ "rollout.minimum", SCHEMA_INT, SCHEMA_LIVE, SERVICE(rollout.minimum),
	.min = 1, .max = 1000000, .preset = "5",
	.text = "But not before there were so many errors." },

{ "balance", SCHEMA_GROUP, .scalar = "balance.policy",
	.text = "Which copy a request goes to. A bare value is short for "
		"policy." },
{ "balance.policy", SCHEMA_ENUM, SCHEMA_LIVE, SERVICE(balance),
	.choices = "least|round_robin", .preset = "least",
	.text = "least: the one with fewest requests, of two that are drawn "
		"(of all, up to 8); what one failed counts as load for a "
		"second. round_robin: one after the other." },
{ "balance.hash", SCHEMA_HASH, SCHEMA_LIVE,
	.derived = "none: policy decides",
	.text = "Instead of policy: the same value goes to the same copy. "
		"header:NAME, cookie:NAME, query:NAME, path or source." },

{ "ejection", SCHEMA_GROUP,
	.text = "When a copy that only or mostly fails (502, 503, 504, broken "
		"connections, no answer in time, or none in HTTP) is left alone "
		"for a while. Each worker goes by what it saw itself." },
{ "ejection.errors", SCHEMA_INT, SCHEMA_LIVE, SERVICE(ejection.errors),
	.min = 0, .max = 1000, .preset = "5",
	.text = "How many such errors in a row; or twice as many among four "
		"times as many requests (10 of 20), so that a copy that fails "
		"half of them goes, too. 0: none is ejected." },
{ "ejection.time", SCHEMA_DURATION, SCHEMA_LIVE, SERVICE(ejection.time_ms),
	.min = 10, .max = HOUR, .preset = "30s",
	.text = "For how long; the second time in a row twice as long, and so "
		"on, up to ten times." },
{ "ejection.percent", SCHEMA_PERCENT, SCHEMA_LIVE, SERVICE(ejection.percent),
	.min = 0, .max = 100, .preset = "50%",
	.text = "How many of the copies may be out at most. The last one never "
		"is." },

{ "limits", SCHEMA_GROUP, .text = "Ceilings for its requests." },
{ "limits.concurrency", SCHEMA_INT, SCHEMA_LIVE, SERVICE(limits.concurrency),
	.min = 0, .max = 65535, .preset = "0",
	.text = "Requests in flight to one copy; more wait. 0: no limit." },
{ "limits.queue", SCHEMA_INT, SCHEMA_LIVE, SERVICE(limits.queue),
	.min = 0, .max = 65535, .preset = "100",
	.text = "Requests that may wait for the service; more are refused "
		"with 503." },
{ "limits.queue_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(limits.queue_timeout_ms),
	.min = 1, .max = HOUR, .preset = "5s",
	.text = "How long one may wait." },
{ "limits.body", SCHEMA_SIZE, SCHEMA_LIVE, SERVICE(limits.body),
	.min = 0, .max = 1024 * GiB, .preset = "64MiB",
	.text = "The largest request body; a larger one is refused with 413." },
{ "limits.request_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(limits.request_timeout_ms),
	.min = 1, .max = DAY, .preset = "60s",
	.text = "From the end of the request to the head of the answer." },
{ "limits.idle_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(limits.idle_timeout_ms),
	.min = 1, .max = DAY, .preset = "60s",
	.text = "How long a body or a stream may stand still." },

{ "limits.websocket_idle", SCHEMA_DURATION, SCHEMA_LIVE,
	SERVICE(limits.websocket_idle_ms),
	.min = 1, .max = DAY, .preset = "10m",
	.text = "How long a WebSocket may be silent in both directions." },

{ "resources", SCHEMA_GROUP,
	.text = "Ceilings for each copy. What the host cannot enforce is shown "
		"as unenforced in status." },
{ "resources.memory", SCHEMA_SIZE, SCHEMA_RESPAWN, SERVICE(resources.memory),
	.min = 0, .max = 1024 * GiB, .preset = "0B",
	.text = "Memory. 0B: no limit." },
{ "resources.cpu", SCHEMA_PERCENT, SCHEMA_RESPAWN,
	SERVICE(resources.cpu_percent),
	.min = 0, .max = 100000, .preset = "0%",
	.text = "CPU time, in percent of one CPU. 0%: no limit." },
{ "resources.files", SCHEMA_INT, SCHEMA_RESPAWN, SERVICE(resources.files),
	.min = 0, .max = 1048576, .preset = "0",
	.text = "Open files. 0: as drover's own." },
{ "resources.processes", SCHEMA_INT, SCHEMA_RESPAWN,
	SERVICE(resources.processes),
	.min = 0, .max = 1048576, .preset = "0",
	.text = "Processes and threads. 0: no limit." },

{ "sandbox", SCHEMA_GROUP,
	.text = "What each copy is kept from. A setting that cannot be given "
		"is a start error; with optional: true the service runs without "
		"it, and status shows it as unenforced." },
{ "sandbox.user", SCHEMA_TEXT, SCHEMA_RESPAWN, SERVICE(sandbox.user),
	.max = 63, .derived = "the user that drover runs as",
	.text = "Whom it runs as." },
{ "sandbox.private_tmp", SCHEMA_BOOL, SCHEMA_RESPAWN,
	SERVICE(sandbox.private_tmp), .preset = "false",
	.text = "Whether it has a /tmp of its own." },
{ "sandbox.read_only", SCHEMA_BOOL, SCHEMA_RESPAWN,
	SERVICE(sandbox.read_only), .preset = "false",
	.text = "Whether the file system is read-only for it, but for its own "
		"folders." },
{ "sandbox.network", SCHEMA_BOOL, SCHEMA_RESPAWN, SERVICE(sandbox.network),
	.preset = "true",
	.text = "Whether it reaches the network; false is not possible with "
		"listen: port." },
{ "sandbox.no_new_privs", SCHEMA_BOOL, SCHEMA_RESPAWN,
	SERVICE(sandbox.no_new_privs), .preset = "false",
	.text = "Whether no program that it executes gains rights, as setuid "
		"ones do. Every other setting of this group implies it." },
{ "sandbox.capabilities", SCHEMA_BOOL, SCHEMA_RESPAWN,
	SERVICE(sandbox.capabilities), .preset = "true",
	.text = "Whether it keeps the capabilities that drover has; false "
		"takes all of them, from root too. With sandbox.user it has "
		"none in any case." },
{ "sandbox.seccomp", SCHEMA_FLAG, SCHEMA_RESPAWN, SERVICE(sandbox.seccomp),
	.choices = "none|default", .preset = "none",
	.text = "Which system calls it may make. With default those that no "
		"service needs are refused: they fail with EPERM (socket "
		"families with EAFNOSUPPORT, newer calls with ENOSYS), and a "
		"call of another architecture ends the process." },
{ "sandbox.seccomp_allow", SCHEMA_CALLS, SCHEMA_RESPAWN,
	SERVICE(sandbox.seccomp_allow), .preset = "[]",
	.text = "Groups of calls that the default profile refuses and this "
		"service may make: filesystem (mount, chroot), namespaces, "
		"kernel (modules, reboot, swap), clock, debug (ptrace, bpf, "
		"perf), keyring, io_uring, sockets (raw packets and other "
		"families), obsolete, newer." },
{ "sandbox.optional", SCHEMA_BOOL, SCHEMA_RESPAWN, SERVICE(sandbox.optional),
	.preset = "false",
	.text = "Whether it is started without what cannot be given." },

{ "depends_on", SCHEMA_NAMES, SCHEMA_LIVE, SERVICE(depends_on),
	.max = 64, .preset = "[]",
	.text = "Services that must be ready before it is started, and that "
		"are stopped after it. redis is the registry's." },
{ "calls", SCHEMA_NAMES, SCHEMA_LIVE, SERVICE(calls),
	.max = 64, .preset = "[]",
	.text = "Services that it may call by DROVER_URL." },
{ "access_log", SCHEMA_BOOL, SCHEMA_LIVE, SERVICE(access_log),
	.preset = "true",
	.text = "Whether its requests stand in the access log, where there is "
		"one." },
{ "needs_redis", SCHEMA_BOOL, SCHEMA_RESPAWN, SERVICE(needs_redis),
	.preset = "false",
	.text = "Whether it is given DROVER_REDIS_URL, and waits for the "
		"registry's Redis." },
{ .path = NULL },
};
/* clang-format on */
