/* SPDX-License-Identifier: ISC */

/*
 * show - the admin API's JSON as text for a person
 *
 * Pure: values in, text out. What is missing or of another type than expected
 * is shown as "-", because the daemon may be newer than we are. All return 0,
 * -ENOMEM or -ENOBUFS.
 */

#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* GET /v1/status */
int show_status(const json_t *status, bool colour, struct buf *out) MUST_CHECK;

/* One service; lines is an array of log lines, or NULL. */
int show_service(const json_t *service, const json_t *lines, bool colour,
    struct buf *out) MUST_CHECK;

/* GET /v1/nodes */
int show_nodes(const json_t *view, bool colour, struct buf *out) MUST_CHECK;

/* GET /v1/requests/{id} */
int show_requests(const json_t *found, bool colour, struct buf *out) MUST_CHECK;

/* POST /v1/plan and /v1/reload */
int show_changes(const json_t *plan, struct buf *out) MUST_CHECK;

/* One of a stream; clean: for a terminal, see text_clean(). */
int show_event(const json_t *event, struct buf *out) MUST_CHECK;
int show_line(const json_t *line, bool clean, struct buf *out) MUST_CHECK;

/* "exit 139 (SIGSEGV)", or "" when there was none. */
const char *show_exit(char *buf, size_t size, const json_t *last_exit);

/* --- what it means -------------------------------------------------------- */

/* Ready, or down because nobody wants it up. */
bool service_healthy(const json_t *service);
bool status_healthy(const json_t *status);

/* A member's text; "" when it is not there or not text. */
const char *json_text(const json_t *object, const char *key);
json_int_t json_number(const json_t *object, const char *key);

/*
 * Text for the terminal: escape sequences are taken out, other control
 * characters but tab become '?'. In place.
 */
void text_clean(char *text);

#endif /* CLI_SHOW_H */
