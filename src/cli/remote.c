/* SPDX-License-Identifier: ISC */

#include "cli/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/show.h"
#include "http/client.h"

#define CALL_MS 30000 /* for a whole answer; a reload may take its time */

static const char *
socket_path(const struct invocation *in)
{
	const char *env = getenv("DROVER_ADMIN");

	if (in->socket != NULL)
		return in->socket;
	return env != NULL && env[0] != '\0' ? env : CLI_SOCKET;
}

int
remote_address(const struct invocation *in, char *out, size_t size)
{
	const char *path = socket_path(in);
	int n = snprintf(out, size, "unix:%s", path);

	if (n >= 0 && (size_t)n < size)
		return CLI_OK;
	fprintf(stderr, "drover: the socket's path is too long: %s\n", path);
	return CLI_ERROR;
}

static bool
is_unreachable(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -ENOTSOCK ||
	    r == -ENOTDIR;
}

int
remote_failed(const struct invocation *in, int r, const struct err *err)
{
	const char *path = socket_path(in);

	if (is_unreachable(r)) {
		fprintf(stderr,
		    "drover: no daemon answers on %s\n"
		    "Start it with `systemctl start drover` or `drover run`, "
		    "or name its socket with --socket or DROVER_ADMIN.\n",
		    path);
		return CLI_UNREACHABLE;
	}
	if (r == -EACCES || r == -EPERM) {
		fprintf(stderr,
		    "drover: you may not open %s\n"
		    "Be root, or a member of a group in admin.groups.\n",
		    path);
		return CLI_UNREACHABLE;
	}
	fprintf(stderr, "drover: %s: %s\n", path, err->text);
	return r == -ETIMEDOUT || r == -ECONNRESET ? CLI_UNREACHABLE
						   : CLI_ERROR;
}

int
remote_refused(
    const struct invocation *in, unsigned status, const struct buf *body)
{
	json_t *problem = json_loadb(buf_str(body), body->len, 0, NULL);
	const char *detail = json_text(problem, "detail");

	if (detail[0] == '\0')
		detail = json_text(problem, "title");
	if ((in->given & OPT_JSON) && problem != NULL)
		fprintf(stderr, "%.*s\n", (int)body->len, buf_str(body));
	else if (detail[0] != '\0')
		fprintf(stderr, "drover: %s\n", detail);
	else
		fprintf(stderr, "drover: the daemon answered %u\n", status);
	json_decref(problem);
	return status == 409 || status == 412 ? CLI_CONFLICT : CLI_ERROR;
}

static int
parse(const struct client_answer *answer, json_t **value)
{
	json_error_t e;

	*value = json_loadb(
	    buf_str(&answer->body), answer->body.len, JSON_DECODE_ANY, &e);
	if (*value != NULL)
		return CLI_OK;
	fprintf(
	    stderr, "drover: the daemon's answer is not JSON: %s\n", e.text);
	return CLI_ERROR;
}

static int
call(const struct invocation *in, const char *address, const char *method,
    const char *target, const char *body, struct client_answer *answer,
    struct err *err)
{
	char tag[32];
	struct client_header headers[2];
	struct client_request request = {
		.address = address,
		.method = method,
		.target = target,
		.headers = headers,
		.body = span_of(body),
		.total_ms = CALL_MS,
	};
	size_t n = 0;

	if (body != NULL)
		headers[n++] = (struct client_header){ "Content-Type",
			"application/json" };
	if ((in->given & OPT_GENERATION) && strcmp(method, "POST") == 0) {
		snprintf(tag, sizeof(tag), "\"%" PRIu64 "\"", in->generation);
		headers[n++] = (struct client_header){ "If-Match", tag };
	}
	request.nheaders = n;
	return client_call(&request, answer, err);
}

int
remote_call(const struct invocation *in, const char *method, const char *target,
    const json_t *body, json_t **value)
{
	char address[REMOTE_ADDRESS_MAX];
	struct client_answer answer;
	struct err err = { "" };
	char *text = NULL;
	int r = remote_address(in, address, sizeof(address));

	*value = NULL;
	if (r != CLI_OK)
		return r;
	if (body != NULL && (text = json_dumps(body, JSON_COMPACT)) == NULL)
		return print_failed(target);
	r = call(in, address, method, target, text, &answer, &err);
	free(text);
	if (r < 0)
		return remote_failed(in, r, &err);
	if (answer.status / 100 == 2)
		r = parse(&answer, value);
	else
		r = remote_refused(in, answer.status, &answer.body);
	buf_done(&answer.body);
	return r;
}

int
remote_try(const struct invocation *in, const char *target, json_t **value)
{
	char address[REMOTE_ADDRESS_MAX];
	struct client_answer answer;
	struct err err = { "" };
	int r;

	*value = NULL;
	if (remote_address(in, address, sizeof(address)) != CLI_OK)
		return CLI_ERROR;
	r = call(in, address, "GET", target, NULL, &answer, &err);
	if (r < 0)
		return is_unreachable(r) || r == -ECONNRESET ? CLI_UNREACHABLE
							     : CLI_ERROR;
	if (answer.status / 100 == 2)
		*value = json_loadb(buf_str(&answer.body), answer.body.len,
		    JSON_DECODE_ANY, NULL);
	buf_done(&answer.body);
	return *value != NULL ? CLI_OK : CLI_ERROR;
}

const char *
remote_escape(char *out, size_t size, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++) {
		bool ok = strchr(plain, *p) != NULL;

		if (n + 4 > size) {
			out[0] = '\0';
			return out;
		}
		if (ok)
			out[n++] = *p;
		else
			n += (size_t)snprintf(out + n, size - n, "%%%02X",
			    (unsigned)(unsigned char)*p);
	}
	out[n] = '\0';
	return out;
}

bool
remote_is_instance(const char *name)
{
	return strchr(name, '.') != NULL;
}

/* --- the terminal --------------------------------------------------------- */

int
print_failed(const char *what)
{
	fprintf(stderr, "drover: %s: out of memory\n", what);
	return CLI_ERROR;
}

int
print_buf(const struct buf *out)
{
	if (fwrite(buf_str(out), 1, out->len, stdout) == out->len &&
	    fflush(stdout) == 0)
		return CLI_OK;
	fprintf(stderr, "drover: cannot write: %s\n", strerror(errno));
	return CLI_ERROR;
}

int
print_json(const json_t *value)
{
	char *text = json_dumps(
	    value, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	int r;

	if (text == NULL)
		return print_failed("json");
	r = puts(text) < 0 || fflush(stdout) != 0 ? CLI_ERROR : CLI_OK;
	free(text);
	return r;
}

bool
print_is_terminal(void)
{
	return isatty(STDOUT_FILENO) == 1;
}

bool
print_in_colour(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (no != NULL && no[0] != '\0')
		return false;
	if (term != NULL && strcmp(term, "dumb") == 0)
		return false;
	return print_is_terminal();
}
