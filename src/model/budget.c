/* SPDX-License-Identifier: ISC */

#include "model/budget.h"

bool
budget_take(struct budget *b)
{
	unsigned most = (unsigned)((unsigned long)b->active * BUDGET_PERCENT /
	    100);

	if (most < BUDGET_LEAST)
		most = BUDGET_LEAST;
	if (b->retrying >= most)
		return false;
	b->retrying++;
	return true;
}

void
budget_give(struct budget *b)
{
	b->retrying--;
}
