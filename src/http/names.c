/* SPDX-License-Identifier: ISC */

/* The words of HTTP: character classes, methods, header names, statuses. */

#include <errno.h>

#include "http/chars.h"
#include "http/head.h"

#define SEP (CHAR_VALUE | CHAR_TARGET)
#define TXT (SEP | CHAR_PLAIN)
#define TOK (TXT | CHAR_TOKEN)
#define NAM (TOK | CHAR_HOST)
#define HEX (NAM | CHAR_HEX)

/* clang-format off */
const uint8_t char_class[256] = {
	[0x00 ... 0x08] = CHAR_CONTROL,
	['\t'] = CHAR_VALUE,
	[0x0b ... 0x0c] = CHAR_CONTROL,
	[0x0e ... 0x1f] = CHAR_CONTROL,
	[' '] = CHAR_VALUE,
	['!'] = TOK, ['"'] = TXT, ['#'] = CHAR_VALUE | CHAR_TOKEN,
	['$'] = TOK, ['%'] = SEP | CHAR_TOKEN, ['&' ... '\''] = TOK, ['(' ... ')'] = TXT, ['*' ... '+'] = TOK,
	[','] = TXT, ['-' ... '.'] = NAM, ['/'] = SEP,
	['0' ... '9'] = HEX, [':' ... '@'] = TXT,
	['A' ... 'F'] = HEX, ['G' ... 'Z'] = NAM,
	['['] = TXT, ['\\'] = SEP, [']'] = TXT, ['^'] = TOK, ['_'] = NAM, ['`'] = TOK,
	['a' ... 'f'] = HEX, ['g' ... 'z'] = NAM,
	['{'] = TXT, ['|'] = TOK, ['}'] = TXT, ['~'] = NAM,
	[0x7f] = CHAR_CONTROL,
	[0x80 ... 0xff] = CHAR_VALUE,
};

static const char *const methods[METHOD_N] = {
	[METHOD_OTHER] = "",
	[METHOD_GET] = "GET",
	[METHOD_HEAD] = "HEAD",
	[METHOD_POST] = "POST",
	[METHOD_PUT] = "PUT",
	[METHOD_DELETE] = "DELETE",
	[METHOD_OPTIONS] = "OPTIONS",
	[METHOD_PATCH] = "PATCH",
	[METHOD_CONNECT] = "CONNECT",
	[METHOD_TRACE] = "TRACE",
};

#define NAME_MAX_ 30
static const char names[HDR_N][NAME_MAX_ + 1] = {
	[HDR_OTHER] = "",
	[HDR_TE] = "te",
	[HDR_AGE] = "age",
	[HDR_VIA] = "via",
	[HDR_DATE] = "date",
	[HDR_ETAG] = "etag",
	[HDR_HOST] = "host",
	[HDR_VARY] = "vary",
	[HDR_RANGE] = "range",
	[HDR_ACCEPT] = "accept",
	[HDR_COOKIE] = "cookie",
	[HDR_EXPECT] = "expect",
	[HDR_ORIGIN] = "origin",
	[HDR_SERVER] = "server",
	[HDR_EXPIRES] = "expires",
	[HDR_REFERER] = "referer",
	[HDR_TRAILER] = "trailer",
	[HDR_UPGRADE] = "upgrade",
	[HDR_IF_MATCH] = "if-match",
	[HDR_IF_RANGE] = "if-range",
	[HDR_LOCATION] = "location",
	[HDR_FORWARDED] = "forwarded",
	[HDR_X_API_KEY] = "x-api-key",
	[HDR_X_REAL_IP] = "x-real-ip",
	[HDR_CONNECTION] = "connection",
	[HDR_KEEP_ALIVE] = "keep-alive",
	[HDR_SET_COOKIE] = "set-cookie",
	[HDR_TRACESTATE] = "tracestate",
	[HDR_USER_AGENT] = "user-agent",
	[HDR_RETRY_AFTER] = "retry-after",
	[HDR_TRACEPARENT] = "traceparent",
	[HDR_CONTENT_TYPE] = "content-type",
	[HDR_DROVER_ERROR] = "drover-error",
	[HDR_X_REQUEST_ID] = "x-request-id",
	[HDR_AUTHORIZATION] = "authorization",
	[HDR_CACHE_CONTROL] = "cache-control",
	[HDR_DROVER_CALLER] = "drover-caller",
	[HDR_IF_NONE_MATCH] = "if-none-match",
	[HDR_LAST_MODIFIED] = "last-modified",
	[HDR_CONTENT_LENGTH] = "content-length",
	[HDR_HTTP2_SETTINGS] = "http2-settings",
	[HDR_ACCEPT_ENCODING] = "accept-encoding",
	[HDR_X_FORWARDED_FOR] = "x-forwarded-for",
	[HDR_CONTENT_ENCODING] = "content-encoding",
	[HDR_PROXY_CONNECTION] = "proxy-connection",
	[HDR_WWW_AUTHENTICATE] = "www-authenticate",
	[HDR_X_FORWARDED_HOST] = "x-forwarded-host",
	[HDR_X_FORWARDED_PORT] = "x-forwarded-port",
	[HDR_IF_MODIFIED_SINCE] = "if-modified-since",
	[HDR_SEC_WEBSOCKET_KEY] = "sec-websocket-key",
	[HDR_TRANSFER_ENCODING] = "transfer-encoding",
	[HDR_X_FORWARDED_PROTO] = "x-forwarded-proto",
	[HDR_DROVER_DEADLINE_MS] = "drover-deadline-ms",
	[HDR_PROXY_AUTHENTICATE] = "proxy-authenticate",
	[HDR_X_FORWARDED_PREFIX] = "x-forwarded-prefix",
	[HDR_PROXY_AUTHORIZATION] = "proxy-authorization",
	[HDR_SEC_WEBSOCKET_ACCEPT] = "sec-websocket-accept",
	[HDR_SEC_WEBSOCKET_VERSION] = "sec-websocket-version",
	[HDR_SEC_WEBSOCKET_PROTOCOL] = "sec-websocket-protocol",
	[HDR_SEC_WEBSOCKET_EXTENSIONS] = "sec-websocket-extensions",
	[HDR_ACCESS_CONTROL_ALLOW_ORIGIN] = "access-control-allow-origin",
	[HDR_ACCESS_CONTROL_REQUEST_METHOD] = "access-control-request-method",
	[HDR_ACCESS_CONTROL_REQUEST_HEADERS] = "access-control-request-headers",
};

/* The first name of each length: those of length n stand in [n] .. [n + 1]. */
static const uint8_t by_length[NAME_MAX_ + 2] = {
	[0 ... 2] = HDR_TE,
	[3] = HDR_AGE,
	[4] = HDR_DATE,
	[5] = HDR_RANGE,
	[6] = HDR_ACCEPT,
	[7] = HDR_EXPIRES,
	[8] = HDR_IF_MATCH,
	[9] = HDR_FORWARDED,
	[10] = HDR_CONNECTION,
	[11] = HDR_RETRY_AFTER,
	[12] = HDR_CONTENT_TYPE,
	[13] = HDR_AUTHORIZATION,
	[14] = HDR_CONTENT_LENGTH,
	[15] = HDR_ACCEPT_ENCODING,
	[16] = HDR_CONTENT_ENCODING,
	[17] = HDR_IF_MODIFIED_SINCE,
	[18] = HDR_DROVER_DEADLINE_MS,
	[19] = HDR_PROXY_AUTHORIZATION,
	[20] = HDR_SEC_WEBSOCKET_ACCEPT,
	[21] = HDR_SEC_WEBSOCKET_VERSION,
	[22] = HDR_SEC_WEBSOCKET_PROTOCOL,
	[23 ... 24] = HDR_SEC_WEBSOCKET_EXTENSIONS,
	[25 ... 27] = HDR_ACCESS_CONTROL_ALLOW_ORIGIN,
	[28 ... 29] = HDR_ACCESS_CONTROL_REQUEST_METHOD,
	[30] = HDR_ACCESS_CONTROL_REQUEST_HEADERS,
	[31] = HDR_N,
};

static const struct {
	uint16_t status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 103, "Early Hints" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};
/* clang-format on */

_Static_assert(HDR_N <= 64, "head.seen has a bit for each name");

/* name is lower case; s is a token, in which |0x20 changes letters alone. */
static bool
same_name(const char *s, const char *name, size_t n)
{
	const uint64_t low = UINT64_MAX / 255 * 0x20;

	for (; n >= 8; n -= 8, s += 8, name += 8) {
		uint64_t a;
		uint64_t b;

		memcpy(&a, s, 8);
		memcpy(&b, name, 8);
		if ((a | low) != (b | low))
			return false;
	}
	for (; n > 0; n--, s++, name++)
		if ((*s | 0x20) != *name)
			return false;
	return true;
}

enum hdr
hdr_of(struct span name)
{
	if (name.n == 0 || name.n > NAME_MAX_)
		return HDR_OTHER;
	for (unsigned id = by_length[name.n]; id < by_length[name.n + 1]; id++)
		if ((*name.p | 0x20) == names[id][0] &&
		    same_name(name.p, names[id], name.n))
			return (enum hdr)id;
	return HDR_OTHER;
}

const char *
hdr_name(enum hdr id)
{
	return id < HDR_N ? names[id] : "";
}

enum method
method_of(struct span name)
{
	for (unsigned m = METHOD_GET; m < METHOD_N; m++)
		if (span_eq(name, span_of(methods[m])))
			return (enum method)m;
	return METHOD_OTHER;
}

const char *
method_name(enum method m)
{
	return m < METHOD_N ? methods[m] : "";
}

bool
method_idempotent(enum method m)
{
	switch (m) {
	case METHOD_GET:
	case METHOD_HEAD:
	case METHOD_PUT:
	case METHOD_DELETE:
	case METHOD_OPTIONS:
	case METHOD_TRACE:
		return true;
	case METHOD_OTHER:
	case METHOD_POST:
	case METHOD_PATCH:
	case METHOD_CONNECT:
	case METHOD_N:
		break;
	}
	return false;
}

const char *
http_reason(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

bool
http_token(struct span s)
{
	return s.n > 0 && chars_skip(s.p, s.p + s.n, CHAR_TOKEN) == s.p + s.n;
}

bool
http_field_value(struct span s)
{
	return s.n == 0 || chars_skip_value(s.p, s.p + s.n) == s.p + s.n;
}

/* An IPv6 address in brackets; its inner order is the resolver's affair. */
static const char *
skip_address(const char *p, const char *end)
{
	const char *q = p + 1;

	while (q < end && (char_is(*q, CHAR_HEX) || *q == ':' || *q == '.'))
		q++;
	return q < end && *q == ']' && q - p > 2 ? q + 1 : p;
}

bool
http_host(struct span host, struct span *name)
{
	const char *end = host.p + host.n;
	const char *p;
	unsigned port = 0;

	if (host.n == 0)
		return false;
	p = *host.p == '[' ? skip_address(host.p, end)
			   : chars_skip(host.p, end, CHAR_HOST);
	if (p == host.p)
		return false;
	if (name != NULL)
		*name = (struct span){ host.p, (size_t)(p - host.p) };
	if (p == end)
		return true;
	if (*p++ != ':')
		return false;
	for (; p < end && *p >= '0' && *p <= '9' && port <= 65535; p++)
		port = port * 10 + (unsigned)(*p - '0');
	return p == end && port <= 65535;
}

int
http_length(struct span s, uint64_t *length)
{
	if (s.n > 1 && *s.p == '0')
		return -EINVAL;
	if (str_u64(s, length) < 0 || *length > INT64_MAX)
		return -EINVAL;
	return 0;
}
