/* SPDX-License-Identifier: ISC */

/*
 * head - the head of an HTTP/1.x message, read strictly
 *
 * Nothing is copied and nothing is allocated: a struct head is a set of spans
 * into the caller's buffer, with the headers in an array that the caller gives
 * and whose size is the ceiling for their number. The spans live as long as
 * those bytes stay where they are.
 *
 *	struct head_header room[100];
 *	struct head h;
 *	size_t scanned = 0;                     (once for each message)
 *	head_init(&h, room, ARRAY_LEN(room));
 *	switch (head_request(&h, buffered, &scanned)) {
 *	case HEAD_MORE:    read more; call again with the same message, longer
 *	case HEAD_OK:      h.size bytes are the head, the body begins there
 *	case HEAD_REFUSED: answer head_refusal_status(h.refusal), close
 *	}
 *
 * `scanned` remembers what is known to hold no end of head, so that a head that
 * comes in many pieces is read in linear time. The buffer may move and grow
 * between the calls. What comes out depends on the bytes alone, not on how they
 * were cut.
 *
 * Refused, and never repaired (400 unless another status stands there):
 *   line       bare LF, bare CR, NUL and control characters (HTAB only inside
 *              a value), no or doubled spaces between the parts; one empty line
 *              before a request is skipped
 *   version    HTTP/1.0 and HTTP/1.1 alone; another one of that form 505
 *   method     a token of up to 32 bytes; CONNECT and TRACE 405
 *   target     over limits.target bytes 414; a space, '#', a byte over 0x7e; a
 *              form that is not origin, absolute (http, https; no user part)
 *              or, for OPTIONS, "*"
 *   path       a dot segment, also with the dots as %2e and with %2F, %5C or
 *              ';' (or %3B) at its borders; '%' without two hex digits; %00;
 *              '\'. One decoding is meant: %252e is the text "%2e".
 *              "//" and %2F stay as they are. The query is passed as it came:
 *              its '%' is between the client and the service
 *   header     no name, a name that is not a token, space before the colon, a
 *              line that begins with a space (obs-fold)
 *   ceiling    over limits.head bytes, or more headers than there is room: 431
 *   length     repeated (even alike), empty, signed, not decimal digits alone,
 *              with leading zeros or with space around it beyond one in front,
 *              2^63 and over
 *   coding     Transfer-Encoding beside Content-Length, in HTTP/1.0, empty,
 *              with space around it as above, with chunked not once and last;
 *              any other coding 501
 *   Host       HTTP/1.1 without exactly one; any with an invalid one: a name
 *              is letters, digits and "-._~", or an address in [], then
 *              perhaps a port
 *   Connection not a list of tokens, over 16 of them, or one that names Host,
 *              Content-Length or Transfer-Encoding
 *   Expect     anything but 100-continue: 417 (RFC 9110, 10.1.1)
 * A response with any of these, or with a status outside 100..999, or with a
 * body announced on a 1xx, is refused in the same way; what the client is then
 * told (502) is the caller's affair. A 204 ends with its head whatever it
 * announces (RFC 9112, 6.3); if that was a body, keep_alive is false.
 */

#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define HEAD_SIZE_MAX (16 * 1024) /* default for limits.head */
#define HEAD_TARGET_MAX 8192	  /* default for limits.target */
#define HEAD_HEADERS_MAX 100	  /* what callers usually give room for */

enum method {
	METHOD_OTHER, /* any other token: see method_name */
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_PATCH,
	METHOD_CONNECT,
	METHOD_TRACE,
	METHOD_N
};

/* Names that anybody here asks for; sorted by length (head_names.c). */
enum hdr {
	HDR_OTHER,
	HDR_TE,
	HDR_AGE,
	HDR_VIA,
	HDR_DATE,
	HDR_ETAG,
	HDR_HOST,
	HDR_VARY,
	HDR_RANGE,
	HDR_ACCEPT,
	HDR_COOKIE,
	HDR_EXPECT,
	HDR_ORIGIN,
	HDR_SERVER,
	HDR_EXPIRES,
	HDR_REFERER,
	HDR_TRAILER,
	HDR_UPGRADE,
	HDR_IF_MATCH,
	HDR_IF_RANGE,
	HDR_LOCATION,
	HDR_FORWARDED,
	HDR_X_API_KEY,
	HDR_X_REAL_IP,
	HDR_CONNECTION,
	HDR_KEEP_ALIVE,
	HDR_SET_COOKIE,
	HDR_TRACESTATE,
	HDR_USER_AGENT,
	HDR_RETRY_AFTER,
	HDR_TRACEPARENT,
	HDR_CONTENT_TYPE,
	HDR_DROVER_ERROR,
	HDR_X_REQUEST_ID,
	HDR_AUTHORIZATION,
	HDR_CACHE_CONTROL,
	HDR_DROVER_CALLER,
	HDR_IF_NONE_MATCH,
	HDR_LAST_MODIFIED,
	HDR_CONTENT_LENGTH,
	HDR_HTTP2_SETTINGS,
	HDR_ACCEPT_ENCODING,
	HDR_X_FORWARDED_FOR,
	HDR_CONTENT_ENCODING,
	HDR_PROXY_CONNECTION,
	HDR_WWW_AUTHENTICATE,
	HDR_X_FORWARDED_HOST,
	HDR_X_FORWARDED_PORT,
	HDR_IF_MODIFIED_SINCE,
	HDR_SEC_WEBSOCKET_KEY,
	HDR_TRANSFER_ENCODING,
	HDR_X_FORWARDED_PROTO,
	HDR_DROVER_DEADLINE_MS,
	HDR_PROXY_AUTHENTICATE,
	HDR_X_FORWARDED_PREFIX,
	HDR_PROXY_AUTHORIZATION,
	HDR_SEC_WEBSOCKET_ACCEPT,
	HDR_SEC_WEBSOCKET_VERSION,
	HDR_SEC_WEBSOCKET_PROTOCOL,
	HDR_SEC_WEBSOCKET_EXTENSIONS,
	HDR_ACCESS_CONTROL_ALLOW_ORIGIN,
	HDR_ACCESS_CONTROL_REQUEST_METHOD,
	HDR_ACCESS_CONTROL_REQUEST_HEADERS,
	HDR_N
};

struct head_header {
	struct span name;  /* as it came */
	struct span value; /* without the spaces and tabs around it */
	uint8_t id;	   /* enum hdr */
	/*
	 * It ends at this hop, do not forward it: the hop-by-hop names, those
	 * that Connection names, Expect, and a Content-Length on a 1xx or
	 * 204.
	 */
	bool hop;
};

enum head_target {
	TARGET_ORIGIN,	 /* /path?query */
	TARGET_ABSOLUTE, /* http://host/path?query */
	/* OPTIONS *, or http://host (RFC 9112, 3.2.4); path is "*" */
	TARGET_ASTERISK
};

enum framing {
	FRAMING_NONE,	/* no body */
	FRAMING_LENGTH, /* `length` bytes, 0 too */
	FRAMING_CHUNKED,
	FRAMING_CLOSE /* a response until the peer closes */
};

enum head_verdict { HEAD_MORE, HEAD_OK, HEAD_REFUSED };

/* Why; head_refusal_text() has the words. */
enum head_refusal {
	REFUSED_NOT,
	REFUSED_LINE, /* bare LF or CR, control character */
	REFUSED_REQUEST_LINE,
	REFUSED_STATUS_LINE,
	REFUSED_METHOD,
	REFUSED_METHOD_FORBIDDEN, /* 405 */
	REFUSED_TARGET,
	REFUSED_TARGET_SIZE, /* 414 */
	REFUSED_PATH,	     /* escapes */
	REFUSED_DOT_SEGMENT,
	REFUSED_VERSION, /* 505 */
	REFUSED_NAME,
	REFUSED_SPACE_BEFORE_COLON,
	REFUSED_FOLD,
	REFUSED_VALUE,
	REFUSED_HEAD_SIZE, /* 431 */
	REFUSED_COUNT,	   /* 431 */
	REFUSED_HOST_MISSING,
	REFUSED_HOST_REPEATED,
	REFUSED_HOST,
	REFUSED_LENGTH,
	REFUSED_LENGTH_REPEATED,
	REFUSED_BOTH_FRAMINGS,
	REFUSED_CODING_VERSION,
	REFUSED_CODING,
	REFUSED_CODING_UNKNOWN, /* 501 */
	REFUSED_CONNECTION,
	REFUSED_EXPECT, /* 417 */
	REFUSED_STATUS_BODY,
	REFUSED_N
};

struct head_limits {
	size_t head;   /* bytes, with the empty line at its end */
	size_t target; /* bytes of the request target */
};

struct head {
	/* Given, see head_init(). */
	struct head_header *headers;
	size_t max_headers;
	struct head_limits limits;

	/* A request. */
	enum method method;
	enum head_target form;
	struct span method_name;
	struct span target;   /* as it came */
	struct span path;     /* never empty: "/" (not in the buffer) stands in
			       * for an absolute target without one */
	struct span query;    /* after the '?'; p is NULL when there was none */
	struct span host;     /* host[:port]: the target's, else Host's; empty
			       * only in HTTP/1.0 */
	struct span hostname; /* without the port; an address keeps its [] */
	bool expect_100;      /* HTTP/1.1, and a body follows */

	/* A response. */
	unsigned status;
	struct span reason;

	/* Both. */
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	enum framing framing;
	uint64_t length;   /* FRAMING_LENGTH */
	bool keep_alive;   /* the sender would go on after this message */
	bool upgrade;	   /* HTTP/1.1, Upgrade is there and nominated */
	size_t nheaders;   /* used of headers[] */
	size_t size;	   /* bytes of the head */
	struct span lines; /* the header lines, each with its CRLF */
	uint64_t seen;	   /* 1 << id of each known name that is there */
	enum head_refusal refusal;
};

/* Give it room; the limits are set to the defaults and may be changed. */
void head_init(struct head *h, struct head_header *headers, size_t max_headers);

/* HEAD_REFUSED is final: h->refusal says why, and no other field counts. */
enum head_verdict head_request(
    struct head *h, struct span in, size_t *scanned) MUST_CHECK;

/*
 * The head of an answer to a request with that method (HEAD has no body). A
 * 1xx other than 101 has no body and another head follows it.
 */
enum head_verdict head_response(struct head *h, struct span in, size_t *scanned,
    enum method asked) MUST_CHECK;

unsigned head_refusal_status(enum head_refusal why);  /* 400, 405, ... */
const char *head_refusal_text(enum head_refusal why); /* "bare line feed" */

static inline bool
head_has(const struct head *h, enum hdr id)
{
	return h->seen >> id & 1;
}

/* The first with that id, or NULL. */
const struct head_header *head_find(const struct head *h, enum hdr id);

/* The first with that name, whatever its case; for names without an id. */
const struct head_header *head_find_name(
    const struct head *h, struct span name);

/* The line of header i (< nheaders) as it came, with its CRLF. */
struct span head_line(const struct head *h, size_t i);

/*
 * Whether a comma-separated header (all lines of it) has this token, whatever
 * its case: head_lists(h, HDR_UPGRADE, SPAN("websocket")).
 */
bool head_lists(const struct head *h, enum hdr id, struct span token);

/* --- the same rules, for others ------------------------------------------- */

enum method method_of(struct span name);
const char *method_name(enum method m); /* "GET"; "" for METHOD_OTHER */
bool method_idempotent(enum method m);	/* RFC 9110: safe ones, PUT, DELETE */

enum hdr hdr_of(struct span name); /* a token; whatever its case */
const char *hdr_name(enum hdr id); /* "content-length"; "" for HDR_OTHER */

bool http_token(struct span s);	      /* 1 or more token characters */
bool http_field_value(struct span s); /* no control character but HTAB */
bool http_host(struct span host, struct span *name); /* host[:port]; name or
						      * NULL gets the host */

/* Content-Length as above, without the space around it. 0 or -EINVAL. */
int http_length(struct span s, uint64_t *length) MUST_CHECK;

/* "Not Found"; "" for a status without a name. */
const char *http_reason(unsigned status);

#endif /* HTTP_HEAD_H */
