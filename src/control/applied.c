/* SPDX-License-Identifier: ISC */

#include "control/applied.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "control/herd.h"
#include "control/held.h"
#include "control/rollout.h"
#include "control/scaling.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define APPLIED_MAX (32U << 20) /* bytes of the file */

static void
path_of(const struct control *c, char *path)
{
	snprintf(path, PATH_MAX, "%s/applied.json", c->args.runtime);
}

static json_t *
service_json(const struct service *s)
{
	json_t *rollout = rollout_save(s);
	json_t *o = json_pack(
	    "{si ss}", "cell", (int)s->cell, "token", s->token);

	if (s->stopped)
		json_object_set_new(o, "stopped", json_true());
	if (s->previous != NULL)
		json_object_set(o, "previous", s->previous);
	if (rollout != NULL)
		json_object_set_new(o, "rollout", rollout);
	if (s->scaled)
		json_object_set_new(
		    o, "scaled", json_integer((json_int_t)s->desired));
	if (s->scaling != NULL)
		json_object_set_new(o, "scaling", scaling_save(s));
	return o;
}

static json_t *
services_json(struct control *c)
{
	json_t *all = json_object();

	LIST_EACH (s, &c->services, struct service, link)
		json_object_set_new(all, s->spec->name, service_json(s));
	return all;
}

void
applied_save(struct control *c)
{
	char path[PATH_MAX];
	struct err err = { "out of memory" };
	json_t *o = json_pack("{ss sI so so sO*}", "incarnation",
	    herd_incarnation(c->herd), "wishes", (json_int_t)c->wishes,
	    "services", services_json(c), "conf", conf_json(c->conf), "held",
	    c->held);
	char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
	int r = -ENOMEM;

	path_of(c, path);
	if (text != NULL)
		r = fd_replace_file(path, text, strlen(text), 0600, &err);
	if (r < 0 && !c->unsaved)
		log_error("applied.json",
		    "not saved: %s; tried again each second", err.text);
	if (r == 0 && c->unsaved)
		log_info("applied.json", "saved");
	c->unsaved = r < 0;
	free(text);
	json_decref(o);
}

static int
unpack(struct control *c, struct applied *a, json_t *o, struct err *err)
{
	const char *incarnation;
	json_int_t wishes;
	json_t *conf;
	struct buf errors;

	if (json_unpack(o, "{s:s s:I s:o s:O s?O}", "incarnation", &incarnation,
		"wishes", &wishes, "conf", &conf, "services", &a->services,
		"held", &a->held) < 0)
		return err_set(err, -EBADMSG, "not what it should be");
	if (strcmp(incarnation, herd_incarnation(c->herd)) != 0)
		return -ENOENT; /* of an earlier herd */
	buf_init(&errors, 4096);
	a->conf = conf_from_json(conf, &errors);
	if (a->conf == NULL)
		err_set(err, -EBADMSG, "%s", buf_str(&errors));
	buf_done(&errors);
	a->wishes = (uint64_t)wishes;
	return a->conf == NULL ? -EBADMSG : 0;
}

int
applied_load(struct control *c, struct applied *a, struct err *err)
{
	char path[PATH_MAX];
	struct buf text;
	json_t *o;
	int r;

	*a = (struct applied){ 0 };
	path_of(c, path);
	buf_init(&text, APPLIED_MAX);
	r = fd_read_file(path, &text);
	if (r < 0) {
		buf_done(&text);
		return r == -ENOENT ? r : err_errno(err, -EBADMSG, "read");
	}
	o = json_loadb(buf_str(&text), text.len, 0, NULL);
	buf_done(&text);
	if (o == NULL)
		return err_set(err, -EBADMSG, "not JSON");
	r = unpack(c, a, o, err);
	if (r < 0) {
		json_decref(a->services);
		a->services = NULL;
	}
	json_decref(o);
	return r;
}

void
applied_done(struct applied *a)
{
	conf_unref(a->conf);
	json_decref(a->services);
	json_decref(a->held);
	*a = (struct applied){ 0 };
}

int
applied_cell(const struct applied *a, const char *service)
{
	json_t *cell = json_object_get(
	    json_object_get(a->services, service), "cell");

	return json_is_integer(cell) ? (int)json_integer_value(cell) : -1;
}

void
applied_restore(const struct applied *a, struct service *s)
{
	json_t *o = json_object_get(a->services, s->spec->name);
	json_t *scaled = json_object_get(o, "scaled");
	const char *token = json_string_value(json_object_get(o, "token"));

	s->stopped = json_is_true(json_object_get(o, "stopped"));
	s->previous = json_incref(json_object_get(o, "previous"));
	rollout_restore(s, json_object_get(o, "rollout"));
	if (json_is_integer(scaled)) {
		s->scaled = true;
		s->desired = (unsigned)json_integer_value(scaled);
	}
	scaling_apply(s);
	scaling_restore(s, json_object_get(o, "scaling"));
	if (token == NULL ||
	    str_copy(s->token, sizeof(s->token), span_of(token)) < 0)
		return;
}

const struct conf *
applied_earlier(struct control *c)
{
	json_t *specs = json_object();
	const struct conf *out = NULL;
	struct buf errors;

	LIST_EACH (s, &c->services, struct service, link)
		if (s->rollout.on && s->previous != NULL)
			json_object_set(specs, s->spec->name, s->previous);
	buf_init(&errors, 4096);
	if (json_object_size(specs) > 0)
		out = held_compose(c->conf, specs, &errors);
	if (errors.len > 0)
		log_error("applied.json",
		    "what rollouts leave does not fit what is in force: %s",
		    buf_str(&errors));
	buf_done(&errors);
	json_decref(specs);
	return out;
}
