/* SPDX-License-Identifier: ISC */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "conf/box.h"
#include "conf/conf.h"
#include "conf/read.h"
#include "conf/schema.h"
#include "conf/value.h"
#include "conf/yaml_tree.h"

#define FILE_MAX (1024 * 1024)
#define ARENA_FIRST (16 * 1024)
#define ARENA_MAX (256 * 1024 * 1024)

struct loader {
	struct conf_box *box;
	struct arena nodes; /* of one file */
	struct buf text;    /* of one file */
	struct faults faults;
	struct conf_service preset;
	struct conf_service *services;
	size_t nservices, cap;
	unsigned *root_lines;
};

static struct reader
reader_of(struct loader *l, const char *file, const struct schema *table,
    unsigned *lines)
{
	return (struct reader){
		.arena = &l->box->arena,
		.faults = &l->faults,
		.file = file,
		.table = table,
		.lines = lines,
	};
}

/* --- drover.yaml ---------------------------------------------------------- */

static const char *
join(struct loader *l, const char *a, const char *b)
{
	char path[PATH_MAX];
	struct span s = { path, 0 };
	int n = snprintf(path, sizeof(path), "%s%s", a, b);

	if (n < 0 || (size_t)n >= sizeof(path))
		n = (int)sizeof(path) - 1;
	s.n = (size_t)n;
	return arena_copy(&l->box->arena, s);
}

static bool
host_name(struct loader *l, const char **name)
{
	const struct schema *row =
	    &schema_root[schema_find(schema_root, "node.name")];
	struct buf nowhere;
	struct faults quiet = { .out = &nowhere };
	struct conf scratch;
	struct value_site site = { &l->box->arena, &quiet, "", "" };
	struct node n = { .kind = NODE_STRING };
	char text[256] = "";

	buf_init(&nowhere, 0);
	if (gethostname(text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	n.text = text;
	if (!value_read(&site, row, &n, &scratch))
		scratch.node.name = join(l, "localhost", "");
	buf_done(&nowhere);
	*name = scratch.node.name;
	return *name != NULL;
}

/* What stands in for a key that has no fixed default. */
static bool
derive_root(struct loader *l)
{
	static const struct conf_listen usual = { "127.0.0.1:8080", { 0 },
		CONF_HTTP2_TLS, 128, 0 };
	struct conf *c = &l->box->conf;

	if (c->listen == NULL) {
		c->listen = &usual;
		c->nlisten = 1;
	}
	if (c->admin.socket == NULL)
		c->admin.socket = join(l, c->dirs.runtime, "/admin.sock");
	if (c->access.file == NULL)
		c->access.file = join(l, c->dirs.logs, "/access.log");
	return c->admin.socket != NULL && c->access.file != NULL &&
	    (c->node.name != NULL || host_name(l, &c->node.name));
}

static void
read_root(struct loader *l, const char *file, const struct node *root)
{
	struct reader rd = reader_of(l, file, schema_root, l->root_lines);

	(void)read_tree(&rd, root, &l->box->conf);
}

/* --- services ------------------------------------------------------------- */

static struct conf_service *
new_service(struct loader *l, const char *file)
{
	struct conf_service *s, *grown;

	if (l->nservices == l->cap) {
		size_t cap = l->cap == 0 ? 16 : l->cap * 2;

		grown = realloc(l->services, cap * sizeof(*grown));
		if (grown == NULL) {
			fault_nomem(&l->faults, file);
			return NULL;
		}
		l->services = grown;
		l->cap = cap;
	}
	s = &l->services[l->nservices];
	*s = l->preset;
	return s;
}

static bool
put_spawn_rows(struct buf *text, json_t *json)
{
	for (const struct schema *row = schema_service; row->path; row++) {
		json_t *value = conf_json_at(json, row->path);

		if (row->reload != SCHEMA_RESPAWN ||
		    conf_json_is_preset(row, value))
			continue;
		if (buf_printf(text, "\n%s=", row->path) < 0 ||
		    conf_json_text(value, text) < 0)
			return false;
	}
	return true;
}

/* Under a fixed key: the next control process compares with what it reads. */
static bool
hash_service(struct conf_service *s)
{
	static const struct hash_key key = { 0x64726f766572, 1 };
	json_t *json = conf_service_json(s);
	struct buf text;
	bool ok;

	buf_init(&text, 8 * FILE_MAX);
	ok = json != NULL && conf_json_text(json, &text) == 0;
	if (ok)
		s->hash_all = hash_keyed(&key, buf_str(&text), text.len);
	buf_clear(&text);
	ok = ok && put_spawn_rows(&text, json);
	if (ok)
		s->hash_spawn = hash_keyed(&key, buf_str(&text), text.len);
	buf_done(&text);
	json_decref(json);
	return ok;
}

static void
read_service(struct loader *l, const char *file, const struct node *root)
{
	struct arena *arena = &l->box->arena;
	unsigned *lines = arena_alloc(
	    arena, schema_len(schema_service) * sizeof(*lines));
	struct reader rd = reader_of(l, file, schema_service, lines);
	struct conf_service *s = new_service(l, file);

	if (s == NULL)
		return;
	s->file = arena_copy(arena, span_of(file));
	if (s->file == NULL || lines == NULL) {
		fault_nomem(&l->faults, file);
		return;
	}
	s->lines = lines;
	s->line = root->first != NULL ? root->first->line : root->line;
	if (!read_tree(&rd, root, s))
		return;
	if (s->readiness.kind == CONF_CHECK_NONE)
		s->readiness.kind = CONF_CHECK_TCP;
	if (!hash_service(s))
		fault_nomem(&l->faults, file);
	else
		l->nservices++;
}

static int
by_service_name(const void *a, const void *b)
{
	const struct conf_service *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r != 0 ? r : strcmp(x->file, y->file);
}

/* --- a whole configuration ------------------------------------------------ */

static bool
loader_init(struct loader *l, const char *file, struct buf *errors)
{
	struct reader service, root;

	*l = (struct loader){ .faults = { .out = errors } };
	arena_init(&l->nodes, ARENA_FIRST, ARENA_MAX);
	buf_init(&l->text, FILE_MAX);
	l->box = calloc(1, sizeof(*l->box));
	if (l->box == NULL) {
		fault_nomem(&l->faults, file);
		return false;
	}
	l->box->refs = 1;
	arena_init(&l->box->arena, ARENA_FIRST, ARENA_MAX);
	l->root_lines = arena_alloc(&l->box->arena,
	    (schema_len(schema_root) + 1) * sizeof(*l->root_lines));
	l->box->conf.file = arena_copy(&l->box->arena, span_of(file));
	if (l->root_lines == NULL || l->box->conf.file == NULL) {
		fault_nomem(&l->faults, file);
		return false;
	}
	l->preset.hash_name = "";
	l->preset.liveness.rise = 1;
	service = reader_of(l, file, schema_service, NULL);
	root = reader_of(l, file, schema_root, NULL);
	return read_presets(&service, &l->preset) &&
	    read_presets(&root, &l->box->conf);
}

/* Lay out what could be read, so that the rules find what is wrong there. */
static bool
lay_out(struct loader *l)
{
	struct conf *c = &l->box->conf;
	size_t n = l->nservices * sizeof(*l->services);
	struct conf_service *services = arena_alloc(&l->box->arena, n + 1);

	if (services == NULL || !derive_root(l))
		return false;
	if (n > 0)
		memcpy(services, l->services, n);
	qsort(services, l->nservices, sizeof(*services), by_service_name);
	c->services = services;
	c->nservices = l->nservices;
	return true;
}

/* The configuration, if nothing is wrong with it. */
static const struct conf *
loader_done(struct loader *l, const char *file)
{
	bool refused;

	if (!l->faults.nomem && !lay_out(l))
		fault_nomem(&l->faults, file);
	else if (!l->faults.nomem)
		conf_check_rules(
		    &l->box->conf, file, l->root_lines, &l->faults);
	free(l->services);
	arena_done(&l->nodes);
	buf_done(&l->text);
	refused = l->faults.n > 0;
	if (refused && l->box != NULL)
		conf_unref(&l->box->conf);
	return refused ? NULL : &l->box->conf;
}

static struct node *
read_file(struct loader *l, const char *path)
{
	int r;

	buf_clear(&l->text);
	r = fd_read_file(path, &l->text);
	if (r == -ENOMEM)
		fault_nomem(&l->faults, path);
	else if (r == -ENOBUFS)
		fault_add(&l->faults, path, 0, "(file)",
		    "found more than 1 MiB; allowed that much");
	else if (r < 0)
		fault_add(&l->faults, path, 0, "(file)",
		    "found %s; allowed a readable file", strerror(-r));
	if (r < 0)
		return NULL;
	return yaml_tree(&l->nodes, path, buf_span(&l->text), &l->faults);
}

static int
is_yaml(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot != NULL && strcmp(dot, ".yaml") == 0;
}

static int
by_file_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
load_service(struct loader *l, const char *folder, const char *name)
{
	char path[PATH_MAX];
	const struct node *root;
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return; /* scandir() could not have found it there */
	root = read_file(l, path);
	if (root != NULL)
		read_service(l, path, root);
	arena_reset(&l->nodes);
}

/* services.d beside this file; that there is none is no fault. */
static void
load_services(struct loader *l, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	struct dirent **names;
	int n;

	snprintf(folder, sizeof(folder), "%.*sservices.d",
	    slash != NULL ? (int)(slash - path) + 1 : 0, path);
	n = scandir(folder, &names, is_yaml, by_file_name);
	if (n < 0 && errno != ENOENT)
		fault_add(&l->faults, folder, 0, "(folder)",
		    "found %s; allowed a readable folder", strerror(errno));
	if (n > CONF_SERVICES_MAX)
		fault_add(&l->faults, folder, 0, "(folder)",
		    "found %d files; allowed %d", n, CONF_SERVICES_MAX);
	for (int i = 0; i < n; i++) {
		if (n <= CONF_SERVICES_MAX)
			load_service(l, folder, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

const struct conf *
conf_load(const char *path, struct buf *errors)
{
	struct loader l;
	const struct node *root;

	if (!loader_init(&l, path, errors))
		return loader_done(&l, path);
	root = read_file(&l, path);
	if (root != NULL)
		read_root(&l, path, root);
	load_services(&l, path);
	return loader_done(&l, path);
}

/* Take `services` out of the root: it is no key of drover.yaml. */
static struct node *
take_services(struct node *root)
{
	for (struct node **at = &root->first; *at != NULL; at = &(*at)->next) {
		struct node *n = *at;

		if (root->kind != NODE_MAP || strcmp(n->key, "services") != 0)
			continue;
		*at = n->next;
		return n;
	}
	return NULL;
}

const struct conf *
conf_from_json(json_t *json, struct buf *errors)
{
	static const char file[] = "(applied)";
	struct node *root, *services;
	struct loader l;

	if (!loader_init(&l, file, errors))
		return loader_done(&l, file);
	root = node_from_json(&l.nodes, json);
	if (root == NULL) {
		fault_nomem(&l.faults, file);
		return loader_done(&l, file);
	}
	services = take_services(root);
	read_root(&l, file, root);
	if (services != NULL && services->n <= CONF_SERVICES_MAX)
		for (struct node *n = services->first; n != NULL; n = n->next)
			read_service(&l, file, n);
	return loader_done(&l, file);
}
