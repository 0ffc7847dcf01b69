/* SPDX-License-Identifier: ISC */

#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/box.h"
#include "conf/schema.h"

static struct conf_box *
box_of(const struct conf *conf)
{
	return CONTAINER_OF((void *)(uintptr_t)conf, struct conf_box, conf);
}

const struct conf *
conf_ref(const struct conf *conf)
{
	if (conf != NULL)
		box_of(conf)->refs++;
	return conf;
}

void
conf_unref(const struct conf *conf)
{
	struct conf_box *box;

	if (conf == NULL)
		return;
	box = box_of(conf);
	if (--box->refs > 0)
		return;
	arena_done(&box->arena);
	free(box);
}

static int
name_against(const void *name, const void *service)
{
	return strcmp(name, ((const struct conf_service *)service)->name);
}

const struct conf_service *
conf_service(const struct conf *conf, const char *name)
{
	if (conf->nservices == 0)
		return NULL;
	return bsearch(name, conf->services, conf->nservices,
	    sizeof(*conf->services), name_against);
}

unsigned
conf_line(const struct conf_service *service, const char *key)
{
	char path[64];
	char *dot = path;

	if (service->lines == NULL ||
	    str_copy(path, sizeof(path), span_of(key)) < 0)
		return service->line;
	while (dot != NULL) {
		size_t row = schema_find(schema_service, path);

		if (row != SIZE_MAX && service->lines[row] != 0)
			return service->lines[row];
		dot = strrchr(path, '.');
		if (dot != NULL)
			*dot = '\0'; /* then where its group stands */
	}
	return service->line;
}

/*
 * Start the next service, in the order of names, whose dependencies all stand
 * in the order; again until none is left. Whoever is not in the configuration
 * (redis) is ready by other means.
 */
static bool
may_start(
    const struct conf *conf, const struct conf_service *s, const bool *placed)
{
	for (const char *const *d = s->depends_on; *d != NULL; d++) {
		const struct conf_service *other = conf_service(conf, *d);

		if (other != NULL && !placed[other - conf->services])
			return false;
	}
	return true;
}

static size_t
place_round(const struct conf *conf, bool *placed, size_t *order, size_t at)
{
	for (size_t i = 0; i < conf->nservices; i++) {
		if (placed[i] || !may_start(conf, &conf->services[i], placed))
			continue;
		placed[i] = true;
		order[at++] = i;
	}
	return at;
}

int
conf_order(const struct conf *conf, size_t *order)
{
	bool *placed = calloc(conf->nservices + 1, sizeof(*placed));
	size_t n = 0, before;

	if (placed == NULL)
		return -ENOMEM;
	do {
		before = n;
		n = place_round(conf, placed, order, n);
	} while (n < conf->nservices && n > before);
	free(placed);
	return n == conf->nservices ? 0 : -ELOOP;
}
