/* SPDX-License-Identifier: ISC */

/* The keys of drover.yaml. */

#include "conf/conf.h"
#include "conf/schema.h"

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

#define ROOT(member) .offset = offsetof(struct conf, member)
#define LISTEN(member) .offset = offsetof(struct conf_listen, member)
#define CERTIFICATE(member) .offset = offsetof(struct conf_certificate, member)

/* clang-format off */
const struct schema schema_root[] = {
{ "listen", SCHEMA_ELEMENTS, SCHEMA_LIVE, ROOT(listen),
	.count = offsetof(struct conf, nlisten),
	.size = sizeof(struct conf_listen),
	.line = offsetof(struct conf_listen, line), .min = 0, .max = 64,
	.derived = "one listener on 127.0.0.1:8080",
	.text = "Where clients come in. An empty list leaves only the internal "
		"listener." },
{ "listen[].address", SCHEMA_ADDRESS, SCHEMA_LIVE, LISTEN(address),
	.required = true,
	.text = "An IPv4 address and a port, an IPv6 address in brackets and a "
		"port, or unix: and an absolute path." },
{ "listen[].http2", SCHEMA_ENUM, SCHEMA_LIVE, LISTEN(http2),
	.choices = "never|tls|always", .preset = "tls",
	.text = "Whether clients may speak HTTP/2. tls: where TLS has agreed "
		"on it. always: without TLS too, by prior knowledge." },
{ "listen[].http2_streams", SCHEMA_INT, SCHEMA_LIVE, LISTEN(http2_streams),
	.min = 1, .max = 1024, .preset = "128",
	.text = "Requests at once of one connection of HTTP/2." },
{ "listen[].tls", SCHEMA_GROUP,
	.count = offsetof(struct conf_listen, tls.ncertificates),
	.text = "TLS on it. Without this key it is plain HTTP." },
{ "listen[].tls.certificates", SCHEMA_ELEMENTS, SCHEMA_LIVE,
	LISTEN(tls.certificates),
	.count = offsetof(struct conf_listen, tls.ncertificates),
	.size = sizeof(struct conf_certificate),
	.line = offsetof(struct conf_certificate, line),
	.min = 1, .max = CONF_CERTIFICATES_MAX, .required = true,
	.text = "The one whose names have the name that the client asks for "
		"is used: an exact name before one with a star, an earlier "
		"before a later one. The first is for everybody else. An RSA "
		"and an ECDSA certificate may have the same names. A reload "
		"reads the files again." },
{ "listen[].tls.certificates[].cert", SCHEMA_FILE, SCHEMA_LIVE,
	CERTIFICATE(cert), .max = 4095, .required = true,
	.text = "A PEM file of at most 60 KiB: the certificate, then what "
		"stands between it and the root." },
{ "listen[].tls.certificates[].key", SCHEMA_FILE, SCHEMA_LIVE,
	CERTIFICATE(key), .max = 4095, .required = true,
	.text = "Its private key, PEM, without a passphrase." },
{ "listen[].tls.min_version", SCHEMA_ENUM, SCHEMA_LIVE,
	LISTEN(tls.min_version),
	.choices = "1.2|1.3", .preset = "1.2",
	.text = "The lowest version of TLS." },
{ "listen[].tls.ciphers", SCHEMA_TEXT, SCHEMA_LIVE, LISTEN(tls.ciphers),
	.max = 1000, .derived = "ECDHE with AES-GCM or ChaCha20-Poly1305",
	.text = "Ciphers of TLS 1.2, as openssl-ciphers(1) writes them." },
{ "listen[].tls.ciphersuites", SCHEMA_TEXT, SCHEMA_LIVE,
	LISTEN(tls.ciphersuites),
	.max = 1000, .derived = "all three that RFC 8446 asks for",
	.text = "Those of TLS 1.3, with colons between." },
{ "listen[].tls.handshake_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	LISTEN(tls.handshake_timeout_ms),
	.min = 10, .max = HOUR, .preset = "10s",
	.text = "From the connect to the end of the handshake." },
{ "listen[].tls.handshakes", SCHEMA_INT, SCHEMA_LIVE, LISTEN(tls.handshakes),
	.min = 1, .max = 1048576, .preset = "1024",
	.text = "How many may be under way in each worker. One more ends the "
		"oldest." },

{ "admin", SCHEMA_GROUP,
	.text = "The socket of the admin API, which the commands speak to." },
{ "admin.socket", SCHEMA_PATH, SCHEMA_DROVER, ROOT(admin.socket),
	.derived = "admin.sock in directories.runtime",
	.text = "Its path, at most 107 bytes." },
{ "admin.groups", SCHEMA_GROUP,
	.text = "Which groups may use it, besides root and the user that "
		"drover runs as." },
{ "admin.groups.admin", SCHEMA_TEXT, SCHEMA_DROVER, ROOT(admin.group_admin),
	.max = 63, .derived = "nobody",
	.text = "The group whose members may change things." },
{ "admin.groups.read", SCHEMA_TEXT, SCHEMA_DROVER, ROOT(admin.group_read),
	.max = 63, .derived = "nobody",
	.text = "The group whose members may look." },

{ "registry", SCHEMA_GROUP, .scalar = "registry.url",
	.text = "The Redis in which others read what is up. A bare value is "
		"short for url." },
{ "registry.url", SCHEMA_REGISTRY, SCHEMA_DROVER, ROOT(registry),
	.preset = "managed",
	.text = "managed: drover runs one itself, on a Unix socket. "
		"redis://[user:password@]host[:port][/db]: one that runs "
		"elsewhere. sentinel://[user:password@]host[:port],...[/db]"
		"?master=NAME: the one that up to 8 Sentinels name, with "
		"&sentinel_user= and &sentinel_pass= where they ask for it. "
		"none: no registry." },
{ "registry.cluster", SCHEMA_NODE, SCHEMA_DROVER, ROOT(registry.cluster),
	.preset = "drover",
	.text = "The name in the hash tag of all keys, so that several "
		"clusters can share one Redis." },
{ "registry.memory", SCHEMA_SIZE, SCHEMA_DROVER, ROOT(registry.max_memory),
	.min = MiB, .max = 1024 * GiB, .preset = "64MiB",
	.text = "What the managed Redis may hold; it then refuses writes and "
		"evicts nothing." },
{ "registry.program", SCHEMA_TEXT, SCHEMA_DROVER, ROOT(registry.program),
	.max = 4095, .preset = "redis-server",
	.text = "The program of the managed Redis, as a path or as a name that "
		"is looked up in PATH." },

{ "node", SCHEMA_GROUP, .text = "This machine." },
{ "node.name", SCHEMA_NODE, SCHEMA_DROVER, ROOT(node.name),
	.derived = "the name of the host",
	.text = "What others call it." },

{ "workers", SCHEMA_WORKERS, SCHEMA_DROVER, ROOT(workers),
	.min = 1, .max = 64, .preset = "auto",
	.text = "Processes that carry traffic. auto: one for each CPU that "
		"drover may use." },
{ "user", SCHEMA_TEXT, SCHEMA_DROVER, ROOT(user),
	.max = 63, .derived = "the user that drover runs as",
	.text = "Whom the workers run as when drover is started as root." },
{ "trusted_proxies", SCHEMA_NETWORKS, SCHEMA_LIVE, ROOT(trusted),
	.max = 256, .preset = "[]",
	.text = "Addresses and networks (10.0.0.0/8, fd00::/8) whose "
		"X-Forwarded headers, X-Request-Id and traceparent are "
		"believed." },

{ "limits", SCHEMA_GROUP,
	.text = "Ceilings and deadlines of each worker, for all services. How "
		"often each was met is in drover_limit_hits_total." },
{ "limits.connections", SCHEMA_INT, SCHEMA_LIVE, ROOT(limits.connections),
	.min = 16, .max = 1048576, .preset = "16384",
	.text = "Clients at a time; at the ceiling more wait in the kernel's "
		"queue. RLIMIT_NOFILE may allow fewer." },
{ "limits.connections_per_address", SCHEMA_INT, SCHEMA_LIVE,
	ROOT(limits.connections_per_address),
	.min = 0, .max = 1048576, .preset = "4096",
	.text = "Of one IPv4 address, or of one /64 of IPv6; more are closed "
		"at once. Trusted proxies and Unix sockets are exempt. 0: no "
		"limit." },
{ "limits.requests_per_connection", SCHEMA_INT, SCHEMA_LIVE,
	ROOT(limits.requests_per_connection),
	.min = 0, .max = UINT32_MAX, .preset = "0",
	.text = "After so many the client has to connect again. 0: no limit." },
{ "limits.idle_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.idle_timeout_ms),
	.min = 1, .max = DAY, .preset = "75s",
	.text = "How long a connection is kept on which no request is under "
		"way." },
{ "limits.memory", SCHEMA_SIZE, SCHEMA_LIVE, ROOT(limits.memory),
	.min = 4 * MiB, .max = 1024 * GiB, .preset = "256MiB",
	.text = "What connections and their buffers may hold. Near it idle "
		"connections are closed first, then new requests are answered "
		"with 503, then no more connections are accepted." },
{ "limits.head_size", SCHEMA_SIZE, SCHEMA_LIVE, ROOT(limits.head_size),
	.min = KiB, .max = 32 * KiB, .preset = "16KiB",
	.text = "The head of a request; 431." },
{ "limits.head_lines", SCHEMA_INT, SCHEMA_LIVE, ROOT(limits.head_lines),
	.min = 8, .max = 256, .preset = "100",
	.text = "Header lines of a request; 431. And of an answer; 502." },
{ "limits.target", SCHEMA_SIZE, SCHEMA_LIVE, ROOT(limits.target),
	.min = 64, .max = 16 * KiB, .preset = "8KiB",
	.text = "The target of a request; 414." },
{ "limits.head_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.head_timeout_ms),
	.min = 1, .max = HOUR, .preset = "10s",
	.text = "From the first byte of a head to its last; 408." },
{ "limits.body_rate", SCHEMA_SIZE, SCHEMA_LIVE, ROOT(limits.body_rate),
	.min = 0, .max = GiB, .preset = "256B",
	.text = "Bytes a second that a request's body has to bring while the "
		"client is waited for and nothing of the answer has come; "
		"408. 0B: no limit." },
{ "limits.body_grace", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.body_grace_ms),
	.min = 1, .max = HOUR, .preset = "10s",
	.text = "How long a body is waited for before its rate counts." },
{ "limits.send_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.send_timeout_ms),
	.min = 1, .max = DAY, .preset = "60s",
	.text = "How long a client may take nothing of its answer." },
{ "limits.half_close_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.half_close_timeout_ms),
	.min = 1, .max = HOUR, .preset = "5s",
	.text = "How long an answer may take after the client has shut its "
		"side of the connection." },
{ "limits.linger_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.linger_timeout_ms),
	.min = 1, .max = HOUR, .preset = "2s",
	.text = "How long a client may go on sending after an answer that "
		"ended its connection." },
{ "limits.linger_size", SCHEMA_SIZE, SCHEMA_LIVE, ROOT(limits.linger_size),
	.min = 1, .max = GiB, .preset = "1MiB",
	.text = "How much it may send then." },
{ "limits.connect_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.connect_timeout_ms),
	.min = 1, .max = HOUR, .preset = "3s",
	.text = "How long a connect to a copy of a service may take." },
{ "limits.pool", SCHEMA_INT, SCHEMA_LIVE, ROOT(limits.pool),
	.min = 1, .max = 65535, .preset = "256",
	.text = "Idle connections that are kept to each copy." },
{ "limits.pool_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.pool_timeout_ms),
	.min = 1, .max = DAY, .preset = "60s",
	.text = "How long each of those is kept." },
{ "limits.response_head", SCHEMA_SIZE, SCHEMA_LIVE,
	ROOT(limits.response_head),
	.min = KiB, .max = 48 * KiB, .preset = "32KiB",
	.text = "The head of an answer; 502." },
{ "limits.http2_resets", SCHEMA_INT, SCHEMA_LIVE, ROOT(limits.http2_resets),
	.min = 16, .max = 65535, .preset = "256",
	.text = "Streams that a client of HTTP/2 may reset, or make be reset, "
		"at once; an eighth of it comes back each second. One more "
		"ends the connection, and counts in drover_http2_refused_total. "
		"Like the next two it holds for connections that begin." },
{ "limits.http2_controls", SCHEMA_INT, SCHEMA_LIVE,
	ROOT(limits.http2_controls),
	.min = 16, .max = 65535, .preset = "512",
	.text = "The same for frames that carry nothing: PING, SETTINGS, "
		"PRIORITY, unknown ones, empty DATA, needless WINDOW_UPDATE." },
{ "limits.http2_window", SCHEMA_SIZE, SCHEMA_LIVE, ROOT(limits.http2_window),
	.min = 16 * KiB, .max = 256 * KiB, .preset = "128KiB",
	.text = "How much of a request's body one stream of HTTP/2 may send "
		"ahead of the service." },
{ "limits.auth_verdicts", SCHEMA_INT, SCHEMA_LIVE,
	ROOT(limits.auth_verdicts),
	.min = 1, .max = 65536, .preset = "4096",
	.text = "Passwords and tokens that were right and are remembered by "
		"their digest; the one not seen for longest makes room. At "
		"most an eighth of limits.memory." },
{ "limits.auth_refusals", SCHEMA_INT, SCHEMA_LIVE,
	ROOT(limits.auth_refusals),
	.min = 1, .max = 65536, .preset = "256",
	.text = "Likewise passwords that were not right. Apart from the "
		"others, so that guesses push out nobody who is known." },
{ "limits.auth_keep", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.auth_keep_ms),
	.min = 1, .max = DAY, .preset = "5m",
	.text = "How long they are remembered; a token not beyond its end." },
{ "limits.auth_queue", SCHEMA_INT, SCHEMA_LIVE, ROOT(limits.auth_queue),
	.min = 1, .max = 1024, .preset = "64",
	.text = "Passwords that wait for their hash or are being hashed; 503. "
		"Those that are the same count once." },
{ "limits.auth_timeout", SCHEMA_DURATION, SCHEMA_LIVE,
	ROOT(limits.auth_timeout_ms),
	.min = 1, .max = HOUR, .preset = "5s",
	.text = "How long a request waits for that; 503." },
{ "limits.interims", SCHEMA_INT, SCHEMA_LIVE, ROOT(limits.interims),
	.min = 1, .max = 1000, .preset = "32",
	.text = "Interim answers (1xx) before an answer; 502." },

{ "ports", SCHEMA_GROUP,
	.text = "What services with listen: port get. Choose it outside of "
		"net.ipv4.ip_local_port_range." },
{ "ports.first", SCHEMA_INT, SCHEMA_LIVE, ROOT(port_first),
	.min = 1024, .max = 65535, .preset = "20000",
	.text = "The lowest." },
{ "ports.last", SCHEMA_INT, SCHEMA_LIVE, ROOT(port_last),
	.min = 1024, .max = 65535, .preset = "29999",
	.text = "The highest." },

{ "directories", SCHEMA_GROUP, .text = "Where drover keeps things." },
{ "directories.runtime", SCHEMA_PATH, SCHEMA_DROVER, ROOT(dirs.runtime),
	.preset = "/run/drover",
	.text = "Sockets and the lock: gone after a reboot. The path of every "
		"socket in it must fit into 107 bytes." },
{ "directories.state", SCHEMA_PATH, SCHEMA_DROVER, ROOT(dirs.state),
	.preset = "/var/lib/drover",
	.text = "What has to stay: each service's state, the configuration "
		"that was applied last, the managed Redis." },
{ "directories.cache", SCHEMA_PATH, SCHEMA_DROVER, ROOT(dirs.cache),
	.preset = "/var/cache/drover",
	.text = "What may be deleted while nothing runs." },
{ "directories.logs", SCHEMA_PATH, SCHEMA_DROVER, ROOT(dirs.logs),
	.preset = "/var/log/drover",
	.text = "Log files of services." },

{ "log", SCHEMA_GROUP, .text = "The output of services." },
{ "log.destination", SCHEMA_FLAG, SCHEMA_DROVER, ROOT(log_journal),
	.choices = "files|journal", .preset = "files",
	.text = "One file for each service in directories.logs, or the "
		"journal." },
{ "log.size", SCHEMA_SIZE, SCHEMA_DROVER, ROOT(log_size),
	.min = 64 * KiB, .max = 16 * GiB, .preset = "10MiB",
	.text = "A file that would grow beyond it is rotated." },
{ "log.files", SCHEMA_INT, SCHEMA_DROVER, ROOT(log_files),
	.min = 1, .max = 100, .preset = "3",
	.text = "How many are kept of each service, the current one "
		"included." },

{ "access_log", SCHEMA_GROUP, .scalar = "access_log.format",
	.text = "One line for each request. A bare value is short for "
		"format. Its fields: doc/access-log.md." },
{ "access_log.format", SCHEMA_ENUM, SCHEMA_LIVE, ROOT(access.format),
	.choices = "off|json|combined", .preset = "off",
	.text = "json: an object a line. combined: the format of that name "
		"of Apache and nginx." },
{ "access_log.file", SCHEMA_PATH, SCHEMA_LIVE, ROOT(access.file),
	.derived = "access.log in directories.logs",
	.text = "Its path. A reload opens it anew." },
{ "access_log.sample", SCHEMA_PERCENT, SCHEMA_LIVE, ROOT(access.sample),
	.min = 1, .max = 100, .preset = "100%",
	.text = "Of how many requests; all of one trace, or none." },
{ "access_log.size", SCHEMA_SIZE, SCHEMA_LIVE, ROOT(access.size),
	.min = 64 * KiB, .max = 1024 * GiB, .preset = "100MiB",
	.text = "A file that would grow beyond it is rotated." },
{ "access_log.files", SCHEMA_INT, SCHEMA_LIVE, ROOT(access.files),
	.min = 1, .max = 100, .preset = "5",
	.text = "How many are kept, the current one included." },
{ .path = NULL },
};
/* clang-format on */
