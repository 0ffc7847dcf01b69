/* SPDX-License-Identifier: ISC */

/* control_world - a control process over a keeper that starts nothing */

#ifndef TESTS_UNIT_CONTROL_WORLD_H
#define TESTS_UNIT_CONTROL_WORLD_H

#include "control/control.h"
#include "model/instance.h"

#define RESTART_QUICK "restart: {first: 0ms, base: 20ms, max: 100ms}"

struct world {
	struct loop *loop;
	struct control *c;
	char dir[64];
	char runtime[80];
	char config[80];
	const struct conf *conf;
	bool begun, ended;
	char becomes[64]; /* what control is to become */
	int end_code;
	struct loop_timer stop;
};

void write_file(const struct world *w, const char *name, const char *text);

/* A service of one replica that says itself when it is ready. */
void write_service(struct world *w, const char *name, const char *more);

void run_for(struct world *w, unsigned ms);

void attach(struct world *w);

/* api, and base when it has a text: what to add to each file. */
struct world *world_new(const char *api, const char *base);

void world_free(struct world *w);

void make_ready(struct world *w, const char *id);

enum instance_state state_of(struct world *w, const char *id);

const char *service_word(struct world *w, const char *name);

#endif /* TESTS_UNIT_CONTROL_WORLD_H */
