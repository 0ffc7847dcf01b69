/* SPDX-License-Identifier: ISC */

#include "model/histogram.h"

#define SUB 16U /* buckets to a doubling */
#define SUB_BITS 4U

const uint32_t histogram_bounds[HISTOGRAM_BARS - 1] = { 1000, 2500, 5000, 10000,
	25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000,
	10000000, 30000000 };

/* Most requests are in the first ones: no search is faster. */
unsigned
histogram_bar(uint64_t us)
{
	unsigned i = 0;

	while (i < HISTOGRAM_BARS - 1 && us > histogram_bounds[i])
		i++;
	return i;
}

unsigned
histogram_bucket(uint64_t us)
{
	unsigned exponent, bucket;

	if (us < SUB)
		return (unsigned)us;
	exponent = 63U - (unsigned)__builtin_clzll(us);
	bucket = (exponent - SUB_BITS + 1) * SUB +
	    (unsigned)(us >> (exponent - SUB_BITS) & (SUB - 1));
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

uint64_t
histogram_low(unsigned bucket)
{
	unsigned shift;

	if (bucket < SUB)
		return bucket;
	shift = bucket / SUB - 1;
	return (uint64_t)(SUB + bucket % SUB) << shift;
}

uint64_t
histogram_high(unsigned bucket)
{
	return histogram_low(bucket + 1);
}

void
histogram_add(struct histogram *h, uint64_t us)
{
	h->count[histogram_bucket(us)]++;
}

void
histogram_merge(struct histogram *h, const struct histogram *more)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->count[i] += more->count[i];
}

uint64_t
histogram_total(const struct histogram *h)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += h->count[i];
	return total;
}

uint64_t
histogram_quantile(const struct histogram *h, unsigned permille)
{
	uint64_t total = histogram_total(h), seen = 0, rank;

	if (total == 0)
		return 0;
	rank = total / 1000 * permille + (total % 1000 * permille + 999) / 1000;
	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->count[i];
		if (seen >= rank)
			return (histogram_low(i) + histogram_high(i) - 1) / 2;
	}
	return histogram_low(HISTOGRAM_BUCKETS - 1);
}
