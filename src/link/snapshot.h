/* SPDX-License-Identifier: ISC */

/*
 * snapshot - what a worker must know to route: immutable, with a generation
 *
 * Control fills a struct snapshot (everything in it borrowed), encodes it, and
 * sends it to every worker as a sealed memfd; a worker decodes it into memory
 * of its own, applies it between two turns of its loop, and acknowledges the
 * generation. From then on nothing new goes to an endpoint that is not in it;
 * what is in flight goes on, and shows in the scoreboard's cells.
 *
 * Version: N reads N-1 (missing fields are zero) and refuses N+1 with the
 * reason. Decoding checks everything: counts, lengths, indices, cells,
 * addresses and flags; what it returns can be used without a further look.
 *
 * Durations are milliseconds, sizes bytes. Strings are never NULL after
 * decoding; NULL is taken for "" when encoding.
 */

#ifndef LINK_SNAPSHOT_H
#define LINK_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "link/limits.h"

#define SNAPSHOT_VERSION 2

#define SNAPSHOT_BYTES_MAX (64U << 20)
#define SNAPSHOT_LISTENERS_MAX 64
#define SNAPSHOT_PAIRS_MAX 256 /* of one listener */
#define SNAPSHOT_PEM_MAX (60U * 1024)
#define SNAPSHOT_CIPHERS_MAX 1024
#define SNAPSHOT_TICKETS_MAX 4
#define SNAPSHOT_TICKET 80
#define SNAPSHOT_STREAMS_MAX 1024 /* of one connection of HTTP/2 */
#define SNAPSHOT_NETWORKS_MAX 1024
#define SNAPSHOT_SERVICES_MAX 1024  /* = SCOREBOARD_SERVICES */
#define SNAPSHOT_ENDPOINTS_MAX 4096 /* = SCOREBOARD_ENDPOINTS; in all */
#define SNAPSHOT_ROUTES_MAX 8192
#define SNAPSHOT_CALLS_MAX 1024 /* of one service */
#define SNAPSHOT_NAME_MAX 80
#define SNAPSHOT_ADDRESS_MAX 128
#define SNAPSHOT_TOKEN_MAX 128
#define SNAPSHOT_HOST_MAX 255
#define SNAPSHOT_PATH_MAX 1024
#define SNAPSHOT_UPGRADE_MAX 256
#define SNAPSHOT_WEIGHT_MAX 1000
#define SNAPSHOT_LINES_MAX 10240 /* header lines of a route */
#define SNAPSHOT_NAMES_MAX 2112	 /* header names of a route */
#define SNAPSHOT_ORIGINS_MAX 8192
#define SNAPSHOT_BURST_MAX 1000000
#define SNAPSHOT_SECRETS_MAX (256U * 1024) /* one file of users or keys */
#define SNAPSHOT_AUTH_LIST_MAX 2200	   /* one of its lists */

enum {
	SNAPSHOT_LISTENER_INTERNAL = 1, /* callers are services, by token */
	SNAPSHOT_LISTENER_TLS = 2,
	SNAPSHOT_LISTENER_HTTP2_NEVER = 4,
	SNAPSHOT_LISTENER_HTTP2_ALWAYS = 8, /* without TLS too */
	SNAPSHOT_LISTENER_FLAGS = 15,
};

/* A certificate with its chain, and its key, in PEM. */
struct snapshot_pair {
	const char *cert;
	const char *key;
};

struct snapshot_listener {
	uint32_t id; /* the same as in the LISTENERS message */
	uint32_t flags;
	const char *address; /* for logs: "0.0.0.0:8080" */

	/* With TLS. */
	uint64_t mark;	/* of all below; it differs when something else does */
	uint32_t tls13; /* not 0: 1.3 is the lowest version */
	const char *ciphers; /* of 1.2; "": the default */
	const char *ciphersuites;
	uint32_t handshake_ms;		   /* at most */
	uint32_t handshakes;		   /* under way in one worker */
	const struct snapshot_pair *pairs; /* the first is the default */
	uint32_t npairs;		   /* 0: what the worker has goes on */

	uint32_t http2_streams; /* at once; 0: the default */
};

/* v4 is mapped into v6. A peer in one of these may set X-Forwarded-*. */
struct snapshot_network {
	unsigned char address[16];
	uint32_t prefix; /* bits, 0..128 */
};

struct snapshot_endpoint {
	const char *name;    /* "image.0", for logs and status */
	const char *address; /* "unix:/path", "127.0.0.1:80", "[::1]:80" */
	uint32_t cell;	     /* its own in the scoreboard, per incarnation */
	uint32_t weight;     /* 1..SNAPSHOT_WEIGHT_MAX; 100 is usual */
	/*
	 * When it became ready, on CLOCK_MONOTONIC, for the slow start; 0: long
	 * ago.
	 */
	uint64_t ready_since_ms;
	uint32_t flags; /* SNAPSHOT_ENDPOINT_* */
};

enum {
	/*
	 * Of a version that is not proven yet: its errors are not passed on to
	 * who may be asked elsewhere.
	 */
	SNAPSHOT_ENDPOINT_TRIAL = 1,
};

/* In the order of enum balance_policy and balance_key in model/balance.h. */
enum snapshot_balance { SNAPSHOT_LEAST, SNAPSHOT_ROUND_ROBIN, SNAPSHOT_HASH };

enum snapshot_hash {
	SNAPSHOT_HASH_HEADER,
	SNAPSHOT_HASH_COOKIE,
	SNAPSHOT_HASH_QUERY,
	SNAPSHOT_HASH_PATH,
	SNAPSHOT_HASH_SOURCE
};

enum {
	/*
	 * No endpoint may be ready, but one is on its way: requests wait for it
	 * in the queue, for start_wait_ms, instead of a 503.
	 */
	SNAPSHOT_SERVICE_STARTING = 1,
	SNAPSHOT_SERVICE_UNLOGGED = 2, /* not in the access log */
};

struct snapshot_service {
	const char *name;
	uint32_t cell;	  /* in the scoreboard; kept while the service exists */
	uint32_t flags;	  /* SNAPSHOT_SERVICE_* */
	uint32_t balance; /* enum snapshot_balance */
	uint32_t hash;	  /* enum snapshot_hash */
	const char *hash_name; /* of the header, cookie or query parameter */
	uint32_t concurrency;  /* per endpoint, over all workers; 0: no limit */
	uint32_t queue;	       /* waiting, over all workers */
	uint32_t queue_timeout_ms;
	uint32_t start_wait_ms; /* 0: queue_timeout_ms */
	uint32_t
	    request_timeout_ms;	  /* request sent -> response head; 0: never */
	uint32_t idle_timeout_ms; /* no byte of a body moved; 0: never */
	uint32_t websocket_idle_ms; /* nor of an upgraded one; 0: never */
	uint32_t eject_errors;	    /* in a row; 0: no ejection */
	uint32_t eject_ms;
	uint32_t eject_percent; /* of the endpoints, at most */
	uint32_t wake;		/* 1: at zero; who waits says WORKER_WAKE */
	uint64_t body;		/* a request's body at most; 0: none at all */
	/* Names this service as a caller on internal listeners; "": nobody. */
	const char *token;
	/* Whom it may call: indices of services, in any order. */
	const uint32_t *calls;
	uint32_t ncalls;
	const struct snapshot_endpoint *endpoints; /* the ready ones */
	uint32_t nendpoints;
};

/* Methods of a route as bits: the values of conf.h's CONF_GET and so on. */
enum {
	SNAPSHOT_GET = 1,
	SNAPSHOT_HEAD = 2,
	SNAPSHOT_POST = 4,
	SNAPSHOT_PUT = 8,
	SNAPSHOT_DELETE = 16,
	SNAPSHOT_PATCH = 32,
	SNAPSHOT_OPTIONS = 64,
};

enum {
	SNAPSHOT_ROUTE_EXACT = 1,
	SNAPSHOT_ROUTE_STRIP = 2,    /* the prefix is taken off */
	SNAPSHOT_ROUTE_REWRITE = 4,  /* `rewrite` stands in its place */
	SNAPSHOT_ROUTE_INTERNAL = 8, /* only on internal listeners */
	SNAPSHOT_ROUTE_HTTPS = 16,   /* redirect only what came without TLS */
	SNAPSHOT_ROUTE_CREDENTIALS = 32, /* of CORS */
};

enum {
	SNAPSHOT_AUTH_BASIC = 1,
	SNAPSHOT_AUTH_BEARER = 2,
	SNAPSHOT_AUTH_FORWARD = 4,
	SNAPSHOT_AUTH_PASS = 8, /* the service sees Authorization */
};

/*
 * Who may use a route: conf.h's conf_auth, with what its files say. Lists have
 * a space between their elements. An empty text where one is needed (the file
 * could not be used) lets nobody in.
 */
struct snapshot_auth {
	uint32_t flags;	     /* SNAPSHOT_AUTH_* */
	uint32_t algorithms; /* CONF_HS256 ... */
	uint32_t leeway_s;
	uint32_t service;    /* forward: index into services */
	uint32_t timeout_ms; /* forward */
	const char *realm;
	const char *users; /* tls/users.h */
	const char *user_header;
	const char *secret; /* one of these two */
	const char *jwks;   /* tls/jwk.h */
	const char *issuer, *audience, *cookie;
	const char *require; /* "scope=read" */
	const char *claims;  /* "sub=X-User" */
	const char *path;    /* forward */
	const char *request_headers, *response_headers;
};

struct snapshot_route {
	const char *host;    /* "" any; "a.org", "*.a.org"; lower case */
	const char *path;    /* begins with '/' */
	const char *rewrite; /* with REWRITE; begins with '/' */
	const char *upgrade; /* tokens with a space between; "" none */
	uint32_t methods;    /* a set of SNAPSHOT_GET ...; 0: any */
	uint32_t flags;	     /* SNAPSHOT_ROUTE_* */
	uint32_t service;    /* index into services */

	/*
	 * Headers: "Name: value" lines, each with a '\n' behind it, that take
	 * the place of what came under these names; and names that go.
	 */
	const char *request_set, *request_remove;   /* remove: "a b" */
	const char *response_set, *response_remove; /* "": none */

	/* Where to instead, with ${host}, ${path} and ${query}; "": no. */
	const char *redirect;
	uint32_t redirect_status; /* 301, 302, 303, 307, 308 */

	/* `count` in `period` seconds and `burst` at once; count 0: no limit.*/
	uint32_t rate_count, rate_period_s, rate_burst;
	const char *rate_header; /* whose value is the key; "": the address */

	const char *cors_origins; /* "https://example.org ...", "*"; "" no */
	uint32_t cors_methods;	  /* a set of SNAPSHOT_GET ...; 0: those that
				     need no leave */
	const char *cors_headers, *cors_expose; /* "A, B" */
	uint32_t cors_max_age_s;		/* 0: not said */
	const struct snapshot_auth *auth;	/* NULL: anybody */
};

struct snapshot {
	uint64_t generation; /* above every earlier one */
	struct limits limits;
	uint32_t record_texts; /* 1: an access log wants record_text */
	/* Keys for session tickets, the newest first: all workers' alike. */
	unsigned char tickets[SNAPSHOT_TICKETS_MAX * SNAPSHOT_TICKET];
	uint32_t ntickets;
	const struct snapshot_listener *listeners;
	uint32_t nlisteners;
	const struct snapshot_network *trusted;
	uint32_t ntrusted;
	const struct snapshot_service *services;
	uint32_t nservices;
	const struct snapshot_route *routes;
	uint32_t nroutes;
	/*
	 * Cells of endpoints that are not in it and do not answer their checks
	 * either: what waits there for an answer, and may be sent twice, goes
	 * elsewhere. Version 2.
	 */
	const uint32_t *silent;
	uint32_t nsilent;
};

/* Append the encoded snapshot. -ENOBUFS, -ENOMEM. */
int snapshot_encode(const struct snapshot *s, struct buf *out) MUST_CHECK;

/* The same into a new sealed memfd, read-only for ever; the caller's. */
int snapshot_memfd(
    const struct snapshot *s, int *fd, struct err *err) MUST_CHECK;

/*
 * A snapshot of its own memory, freed with snapshot_free(). -EBADMSG: not one,
 * or something in it is out of bounds; -EPROTO: from a version that we cannot
 * read; -ENOMEM. err says what.
 */
int snapshot_decode(const void *data, size_t n, struct snapshot **s,
    struct err *err) MUST_CHECK;

/* From a memfd that was received; fd stays the caller's. */
int snapshot_read(int fd, struct snapshot **s, struct err *err) MUST_CHECK;

void snapshot_free(struct snapshot *s); /* of decode and read only */

#endif /* LINK_SNAPSHOT_H */
