/* SPDX-License-Identifier: ISC */

/*
 * hash - SipHash-1-3 under a key drawn at start
 *
 * Names come from outside, so tables are keyed: nobody can choose colliding
 * ones. Not for signatures. (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", 2012.)
 */

#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0;
	uint64_t k1;
};

uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t n);

/* Under this process's own key, drawn once from the kernel. */
uint64_t hash_bytes(const void *data, size_t n);

#endif /* BASE_HASH_H */
