/* SPDX-License-Identifier: ISC */

#include "admin/call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/input.h"
#define LOG_SUBSYSTEM "audit"
#include "base/log.h"

/* Who did what, and how it ended. Reads leave no line. */
static void
audit(const struct call *call, unsigned status, const char *detail)
{
	const struct server_peer *peer = request_peer(call->req);
	struct span path = request_path(call->req);
	struct span body = request_body(call->req);
	char who[64];

	if (!call->route->change)
		return;
	snprintf(who, sizeof(who), "uid=%u pid=%d", (unsigned)peer->uid,
	    (int)peer->pid);
	log_info(who, "%s %.*s body=%.*s status=%u%s%s", call->route->method,
	    (int)(path.n < 200 ? path.n : 200), path.p,
	    (int)(body.n < 200 ? body.n : 200), body.n > 0 ? body.p : "",
	    status, detail != NULL ? " why=" : "",
	    detail != NULL ? detail : "");
}

void
call_problem(struct call *call, unsigned status, const char *type,
    const char *field, const char *detail)
{
	struct problem_field fields[] = { { "field", field, 0 } };

	audit(call, status, detail);
	request_problem(call->req, status, type, NULL, detail, fields,
	    field != NULL && field[0] != '\0' ? 1 : 0);
}

void
call_json(struct call *call, unsigned status, json_t *value)
{
	char *text = NULL;

	if (value != NULL)
		text = json_dumps(value,
		    JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	json_decref(value);
	if (text == NULL) {
		call_problem(call, 503, "out-of-memory", NULL,
		    "drover is out of memory");
		return;
	}
	audit(call, status, NULL);
	request_reply(call->req, status, call->route->type, span_of(text));
	free(text);
}

void
call_text(struct call *call, const char *type, const struct buf *text)
{
	request_reply(call->req, call->route->status, type, buf_span(text));
}

void
call_failed(struct call *call, int r, const struct err *err)
{
	static const struct {
		int r;
		unsigned status;
		const char *type;
	} kinds[] = {
		{ -ENOENT, 404, "not-found" },
		{ -EINVAL, 400, "bad-value" },
		{ -EBUSY, 409, "busy" },
		{ -ESTALE, 412, "stale" },
		{ -ENOTSUP, 422, "not-possible" },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].r != r)
			continue;
		call_problem(
		    call, kinds[i].status, kinds[i].type, NULL, err->text);
		return;
	}
	call_problem(call, 503, "unavailable", NULL,
	    err->text[0] != '\0' ? err->text : strerror(-r));
}

void
call_set_etag(struct call *call)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "\"%" PRIu64 "\"",
	    control_generation(call->admin->control));
	(void)!request_set_header(call->req, "ETag", tag);
}

const char *
call_name(const struct call *call, const char *param, char *buf)
{
	struct span name = request_param(call->req, param);

	/* Longer than any name there can be: it will not be found. */
	if (name.n >= CALL_NAME_MAX)
		name.n = CALL_NAME_MAX - 1;
	if (name.n > 0)
		memcpy(buf, name.p, name.n);
	buf[name.n] = '\0';
	return buf;
}

bool
call_flag(const struct call *call, const char *param, bool otherwise)
{
	struct span value;
	bool flag;

	if (!request_query(call->req, param, &value) ||
	    input_flag(value, &flag) < 0)
		return otherwise;
	return flag;
}

uint64_t
call_number(const struct call *call, const char *param, uint64_t otherwise)
{
	struct span value;
	uint64_t n;

	if (!request_query(call->req, param, &value) || str_u64(value, &n) < 0)
		return otherwise;
	return n;
}
