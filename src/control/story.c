/* SPDX-License-Identifier: ISC */

#include "base/pen.h"
#include "control/story.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http/head.h"

int64_t
story_offset_us(void)
{
	return (int64_t)clock_wall_ms() * 1000 - (int64_t)clock_us();
}

bool
story_read(struct story *s, const struct records *r, unsigned worker,
    uint64_t at, int64_t offset_us)
{
	const struct record *rec = &s->rec;
	size_t n;

	if (!record_read(r, worker, at, &s->rec))
		return false;
	s->at_us = rec->started_us + (uint64_t)offset_us;
	s->id = record_id(rec, s->id_text);
	s->path = record_path(rec);
	n = record_read_text(r, worker, rec, s->texts);
	record_unpack_text(s->texts, n, &s->text);
	record_read_name(r, worker, rec->service, s->service);
	record_read_name(r, worker, rec->route, s->route);
	s->nhops = rec->nhops < RECORD_HOPS ? rec->nhops : RECORD_HOPS;
	for (unsigned i = 0; i < s->nhops; i++)
		record_read_name(r, worker, rec->hops[i], s->hops[i]);
	return true;
}

const char *
story_client(const struct record *rec, char *buf)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (rec->flags & RECORD_LOCAL)
		return "unix:";
	if (memcmp(rec->address, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, rec->address + 12, buf, STORY_CLIENT);
	else
		inet_ntop(AF_INET6, rec->address, buf, STORY_CLIENT);
	return buf;
}

/* --- writing -------------------------------------------------------------- */

static void
put_escaped(struct pen *p, struct span s, const char *escape)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\') {
			*p->at++ = '\\';
			*p->at++ = (char)c;
		} else if (c >= 0x20 && c < 0x7f) {
			*p->at++ = (char)c;
		} else {
			put(p, escape, strlen(escape));
			str_hex(p->at, &c, 1);
			p->at += 2;
		}
	}
}

static void
put_field(struct pen *p, const char *key, struct span value)
{
	PUT(p, ",\"");
	put(p, key, strlen(key));
	PUT(p, "\":\"");
	put_escaped(p, value, "\\u00");
	PUT(p, "\"");
}

static void
put_count(struct pen *p, const char *key, uint64_t value)
{
	PUT(p, ",\"");
	put(p, key, strlen(key));
	PUT(p, "\":");
	/* What JSON's readers take for a whole number. */
	put_u64(p, value > INT64_MAX ? INT64_MAX : value);
}

static void
put_flag(struct pen *p, const char *key, bool value)
{
	PUT(p, ",\"");
	put(p, key, strlen(key));
	PUT(p, "\":");
	put_span(p, value ? SPAN("true") : SPAN("false"));
}

static void
put_hex(struct pen *p, const char *key, const unsigned char *data, size_t n)
{
	PUT(p, ",\"");
	put(p, key, strlen(key));
	PUT(p, "\":\"");
	str_hex(p->at, data, n);
	p->at += 2 * n;
	PUT(p, "\"");
}

/* --- what words there are ------------------------------------------------- */

static const char *
method_text(const struct record *rec)
{
	const char *name = rec->method < METHOD_N
	    ? method_name((enum method)rec->method)
	    : "";

	/* Refused before it had one, or a word of the client's own. */
	return name[0] != '\0' ? name : rec->path_len > 0 ? "OTHER" : "-";
}

static const char *
version_text(const struct record *rec)
{
	return rec->version == 20 ? "HTTP/2.0"
	    : rec->version == 10  ? "HTTP/1.0"
				  : "HTTP/1.1";
}

static const char *
fault_text(const struct record *rec)
{
	return rec->fault < FAULT_COUNT
	    ? scoreboard_fault_name((enum scoreboard_fault)rec->fault)
	    : "";
}

static const char *
end_text(const struct record *rec)
{
	return rec->flags & RECORD_CANCELLED ? "cancelled"
	    : rec->flags & RECORD_CUT	     ? "cut"
	    : rec->fault != 0		     ? "refused"
					     : "complete";
}

static struct span
target_of(const struct story *s)
{
	return s->text.target.n > 0 ? s->text.target : s->path;
}

static const char *
endpoint_of(const struct story *s)
{
	return s->nhops > 0 ? s->hops[s->nhops - 1] : "";
}

/* --- the access log ------------------------------------------------------- */

static void
put_who(struct pen *p, const struct story *s)
{
	const struct record *rec = &s->rec;
	char client[STORY_CLIENT];

	put_field(p, "request_id", s->id);
	put_hex(p, "trace_id", rec->trace, sizeof(rec->trace));
	put_hex(p, "span_id", rec->span, sizeof(rec->span));
	put_field(p, "client", span_of(story_client(rec, client)));
	put_field(p, "method", span_of(method_text(rec)));
	put_field(p, "host", s->text.host);
	put_field(p, "target", target_of(s));
	put_field(p, "protocol", span_of(version_text(rec)));
	put_flag(p, "tls", rec->flags & RECORD_TLS);
	put_field(p, "referer", s->text.referer);
	put_field(p, "user_agent", s->text.agent);
}

static void
put_what(struct pen *p, const struct story *s)
{
	const struct record *rec = &s->rec;

	put_count(p, "status", rec->status);
	put_field(p, "end", span_of(end_text(rec)));
	put_field(p, "fault", span_of(fault_text(rec)));
	put_field(p, "service", span_of(s->service));
	put_field(p, "route", span_of(s->route));
	put_field(p, "endpoint", span_of(endpoint_of(s)));
	put_count(p, "attempts", rec->attempts);
	put_count(p, "bytes_in", rec->bytes_in);
	put_count(p, "bytes_out", rec->bytes_out);
	put_count(p, "wait_us", rec->wait_us);
	put_count(p, "connect_us", rec->connect_us);
	put_count(p, "first_byte_us", rec->first_us);
	put_count(p, "total_us", rec->total_us);
}

int
story_json_line(struct buf *out, const struct story *s)
{
	static uint64_t at_ms;
	static char at[CLOCK_TEXT];
	int r = buf_reserve(out, STORY_LINE_MAX);
	struct pen p;

	if (r < 0)
		return r;
	if (s->at_us / 1000 != at_ms)
		clock_text(at, s->at_us / 1000);
	at_ms = s->at_us / 1000;
	p.at = out->data + out->len;
	PUT(&p, "{\"time\":\"");
	put(&p, at, strlen(at));
	PUT(&p, "\"");
	put_who(&p, s);
	put_what(&p, s);
	PUT(&p, "}\n");
	*p.at = '\0';
	out->len = (size_t)(p.at - out->data);
	return 0;
}

/* 10/Oct/2000:13:55:36 +0000, in English whatever the locale is. */
static const char *
combined_time(uint64_t at_s)
{
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static char text[64];
	static uint64_t last;
	time_t t = (time_t)at_s;
	struct tm tm;

	if (at_s == last && text[0] != '\0')
		return text;
	last = at_s;
	gmtime_r(&t, &tm);
	snprintf(text, sizeof(text), "%02d/%s/%d:%02d:%02d:%02d +0000",
	    tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
	return text;
}

static void
put_quoted(struct pen *p, struct span s)
{
	PUT(p, " \"");
	if (s.n == 0)
		PUT(p, "-");
	put_escaped(p, s, "\\x");
	PUT(p, "\"");
}

static void
put_request(struct pen *p, const struct story *s)
{
	struct span target = target_of(s);

	PUT(p, "] \"");
	if (target.n == 0) {
		PUT(p, "-");
	} else {
		put_escaped(p, span_of(method_text(&s->rec)), "\\x");
		PUT(p, " ");
		put_escaped(p, target, "\\x");
		PUT(p, " ");
		put_escaped(p, span_of(version_text(&s->rec)), "\\x");
	}
	PUT(p, "\" ");
}

int
story_combined_line(struct buf *out, const struct story *s)
{
	int r = buf_reserve(out, STORY_LINE_MAX);
	char client[STORY_CLIENT];
	struct pen p;

	if (r < 0)
		return r;
	p.at = out->data + out->len;
	put_escaped(&p, span_of(story_client(&s->rec, client)), "\\x");
	PUT(&p, " - - [");
	put_escaped(&p, span_of(combined_time(s->at_us / 1000000)), "\\x");
	put_request(&p, s);
	/* 499: the client went before there was an answer. */
	put_u64(&p, s->rec.status != 0 ? s->rec.status : 499);
	PUT(&p, " ");
	if (s->rec.bytes_out > 0)
		put_u64(&p, s->rec.bytes_out);
	else
		PUT(&p, "-");
	put_quoted(&p, s->text.referer);
	put_quoted(&p, s->text.agent);
	PUT(&p, "\n");
	*p.at = '\0';
	out->len = (size_t)(p.at - out->data);
	return 0;
}

/* --- explain -------------------------------------------------------------- */

static json_t *
text_json(struct span s)
{
	char text[6 * RECORD_TEXT_MAX + 1];
	struct pen p = { text };

	/* Never cut: a text is at most RECORD_TEXT_MAX bytes. */
	put_escaped(&p, s, "\\x");
	return json_stringn(text, (size_t)(p.at - text));
}

static json_t *
hex_json(const unsigned char *data, size_t n)
{
	char text[64];

	str_hex(text, data, n);
	return json_stringn(text, 2 * n);
}

static json_t *
hops_json(const struct story *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->nhops; i++)
		(void)json_array_append_new(list,
		    json_pack("{s:s, s:s}", "endpoint", s->hops[i], "outcome",
			record_outcome_name(s->rec.outcomes[i])));
	return list;
}

static json_t *
flags_json(const struct record *rec)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ RECORD_RETRIED, "retried" },
		{ RECORD_RESENT, "resent" },
		{ RECORD_REUSED, "reused" },
		{ RECORD_UPGRADED, "upgraded" },
		{ RECORD_INTERNAL, "internal" },
		{ RECORD_QUEUED, "queued" },
		{ RECORD_CONTINUED, "trace-continued" },
		{ RECORD_PATH_CUT, "path-cut" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (rec->flags & names[i].flag)
			(void)json_array_append_new(
			    list, json_string(names[i].name));
	if (rec->over_budget)
		(void)json_array_append_new(list, json_string("over-budget"));
	return list;
}

json_t *
story_json(const struct story *s)
{
	const struct record *rec = &s->rec;
	char at[CLOCK_TEXT], client[STORY_CLIENT];

	return json_pack(
	    "{s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:s, s:b, s:i, s:s, s:s, s:s,"
	    " s:s, s:i, s:i, s:i, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}",
	    "request_id", text_json(s->id), "trace_id",
	    hex_json(rec->trace, sizeof(rec->trace)), "span_id",
	    hex_json(rec->span, sizeof(rec->span)), "at",
	    clock_text(at, s->at_us / 1000), "client",
	    story_client(rec, client), "method", method_text(rec), "path",
	    text_json(s->path), "protocol", version_text(rec), "tls",
	    (rec->flags & RECORD_TLS) != 0, "status", (int)rec->status, "end",
	    end_text(rec), "fault", fault_text(rec), "service", s->service,
	    "route", s->route, "candidates", (int)rec->candidates, "ejected",
	    (int)rec->ejected, "attempts", (int)rec->attempts, "tried",
	    hops_json(s), "flags", flags_json(rec), "bytes_in",
	    (json_int_t)rec->bytes_in, "bytes_out", (json_int_t)rec->bytes_out,
	    "wait_us", (json_int_t)rec->wait_us, "connect_us",
	    (json_int_t)rec->connect_us, "first_byte_us",
	    (json_int_t)rec->first_us, "total_us", (json_int_t)rec->total_us);
}
