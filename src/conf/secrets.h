/* SPDX-License-Identifier: ISC */

/*
 * secrets - the files of users and keys that routes name, read and checked
 *
 * Workers may not read them, so control does: at its start and at a reload,
 * all of them at once, and what it read stays as it is until the next one.
 */

#ifndef CONF_SECRETS_H
#define CONF_SECRETS_H

#include "conf/conf.h"
#include "conf/fault.h"

#define SECRETS_MAX (4U << 20) /* bytes in all, each route counted */

struct secrets;

/*
 * What conf names. Each file that cannot be read, or is no such file, is a
 * fault at its key, and has no content then. NULL: out of memory, a fault too.
 */
struct secrets *secrets_load(const struct conf *conf, struct faults *f);
void secrets_free(struct secrets *s);

/* The text of a file, or "": it could not be used. path may be NULL. */
const char *secrets_text(const struct secrets *s, const char *path);

#endif /* CONF_SECRETS_H */
