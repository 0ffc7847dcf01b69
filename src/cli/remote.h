/* SPDX-License-Identifier: ISC */

/*
 * remote - questions to the daemon over its admin socket
 *
 * What goes wrong is said on stderr, here, once; the exit code comes back.
 */

#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/command.h"

#define REMOTE_ADDRESS_MAX 128
#define REMOTE_TARGET_MAX 1024

/* "unix:/run/drover/admin.sock": of --socket, DROVER_ADMIN or the default. */
int remote_address(const struct invocation *in, char *out, size_t size);

/*
 * One request; body may be NULL. CLI_OK with *value, the caller's (an answer
 * that is no JSON is an error); *status may be NULL.
 */
int remote_call(const struct invocation *in, const char *method,
    const char *target, const json_t *body, json_t **value);

/* The same without a word on stderr, for those who ask again and again. */
int remote_try(const struct invocation *in, const char *target, json_t **value);

/* What an error of client.h means: says it, and gives the exit code. */
int remote_failed(const struct invocation *in, int r, const struct err *err);

/* The same for an answer that is not 2xx, with its body. */
int remote_refused(
    const struct invocation *in, unsigned status, const struct buf *body);

/* A path segment or query value, percent-encoded; "" if it does not fit. */
const char *remote_escape(char *out, size_t size, const char *text);

/* The name has a dot: it is an instance, not a service. */
bool remote_is_instance(const char *name);

/* out on stdout; CLI_OK or CLI_ERROR (a full disk, a closed pipe). */
int print_buf(const struct buf *out);
int print_json(const json_t *value);
int print_failed(const char *what); /* out of memory */

/* Whether stdout is a terminal, and colour is wanted there (NO_COLOR). */
bool print_is_terminal(void);
bool print_in_colour(void);

#endif /* CLI_REMOTE_H */
