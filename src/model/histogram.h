/* SPDX-License-Identifier: ISC */

/*
 * histogram - how often which duration, in log-linear buckets
 *
 * Microseconds. Up to 16 us each has its own bucket; above, each doubling is
 * divided in 16, so that a quantile is off by at most 3.2 %. What is longer
 * than 134 s counts in the last one.
 */

#ifndef MODEL_HISTOGRAM_H
#define MODEL_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 384

/* A coarse one for graphs: how many at most so long, and the rest. */
#define HISTOGRAM_BARS 15
extern const uint32_t histogram_bounds[HISTOGRAM_BARS - 1]; /* us */

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
};

unsigned histogram_bar(uint64_t us); /* the first with us <= its bound */
unsigned histogram_bucket(uint64_t us);
uint64_t histogram_low(unsigned bucket);  /* the least value in it */
uint64_t histogram_high(unsigned bucket); /* the least above it */

void histogram_add(struct histogram *h, uint64_t us);
void histogram_merge(struct histogram *h, const struct histogram *more);
uint64_t histogram_total(const struct histogram *h);

/* The middle of the bucket where permille of all lie at or below; 0: empty. */
uint64_t histogram_quantile(const struct histogram *h, unsigned permille);

#endif /* MODEL_HISTOGRAM_H */
