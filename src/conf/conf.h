/* SPDX-License-Identifier: ISC */

/*
 * conf - the configuration, as an immutable snapshot
 *
 * drover.yaml and every .yaml file of services.d are read as YAML 1.2 core into
 * one JSON tree whose nodes know file and line, checked against one schema
 * table (schema.c: key, type, range, unit, default, whether a reload can change
 * it, text), and laid out as the plain structs below. Everything that a struct
 * holds lives in the snapshot's arena: strings are never NULL unless said so,
 * and nothing in it changes after conf_load() returned it.
 *
 * An error names file, line, key, what was found and what is allowed. A set of
 * files is accepted whole or not at all.
 *
 * Durations are milliseconds, sizes bytes. 0 means "no limit" or "off" only
 * where the comment says so.
 */

#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CONF_NAME_MAX 63 /* service names: [a-z][a-z0-9-]* */
#define CONF_REPLICAS_MAX 256
#define CONF_SERVICES_MAX 1024
#define CONF_TOKENS_MAX 8 /* protocols of a route */
#define CONF_TOKEN_MAX 31
#define CONF_HEADERS_MAX 16 /* set, removed or named by a route, of each */
#define CONF_ORIGINS_MAX 32
#define CONF_ARGS_MAX 255 /* of a command */
#define CONF_ENV_MAX 200  /* of a service */
#define CONF_FIELD_MAX 63 /* name of a header that auth sets or asks for */
#define CONF_CERTIFICATES_MAX 256 /* of a listener */
#define CONF_EXPIRY_DAYS 14
#define CONF_SPAWN_MAX (64 * 1024) /* bytes of command and env together */

/* Where programs are looked up unless env says PATH. */
#define CONF_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Of the folder of the file that names them where they are not absolute. */
struct conf_certificate {
	const char *cert; /* PEM: the certificate, then its chain */
	const char *key;
	unsigned line;
};

enum conf_tls_version { CONF_TLS_1_2, CONF_TLS_1_3 };

struct conf_tls {
	const struct conf_certificate *certificates;
	size_t ncertificates;	  /* 0: without TLS */
	unsigned min_version;	  /* enum conf_tls_version */
	const char *ciphers;	  /* NULL: the default */
	const char *ciphersuites; /* likewise */
	uint64_t handshake_timeout_ms;
	unsigned handshakes; /* of a worker, at a time */
};

enum conf_http2 { CONF_HTTP2_NEVER, CONF_HTTP2_TLS, CONF_HTTP2_ALWAYS };

struct conf_listen {
	const char *address; /* "0.0.0.0:8080", "[::]:80", "unix:/path" */
	struct conf_tls tls;
	enum conf_http2 http2;
	unsigned http2_streams;
	unsigned line;
};

struct conf_admin {
	const char *socket;
	const char *group_admin; /* NULL: only root and drover's own user */
	const char *group_read;	 /* NULL: nobody besides */
};

enum conf_registry_kind {
	CONF_REGISTRY_MANAGED,
	CONF_REGISTRY_URL,
	CONF_REGISTRY_NONE
};

#define CONF_SENTINELS_MAX 8u

struct conf_registry {
	enum conf_registry_kind kind;
	const char *url;     /* redis://... or sentinel://...; URL only */
	const char *cluster; /* C of {drover:C}; default "drover" */
	uint64_t max_memory; /* of the managed one */
	const char *program; /* redis-server */
};

struct conf_node {
	const char *name;      /* default: the host's name */
	const char *advertise; /* host:port, or NULL */
};

struct conf_dirs {
	const char *runtime; /* sockets, lock */
	const char *state;   /* services' state, applied configuration, Redis */
	const char *cache;
	const char *logs;
};

enum conf_socket { CONF_SOCKET_UNIX, CONF_SOCKET_PORT, CONF_SOCKET_FD };

enum conf_check_kind {
	CONF_CHECK_NONE,
	CONF_CHECK_HTTP,
	CONF_CHECK_TCP, /* a connect, on TCP or Unix sockets alike */
	CONF_CHECK_EXEC,
	CONF_CHECK_NOTIFY /* readiness only: READY=1 on $NOTIFY_SOCKET */
};

struct conf_check {
	enum conf_check_kind kind;
	const char *path;	    /* HTTP */
	const char *const *command; /* EXEC: argv, NULL at the end */
	uint64_t interval_ms;
	uint64_t timeout_ms;
	unsigned rise;
	unsigned fall;
};

/* Methods as bits, for conf_route.methods; 0 is any. */
enum {
	CONF_GET = 1,
	CONF_HEAD = 2,
	CONF_POST = 4,
	CONF_PUT = 8,
	CONF_DELETE = 16,
	CONF_PATCH = 32,
	CONF_OPTIONS = 64
};

struct conf_env {
	const char *name;
	const char *value; /* ${PORT} and friends not yet expanded */
};

/* What becomes of the headers of a request or of an answer. */
struct conf_headers {
	const struct conf_env *set; /* name and value */
	size_t nset;
	const char *const *remove; /* NULL at the end; NULL: none */
};

struct conf_redirect {
	const char *to;	 /* "https", or with ${host}, ${path}, ${query}; NULL */
	unsigned status; /* 0: 302 */
};

struct conf_rate {
	unsigned count; /* in period_s seconds; 0: no limit */
	unsigned period_s;
	unsigned burst;	    /* 0: count */
	const char *header; /* NULL: by address */
};

struct conf_cors {
	const char *const *origins; /* NULL: no CORS */
	unsigned methods;	    /* a set of CONF_GET ...; 0: the route's */
	const char *const *headers, *const *expose; /* NULL: none */
	bool credentials;
	uint64_t max_age_ms; /* 0: not said */
};

/* Signatures of tokens as bits: JWK_HS256 and so on of tls/jwk.h. */
enum { CONF_HS256 = 1, CONF_RS256 = 2, CONF_ES256 = 4 };

/* Who may use a route. Each of the three is there or not: see its comment. */
struct conf_auth {
	bool given; /* then one of the three at least is there */
	bool pass;  /* credentials: pass */

	const char *users; /* basic: the file; NULL: no basic */
	const char *realm;
	const char *user_header; /* tells the service who it is; NULL: none */

	unsigned algorithms; /* bearer: a set of CONF_HS256 ...; 0: no bearer */
	const char *secret;  /* the file, or NULL: then jwks is one */
	const char *jwks;
	const char *issuer;   /* NULL: any */
	const char *audience; /* NULL: any */
	const char *cookie;   /* NULL: none */
	uint64_t leeway_ms;
	const char *const *require; /* "scope=read"; NULL: none */
	const char *const *claims;  /* "sub=X-User"; NULL: none */

	const char *service; /* forward: whom to ask; NULL: no forward */
	const char *path;
	const char *const *request_headers;  /* NULL: Authorization, Cookie */
	const char *const *response_headers; /* NULL: none */
	uint64_t timeout_ms;
};

struct conf_route {
	const char *host;	    /* NULL: any; "*.example.org" allowed */
	const char *path;	    /* begins with '/' */
	const char *rewrite;	    /* replaces the matched prefix; NULL: off */
	const char *const *upgrade; /* protocols; NULL at the end */
	unsigned methods;	    /* a set of CONF_GET ... */
	bool exact;		    /* `exact:` was given instead of `path:` */
	bool strip;		    /* the prefix is taken off */
	bool internal;		    /* expose: internal */
	struct conf_headers request, response;
	struct conf_redirect redirect;
	struct conf_rate rate;
	struct conf_cors cors;
	struct conf_auth auth;
	unsigned line; /* where it stands in the service's file */
};

enum conf_balance {
	CONF_BALANCE_LEAST,
	CONF_BALANCE_ROUND_ROBIN,
	CONF_BALANCE_HASH
};

enum conf_hash {
	CONF_HASH_HEADER,
	CONF_HASH_COOKIE,
	CONF_HASH_QUERY,
	CONF_HASH_PATH,
	CONF_HASH_SOURCE
};

struct conf_restart {
	uint64_t first_ms, base_ms, max_ms, reset_ms;
};

/* How a changed version is watched while it takes the place of another. */
struct conf_rollout {
	uint64_t watch_ms;
	unsigned errors;  /* percent of the new copies' answers */
	unsigned minimum; /* errors, before the percentage counts */
};

struct conf_stop {
	uint64_t drain_ms;
	uint64_t websocket_drain_ms;
	int signal;
	uint64_t timeout_ms;
};

struct conf_limits {
	unsigned concurrency; /* per instance; 0: no limit */
	unsigned queue;	      /* per service */
	uint64_t queue_timeout_ms;
	uint64_t body;
	uint64_t request_timeout_ms;
	uint64_t idle_timeout_ms; /* bodies and streams */
	uint64_t websocket_idle_ms;
};

/* With replicas: {min, max}; model/autoscale.h. */
struct conf_autoscale {
	unsigned target; /* in flight on one copy; 0: derived */
	unsigned surge;
	uint64_t window_ms;
	uint64_t panic_window_ms; /* 0: a tenth of window_ms */
	uint64_t grace_ms;
	uint64_t queue_wait_ms;
	uint64_t wake_timeout_ms;
};

struct conf_ejection {
	unsigned errors; /* in a row; 0: off */
	unsigned percent;
	uint64_t time_ms;
};

struct conf_resources {
	uint64_t memory;      /* 0: none */
	unsigned cpu_percent; /* of one CPU; 0: none */
	unsigned files;	      /* 0: inherited */
	unsigned processes;   /* 0: none */
};

struct conf_sandbox {
	const char *user; /* NULL: drover's own */
	bool private_tmp, read_only, network, optional;
	bool no_new_privs, capabilities;
	bool seccomp;		/* the default profile, without... */
	unsigned seccomp_allow; /* ...these: 1 << enum seccomp_group */
};

/* Of one worker, for all services; 0 is "no limit" where schema.c says so. */
struct conf_ceilings {
	unsigned connections, connections_per_address, requests_per_connection;
	uint64_t idle_timeout_ms;
	uint64_t memory;
	uint64_t head_size;
	unsigned head_lines;
	uint64_t target;
	uint64_t head_timeout_ms;
	uint64_t body_rate; /* bytes a second */
	uint64_t body_grace_ms;
	uint64_t send_timeout_ms, half_close_timeout_ms, linger_timeout_ms;
	uint64_t linger_size;
	uint64_t connect_timeout_ms;
	unsigned pool;
	uint64_t pool_timeout_ms;
	uint64_t response_head;
	unsigned http2_resets, http2_controls;
	uint64_t http2_window;
	unsigned auth_verdicts, auth_refusals, auth_queue;
	uint64_t auth_keep_ms, auth_timeout_ms;
	unsigned interims;
};

struct conf_service {
	const char *name;
	const char *const *command; /* argv, NULL at the end */
	const struct conf_env *env;
	size_t nenv;
	const char *directory; /* working directory; NULL: the state folder */
	unsigned replicas_min, replicas_max; /* equal without autoscaling */
	struct conf_autoscale autoscale;
	enum conf_socket listen;
	const struct conf_route *routes;
	size_t nroutes;
	struct conf_check readiness;
	struct conf_check liveness; /* kind NONE when not asked for */
	uint64_t start_timeout_ms;
	struct conf_restart restart;
	struct conf_stop stop;
	struct conf_rollout rollout;
	enum conf_balance balance;
	enum conf_hash hash;
	const char *hash_name; /* header, cookie or query name; else "" */
	struct conf_ejection ejection;
	struct conf_limits limits;
	struct conf_resources resources;
	struct conf_sandbox sandbox;
	const char *const *depends_on; /* NULL at the end */
	const char *const *calls;      /* NULL at the end */
	bool needs_redis;
	bool access_log;
	const char
	    *file; /* where it stands, for messages; "(applied)" from JSON */
	unsigned line;
	const unsigned *lines; /* conf_line()'s own */
	uint64_t hash_spawn;   /* of all that a running process depends on */
	uint64_t hash_all;     /* of everything */
};

/* One per address or network of trusted_proxies; v4 is mapped into v6. */
struct conf_network {
	unsigned char address[16];
	unsigned prefix; /* bits, 0..128 */
};

enum conf_access_format {
	CONF_ACCESS_OFF,
	CONF_ACCESS_JSON,
	CONF_ACCESS_COMBINED
};

struct conf_access {
	enum conf_access_format format;
	const char *file; /* never NULL */
	unsigned sample;  /* percent */
	uint64_t size;
	unsigned files; /* kept, with the current one */
};

struct conf {
	const char *file; /* drover.yaml, for messages; "(applied)" */
	const struct conf_listen *listen;
	size_t nlisten;
	struct conf_admin admin;
	const char *dashboard; /* "127.0.0.1:8081" for the read page, or NULL */
	struct conf_registry registry;
	struct conf_node node;
	struct conf_dirs dirs;
	unsigned workers; /* never 0: `auto` is resolved */
	const char *user; /* of the workers when started as root; NULL */
	unsigned port_first, port_last; /* for listen: port */
	uint64_t log_size;  /* bytes a service's log file may have */
	unsigned log_files; /* kept, with the current one */
	bool log_journal;   /* lines go to the journal instead */
	struct conf_access access;
	const struct conf_network *trusted;
	size_t ntrusted;
	struct conf_ceilings limits;
	const struct conf_service *services; /* by name */
	size_t nservices;
};

/* Shared between control and what still uses an older one. NULL is fine. */
const struct conf *conf_ref(const struct conf *conf);
void conf_unref(const struct conf *conf);

/*
 * Read path (a drover.yaml) and services.d beside it. NULL with every error
 * found, at most 20, each a line of `file:line: key: text`, in *errors.
 */
const struct conf *conf_load(const char *path, struct buf *errors);

/* The same from JSON, as conf_json() made it: the applied configuration. */
const struct conf *conf_from_json(json_t *root, struct buf *errors);

/* The whole effective configuration, defaults included; the caller's. */
json_t *conf_json(const struct conf *conf);

/* Of one service, likewise. Both are NULL when out of memory. */
json_t *conf_service_json(const struct conf_service *service);

const struct conf_service *conf_service(
    const struct conf *conf, const char *name); /* or NULL */

/*
 * What this host lacks for it: programs, folders and users that are named and
 * do not exist; certificates, keys and files of users that cannot be used.
 * Lines as those of conf_load(); true when there are none. Reads the file
 * system and the user database, so it is not part of loading: check, plan,
 * reload and a first start call it, an adoption does not.
 */
bool conf_check_host(const struct conf *conf, struct buf *errors);

/*
 * What is good for now but not for long, likewise: certificates that have
 * expired, are not valid yet, or expire within CONF_EXPIRY_DAYS.
 */
void conf_warn_host(const struct conf *conf, struct buf *warnings);

/* The line of a key ("stop.signal"), else of its group, else the service's. */
unsigned conf_line(const struct conf_service *service, const char *key);

/* --- what a reload would do (plan) ---------------------------------------- */

enum conf_change_kind {
	CONF_ADDED,
	CONF_REMOVED,
	CONF_CHANGED,	/* in place: routes, limits, checks, replicas */
	CONF_RESTARTED, /* its processes must be replaced */
	CONF_NEEDS_RESTART_OF_DROVER /* refused by reload: key says which */
};

struct conf_change {
	enum conf_change_kind kind;
	const char *service; /* "" for a key of drover.yaml */
	const char *key;     /* the first key that differs, or "" */
	char from[64], to[64];
};

/* The changes in the order of their names; *changes is freed by the caller. */
int conf_diff(const struct conf *old, const struct conf *new_,
    struct conf_change **changes, size_t *n) MUST_CHECK;

/*
 * Indices of services in the order of their start: each after what it depends
 * on, by name where that leaves a choice. 0 or -ENOMEM (a loaded
 * configuration has no cycle).
 */
int conf_order(
    const struct conf *conf, size_t *order /* nservices */) MUST_CHECK;

#endif /* CONF_CONF_H */
