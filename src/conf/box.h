/* SPDX-License-Identifier: ISC */

/* box - a configuration, its memory, and those who use it */

#ifndef CONF_BOX_H
#define CONF_BOX_H

#include "base/arena.h"
#include "conf/conf.h"
#include "conf/fault.h"

struct conf_box {
	struct conf conf;
	struct arena arena;
	unsigned refs;
};

/* All of drover.yaml, without the services, likewise. */
json_t *conf_root_json(const struct conf *conf);

/* The value at a schema path in such JSON, borrowed; NULL where it is not. */
json_t *conf_json_at(json_t *root, const char *path);

/*
 * Append compact JSON of any value. 0 or -ENOMEM, also over out's ceiling.
 * (json_dumps() loses a key without a word when memory is short.)
 */
int conf_json_text(const json_t *json, struct buf *out) MUST_CHECK;

/*
 * Whether that is the key's default or NULL, which says nothing: a program with
 * one more key takes over the processes of the one before by that.
 */
struct schema;
bool conf_json_is_preset(const struct schema *row, const json_t *value);

/*
 * Everything that one value alone does not show, services sorted by name.
 * lines and file are those of drover.yaml's keys.
 */
void conf_check_rules(const struct conf *conf, const char *file,
    const unsigned *lines, struct faults *f);

/* The part of it that is about who may use a route: rules_auth.c. */
void conf_check_auth(const struct conf *conf, bool partial, struct faults *f);

#endif /* CONF_BOX_H */
