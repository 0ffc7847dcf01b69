/* SPDX-License-Identifier: ISC */

/*
 * http_world - a server with some handlers, and a client that says exactly what
 * it is told to, on one loop; for the tests of http/server
 */

#ifndef TESTS_UNIT_HTTP_WORLD_H
#define TESTS_UNIT_HTTP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/client.h"
#include "http/server.h"

#define HOST " HTTP/1.1\r\nHost: a\r\n"

/* A server, the loop that it stands on, and what its handlers remember. */
extern struct world {
	struct loop *loop;
	struct server *server;
	struct server_options options;
	uint16_t port;
	char path[64];	      /* of the Unix socket */
	struct request *held; /* by on_hold */
	unsigned asked;
	unsigned gone;
	unsigned room;
	unsigned drained;
	bool refuse;	 /* in on_before */
	bool sink;	 /* bodies go to on_sink */
	size_t sunk;	 /* bytes that came there */
	size_t sunk_max; /* it refuses more; 0: all that comes */
	uint32_t sum;	 /* over them, in their order */
	unsigned over;	 /* calls of on_after */
	unsigned status; /* in the last of them */
} w;

int world_setup(void **state);
int world_teardown(void **state);
void world_start(struct server_options options);
void turn(uint64_t ms); /* let the loop run for that long */

void on_gone(struct request *req, void *arg);
void on_room(struct request *req, void *arg);

/* What a loaded machine may take its time for. */
#define WAIT(cond)                                        \
	do {                                              \
		for (uint64_t until_ = clock_ms() + 5000; \
		     !(cond) && clock_ms() < until_;)     \
			turn(1);                          \
		assert_true(cond);                        \
	} while (0)

#define WAIT_HELD(x)                                        \
	do {                                                \
		w.held = NULL;                              \
		wire_say(x, SPAN("GET /hold" HOST "\r\n")); \
		WAIT(w.held != NULL);                       \
	} while (0)

struct wire {
	int fd;
	bool eof;
	struct buf in;
};

void wire_open(struct wire *x);
void wire_close(struct wire *x);
void wire_read(struct wire *x);
void wire_say(struct wire *x, struct span bytes);
bool wire_ends(struct wire *x, uint64_t ms);

extern struct answer {
	unsigned status;
	bool keep_alive;
	struct buf body;
	char text[8192]; /* the head */
} got;

/* Wait for the next answer. False: the connection ended, or 5 s passed. */
bool wire_answer(struct wire *x, enum method asked);

/* One request on a connection of its own; gives the status, 0 for none. */
unsigned ask(struct span bytes);

void assert_body(const char *text);
void assert_has(const char *text); /* the body */

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif /* TESTS_UNIT_HTTP_WORLD_H */
