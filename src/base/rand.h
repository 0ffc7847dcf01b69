/* SPDX-License-Identifier: ISC */

/*
 * rand - randomness: from the kernel for secrets and keys, from a fast
 * generator for jitter and choices
 */

#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* From getrandom(2). Never fails: a kernel without it is not supported. */
void rand_bytes(void *out, size_t n);

/* n random bytes as 2n hex digits and a NUL; out has 2n + 1 bytes. */
void rand_hex(char *out, size_t n);

/* xoshiro256** (Blackman and Vigna, 2018): not for secrets. */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed); /* any seed is good */
uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 .. n-1; n > 0 */

#endif /* BASE_RAND_H */
