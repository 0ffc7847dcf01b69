/* SPDX-License-Identifier: ISC */

/*
 * keeper_world - a real keeper in a folder of its own, driven through herd.c
 *
 * setup() starts one and connects; teardown() ends it with all its children,
 * and fails if it does not end. What the herd tells is written down in struct
 * world.
 */

#ifndef TESTS_UNIT_KEEPER_WORLD_H
#define TESTS_UNIT_KEEPER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/herd.h"
#include "link/keeper_msg.h"

#define SEEN_MAX 4096

/* What was heard of a child. */
struct seen {
	uint64_t id;
	pid_t pid;
	unsigned manifest, spawned, failed, exited; /* how often */
	unsigned missing;
	int error;
	char stage[32];
	char slot[32];
	char note[64];
	struct spawn_exit exit;
	char tail[KEEPER_TAIL_MAX + 1];
};

struct world {
	char dir[64];
	char path[96];	    /* of the socket */
	const char *cgroup; /* for the next keeper_start() */
	pid_t keeper;
	struct loop *loop;
	struct loop_timer tick;
	struct herd *herd;
	struct seen seen[SEEN_MAX];
	size_t nseen;
	unsigned ready, lost, lines, upgraded;
	char not_upgraded[ERR_MAX]; /* why; "" when it was */
	char last_line[KEEPER_LINE_MAX + 1];
	char fd_name[32];
	int fd;
	bool answered;
	size_t answer_n;
	size_t answer_bytes;
	char answer[64][64];
	char why[ERR_MAX];
	uint64_t id;
};

#define UNTIL(w, cond)                                       \
	do {                                                 \
		for (int i_ = 0; !(cond) && i_ < 4000; i_++) \
			turn(w, 5);                          \
		assert_true(cond);                           \
	} while (0)

extern const struct herd_ops world_ops;
extern const char *const plain_env[];

int setup(void **state);
int teardown(void **state);
void keeper_start(struct world *w);
int await_keeper(struct world *w); /* its status, or -1 */
void connect_herd(struct world *w);
void hang_up(struct world *w); /* as kill -9 of control would */
void turn(struct world *w, uint64_t ms);

struct seen *see(struct world *w, uint64_t id);
struct spawn_spec spec_of(struct world *w, const char *const *argv);
struct seen *spawn_now(struct world *w, const struct spawn_spec *spec);
struct seen *run_script(struct world *w, const char *script);	/* to its end */
struct seen *start_script(struct world *w, const char *script); /* it runs */

bool exists(const struct world *w, const char *name);
bool is_alive(pid_t pid);
size_t read_text(
    const struct world *w, const char *name, char *out, size_t size);
pid_t pid_in(const struct world *w, const char *name); /* or 0 */

#endif /* TESTS_UNIT_KEEPER_WORLD_H */
