/* SPDX-License-Identifier: ISC */

/*
 * redis_server - a real redis-server of the test's own, in a temporary folder,
 * on a Unix socket, dying with the test; and a loop that runs until something
 * is so
 */

#ifndef TESTS_UNIT_REDIS_SERVER_H
#define TESTS_UNIT_REDIS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"
#include "loop/loop.h"

struct redis_server {
	char dir[64];
	char sock[80];
	char url[512];
	pid_t pid; /* 0: not running */
};

void server_open(struct redis_server *s); /* the folder; starts nothing */
void server_done(struct redis_server *s); /* kills, removes the folder */

/* extra: more arguments, NULL at the end; may be NULL. Waits for PONG. */
void server_start(struct redis_server *s, const char *const *extra);
void server_run(struct redis_server *s, const char *const *argv,
    const char *url); /* the same with the whole command line */
void server_signal(struct redis_server *s, int signo);
void server_kill(struct redis_server *s); /* -9, and wait */

/*
 * Ask over a connection of its own, blocking: words are separated by spaces.
 * The answer as text, arrays joined by spaces, errors with a '-' in front, nil
 * as "(nil)"; valid until the next call. NULL if there is no server.
 */
const char *server_ask(const struct redis_server *s, const char *command);

/* The same with EVAL of a script and one key. */
const char *server_eval(
    const struct redis_server *s, struct span script, const char *key);

/* Run until fn(arg), at most ms; whether it came so. */
bool loop_until(
    struct loop *loop, bool (*fn)(void *arg), void *arg, uint64_t ms);
void loop_for(struct loop *loop, uint64_t ms);

#endif /* TESTS_UNIT_REDIS_SERVER_H */
