/* SPDX-License-Identifier: ISC */

/*
 * reload - from one configuration in force to the next, all or nothing
 */

#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include "control/state.h"

/*
 * Put conf in force: services added, changed, replaced and removed as the
 * herd runs. -EINVAL with the reasons (a key that only a new start can change,
 * an address that cannot be bound): nothing was changed.
 */
int reload_apply(
    struct control *c, const struct conf *conf, struct buf *errors) MUST_CHECK;

#endif /* CONTROL_RELOAD_H */
