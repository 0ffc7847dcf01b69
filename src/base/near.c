/* SPDX-License-Identifier: ISC */

#include "base/near.h"

#include <string.h>

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Three rows of the table of Damerau's distance, neighbours swapped as one. */
static unsigned
distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned rows[3][NEAR_MAX + 1];

	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *up = rows[(i + 2) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned change = up[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = least(least(up[j], row[j - 1]) + 1, change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(
				    row[j], rows[(i + 1) % 3][j - 2] + 1);
		}
	}
	return rows[na % 3][nb];
}

const char *
near_name(const char *name, const char *const *known, size_t n)
{
	size_t len = strlen(name);
	const char *nearest = NULL;
	unsigned best = 3;

	if (len > NEAR_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = known[i] != NULL ? strlen(known[i])
						: NEAR_MAX + 1;
		unsigned d;

		if (other > NEAR_MAX || other > len + 2 || len > other + 2)
			continue;
		d = distance(name, len, known[i], other);
		if (d < best && (d == 0 || d * 2 < len)) {
			best = d;
			nearest = known[i];
		}
	}
	return nearest;
}
