/* SPDX-License-Identifier: ISC */

/*
 * manual - what a person reads about the configuration, from the schema
 *
 * drover.yaml(5) is printed at build time; doc/configuration.md stands in the
 * tree, and a test compares it with what is printed here.
 */

#ifndef CONF_MANUAL_H
#define CONF_MANUAL_H

#include "base/buf.h"

int conf_manual_mdoc(struct buf *out) MUST_CHECK; /* drover.yaml(5) */
int conf_manual_markdown(struct buf *out) MUST_CHECK;

#endif /* CONF_MANUAL_H */
