/* SPDX-License-Identifier: ISC */

/*
 * budget - how many retries may be under way at once
 *
 * Retries may not multiply the load of a service in trouble: at most
 * BUDGET_PERCENT of the requests that are under way, but always BUDGET_LEAST.
 */

#ifndef MODEL_BUDGET_H
#define MODEL_BUDGET_H

#include <stdbool.h>

#define BUDGET_PERCENT 20
#define BUDGET_LEAST 3

struct budget {
	unsigned active;   /* requests under way, retries among them */
	unsigned retrying; /* of these, on their second attempt */
};

/* Whether one more may begin; then it is counted. */
bool budget_take(struct budget *b);
void budget_give(struct budget *b);

#endif /* MODEL_BUDGET_H */
