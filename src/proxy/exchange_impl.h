/* SPDX-License-Identifier: ISC */

/* exchange_impl - what exchange.c and exchange_retry.c share */

#ifndef PROXY_EXCHANGE_IMPL_H
#define PROXY_EXCHANGE_IMPL_H

#include "proxy/exchange.h"

/* Its connection, then its place, are given back. */
void exchange_let_go(struct exchange *x, bool reuse);

/* Where to, and what that means for it. May end x. */
void exchange_choose(struct exchange *x);

/* No endpoint is left: an error that says why the last one was none. Ends x. */
void exchange_fail_none(struct exchange *x);

#endif /* PROXY_EXCHANGE_IMPL_H */
