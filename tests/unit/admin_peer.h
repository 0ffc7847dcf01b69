/* SPDX-License-Identifier: ISC */

/*
 * admin_peer - a client of the admin API, for its tests
 *
 * One loop serves both: whatever waits here lets it run. Sockets do not block.
 */

#ifndef TESTS_UNIT_ADMIN_PEER_H
#define TESTS_UNIT_ADMIN_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/admin.h"
#include "admin/api.h"
#include "fake_control.h"

#define TEXT_MAX (512 * 1024)

/* Somebody else's number: where the test is root, peers take it on. */
#define STRANGER 4001

struct reply {
	unsigned status;
	char text[TEXT_MAX];
	size_t len;
	const char *body;
};

extern struct loop *loop;
extern struct control control;
extern struct admin *admin;
extern struct reply reply; /* the last one */

/* cmocka's, for the whole group. */
int peer_set_up(void **state);
int peer_tear_down(void **state);

/*
 * An admin to whom a peer of this test has the role. A test that runs as root
 * connects as a stranger in the right group; any other cannot change who it
 * is, so what is changed is whom the admin takes it for.
 */
void peer_start(enum role role);

/* Its end; fails the test when something of it is left in control. */
void peer_stop(void);

void peer_run(uint64_t ms);

/* One whole exchange on its own connection; headers end with CRLF each. */
unsigned peer_ask(enum role role, const char *method, const char *target,
    const char *headers, const char *body);
unsigned peer_get(const char *target);
unsigned peer_post(const char *target, const char *body);

/* A stream that goes on: the connection. */
int peer_open(const char *target, const char *headers);

void reply_clear(struct reply *r);

/* What has come so far; true at its end. */
bool reply_read(struct reply *r, int fd);

/* Until the text has come, or (NULL) the end; whether it has. */
bool reply_wait(struct reply *r, int fd, const char *text);

/* The body; fails the test when it is not JSON. */
json_t *reply_json(void);

/* The reply is this problem, about this field (NULL: any or none). */
void assert_problem(unsigned status, const char *type, const char *field);

/* A path of the table, with names that are there. */
const char *peer_target(const struct api_route *r, char *out, size_t size);

#endif /* TESTS_UNIT_ADMIN_PEER_H */
