/* SPDX-License-Identifier: ISC */

/*
 * wire - the little HTTP that the test programs share
 *
 * Written apart from drover's own floors, so that a fault there cannot hide
 * behind the same fault here. Nothing is checked but what the tests rely on.
 */

#ifndef TESTS_TOOLS_WIRE_H
#define TESTS_TOOLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEAD_MAX 16384

uint64_t wire_now_us(void); /* monotonic */

/* The length of the head with its empty line, or 0 while it is incomplete. */
size_t wire_head_length(const char *p, size_t n);

/*
 * The value of a header, cut off at `size`; false if there is none. The head
 * is a string.
 */
bool wire_header(const char *head, const char *name, char *value, size_t size);

/* The value of name= in a query, cut off at `size`; false if there is none. */
bool wire_query(const char *query, const char *name, char *value, size_t size);

/* A number, or `otherwise` where there is none in the query. */
uint64_t wire_query_number(
    const char *query, const char *name, uint64_t otherwise);

bool wire_number(const char *text, uint64_t *value); /* decimal */

/* --- the command line: pairs of a name and a value --------------------------
 */

struct wire_option {
	const char *name;
	uint64_t *number; /* NULL: text */
	const char **text;
	const char *what;
};

/* All of them, or 2 and a word on stderr: the status to exit with. */
int wire_options(const struct wire_option *options, size_t n, const char *usage,
    int argc, char **argv);
int wire_usage(const struct wire_option *options, size_t n, const char *usage);

/* --- a body, whichever way it is framed ------------------------------------
 */

enum wire_framing { WIRE_LENGTH, WIRE_CHUNKED, WIRE_CLOSE };

struct wire_body {
	enum wire_framing framing;
	uint64_t left; /* of the length, or of this chunk */
	int state;
	uint64_t bytes; /* seen so far */
	uint64_t hash;	/* FNV-1a of them */
	bool over;
};

/* A response without either framing ends with the connection. */
void wire_body_init(struct wire_body *b, const char *head, bool response);

/* Takes bytes; returns how many of them belonged to it, or -1 if broken. */
long wire_body_take(struct wire_body *b, const char *p, size_t n);

/* --- text that grows --------------------------------------------------------
 */

struct wire_text {
	char *p;
	size_t n, size;
};

/* Dies when memory is out: a test program has nothing better to do. */
void wire_bytes(struct wire_text *t, const void *p, size_t n);
void wire_printf(struct wire_text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void wire_json(struct wire_text *t, const char *text); /* quoted */

/* The value of "name": "..." in a flat JSON text; false if it does not fit. */
bool wire_json_text(
    const char *json, const char *name, char *value, size_t size);

/* Below which so many of a thousand lie; sorts them. 0 if there are none. */
uint32_t wire_permille(uint32_t *v, size_t n, unsigned permille);

#endif /* TESTS_TOOLS_WIRE_H */
