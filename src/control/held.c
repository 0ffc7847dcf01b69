/* SPDX-License-Identifier: ISC */

#include "control/held.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define VERSION_TEXT 17

static void
version_text(char out[VERSION_TEXT], uint64_t version)
{
	snprintf(out, VERSION_TEXT, "%016" PRIx64, version);
}

const struct conf *
held_compose(const struct conf *conf, json_t *specs, struct buf *errors)
{
	json_t *o = conf_json(conf), *list = json_object_get(o, "services");
	const struct conf *out = NULL;
	size_t i;
	json_t *service;

	json_array_foreach(list, i, service)
	{
		const char *name = json_string_value(
		    json_object_get(service, "service"));
		json_t *spec = json_object_get(specs, name);

		if (spec != NULL)
			json_array_set(list, i, spec);
	}
	if (o != NULL)
		out = conf_from_json(o, errors);
	json_decref(o);
	return out;
}

void
held_add(struct service *s, uint64_t version, const char *why)
{
	struct control *c = s->control;
	char text[VERSION_TEXT];

	version_text(text, version);
	if (c->held == NULL)
		c->held = json_object();
	if (json_object_set_new(c->held, s->spec->name,
		json_pack("{ss ss so}", "version", text, "why", why, "spec",
		    conf_service_json(s->spec))) < 0)
		log_error(s->spec->name,
		    "out of memory: a reload will try its version again");
}

/* What is held of the version of this service that spec is; or NULL. */
static json_t *
find(const struct control *c, const struct conf_service *spec)
{
	json_t *held = json_object_get(c->held, spec->name);
	const char *version = json_string_value(
	    json_object_get(held, "version"));
	char text[VERSION_TEXT];

	version_text(text, spec->hash_all);
	return version != NULL && strcmp(version, text) == 0 ? held : NULL;
}

const struct conf *
held_apply(struct control *c, const struct conf *disk, struct buf *errors)
{
	json_t *specs = json_object();
	const struct conf *out;

	for (size_t i = 0; i < disk->nservices; i++) {
		json_t *held = find(c, &disk->services[i]);

		if (held != NULL)
			json_object_set(specs, disk->services[i].name,
			    json_object_get(held, "spec"));
	}
	if (json_object_size(specs) == 0)
		out = conf_ref(disk);
	else
		out = held_compose(disk, specs, errors);
	if (out == NULL)
		(void)!buf_puts(errors,
		    "services that are held at the version before a failed "
		    "deploy do not fit these files; reload --retry tries what "
		    "the files say\n");
	json_decref(specs);
	return out;
}

/* Of what is held no more, nothing is left to say. */
static void
hush(struct control *c, const json_t *kept)
{
	LIST_EACH (s, &c->services, struct service, link)
		if (json_object_get(c->held, s->spec->name) != NULL &&
		    json_object_get(kept, s->spec->name) == NULL &&
		    !s->rollout.on)
			s->rollout.failed[0] = '\0';
}

void
held_forget(struct control *c, const struct conf *disk)
{
	json_t *kept = json_object();

	for (size_t i = 0; i < disk->nservices; i++) {
		json_t *held = find(c, &disk->services[i]);

		if (held != NULL)
			json_object_set(kept, disk->services[i].name, held);
	}
	hush(c, kept);
	json_decref(c->held);
	c->held = kept;
}

void
held_clear(struct control *c)
{
	json_decref(c->held);
	c->held = NULL;
}

json_t *
held_json(const struct control *c, const struct conf *disk)
{
	json_t *list = json_array();

	for (size_t i = 0; i < disk->nservices; i++) {
		json_t *held = find(c, &disk->services[i]);

		if (held != NULL)
			json_array_append_new(list,
			    json_pack("{ss sO}", "service",
				disk->services[i].name, "why",
				json_object_get(held, "why")));
	}
	return list;
}
