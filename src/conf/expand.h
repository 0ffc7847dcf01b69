/* SPDX-License-Identifier: ISC */

/*
 * expand - ${PORT}, ${SOCKET}, ${INSTANCE} and ${NODE} in command and env
 *
 * `$$` is a dollar; a dollar before anything but `{` and `$` stands for
 * itself, so that a shell's $HOME passes. Nothing else is known: no
 * environment, no defaults, no nesting.
 */

#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include "base/buf.h"
#include "base/err.h"

/* NULL: not known for this service (a port has no socket). Borrowed. */
struct expand {
	const char *port;
	const char *socket;
	const char *instance;
	const char *node;
};

/*
 * Append text, expanded. -EINVAL: an unknown or unclosed ${...}, which err
 * names; -ENOBUFS and -ENOMEM as buf. On an error out is as it was.
 */
int expand(const struct expand *values, const char *text, struct buf *out,
    struct err *err) MUST_CHECK;

#endif /* CONF_EXPAND_H */
