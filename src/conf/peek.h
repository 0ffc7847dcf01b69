/* SPDX-License-Identifier: ISC */

/*
 * peek - where the runtime folder of a configuration is that cannot be loaded
 *
 * A broken file must not keep control from taking over a herd that runs, and
 * for that it needs no more of the file than this one value. The text is
 * looked through for the first `runtime:` that stands outside a comment, be it
 * in block or flow style; what surrounds it may be anything.
 */

#ifndef CONF_PEEK_H
#define CONF_PEEK_H

#include <stddef.h>

#include "base/err.h"

/* The default when the file names none; -errno when it cannot be read. */
int conf_peek_runtime(
    const char *path, char *out, size_t size, struct err *err) MUST_CHECK;

#endif /* CONF_PEEK_H */
