/* SPDX-License-Identifier: ISC */

/*
 * rules - what a head means, once its lines are read; only for head.c
 *
 * Each gives 0 or an enum head_refusal, and fills in its part of struct head.
 */

#ifndef HTTP_RULES_H
#define HTTP_RULES_H

#include "http/head.h"

int rules_target(struct head *h);  /* form, path, query; an authority */
int rules_request(struct head *h); /* Host, framing, connection */
int rules_response(struct head *h, enum method asked);

/* 0, REFUSED_PATH or REFUSED_DOT_SEGMENT. */
int rules_path(struct span path);

#endif /* HTTP_RULES_H */
