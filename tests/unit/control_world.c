/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "control/replica.h"
#include "control/service.h"
#include "control_world.h"
#include "fake_herd.h"

void
write_file(const struct world *w, const char *name, const char *text)
{
	char path[128];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	assert_int_equal(
	    fd_replace_file(path, text, strlen(text), 0644, &err), 0);
}

/* A service of one replica that says itself when it is ready. */
void
write_service(struct world *w, const char *name, const char *more)
{
	char file[64], text[1024];

	snprintf(file, sizeof(file), "services.d/%s.yaml", name);
	snprintf(text, sizeof(text),
	    "service: %s\n"
	    "command: [/bin/true, --at, \"${SOCKET}\"]\n"
	    "env: {NAME: \"I am ${INSTANCE}\"}\n"
	    "ready: notify\n"
	    "%s\n",
	    name, more);
	write_file(w, file, text);
}

static int
on_begun(void *owner, struct control *c, struct err *err)
{
	struct world *w = owner;

	(void)c;
	(void)err;
	w->begun = true;
	return 0;
}

static void
on_ended(void *owner, int r, const struct err *err)
{
	struct world *w = owner;

	(void)err;
	w->ended = true;
	w->end_code = r;
	loop_stop(w->loop);
}

static void
on_stop(void *arg)
{
	struct world *w = arg;

	loop_stop(w->loop);
}

void
run_for(struct world *w, unsigned ms)
{
	loop_timer_arm(&w->stop, ms);
	assert_int_equal(loop_run(w->loop), 0);
}

static void
on_upgrade(void *owner, const char *program)
{
	struct world *w = owner;

	snprintf(w->becomes, sizeof(w->becomes), "%s", program);
}

void
attach(struct world *w)
{
	const struct control_args args = {
		.config = w->config,
		.runtime = w->runtime,
		.program = "/bin/false",
		.begun = on_begun,
		.upgrade = on_upgrade,
		.ended = on_ended,
		.owner = w,
	};
	struct buf errors;
	struct err err;

	w->begun = false;
	buf_init(&errors, 4096);
	conf_unref(w->conf);
	w->conf = conf_load(w->config, &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(w->conf);
	buf_done(&errors);
	assert_int_equal(
	    control_new(&w->c, w->loop, &args, w->conf, "", &err), 0);
	run_for(w, 20);
}

/* api, and base when it has a text: what to add to each file. */
struct world *
world_new(const char *api, const char *base)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[80], text[1024];
	struct err err;

	assert_non_null(w);
	fake_reset();
	snprintf(w->dir, sizeof(w->dir), "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->runtime, sizeof(w->runtime), "%s/run", w->dir);
	snprintf(w->config, sizeof(w->config), "%s/drover.yaml", w->dir);
	snprintf(path, sizeof(path), "%s/services.d", w->dir);
	assert_int_equal(fd_mkdirs(w->runtime, 0755, &err), 0);
	assert_int_equal(fd_mkdirs(path, 0755, &err), 0);
	snprintf(text, sizeof(text),
	    "listen: []\nregistry: none\nworkers: 1\n"
	    "admin: {socket: %1$s/run/admin.sock}\n"
	    "directories: {runtime: %1$s/run, state: %1$s/state, "
	    "cache: %1$s/cache, logs: %1$s/logs}\n",
	    w->dir);
	write_file(w, "drover.yaml", text);
	write_service(w, "api", api);
	if (base != NULL)
		write_service(w, "base", base);
	w->loop = loop_new(&err);
	assert_non_null(w->loop);
	loop_timer_init(&w->stop, w->loop, on_stop, w);
	return w;
}

void
world_free(struct world *w)
{
	control_free(w->c);
	conf_unref(w->conf);
	loop_timer_done(&w->stop);
	loop_free(w->loop);
	fd_remove_tree(w->dir);
	free(w);
}

void
make_ready(struct world *w, const char *id)
{
	struct replica *r = replica_by_id(w->c, id);

	assert_non_null(r);
	replica_post(r, INSTANCE_EV_PASSED, "test");
	run_for(w, 20);
}

enum instance_state
state_of(struct world *w, const char *id)
{
	struct replica *r = replica_by_id(w->c, id);

	assert_non_null(r);
	return replica_state(r);
}

const char *
service_word(struct world *w, const char *name)
{
	static char word[32], why[192];

	str_cut(word, sizeof(word),
	    service_state(service_by_name(w->c, name), why, sizeof(why)));
	return word;
}
