/* SPDX-License-Identifier: ISC */

#include "base/hash.h"

#include <string.h>

#include "base/rand.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

static void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static uint64_t
load_le(const unsigned char *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

uint64_t
hash_keyed(const struct hash_key *key, const void *data, size_t n)
{
	const unsigned char *p = data;
	struct sip s = {
		key->k0 ^ 0x736f6d6570736575U,
		key->k1 ^ 0x646f72616e646f6dU,
		key->k0 ^ 0x6c7967656e657261U,
		key->k1 ^ 0x7465646279746573U,
	};
	uint64_t last = (uint64_t)n << 56;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t w = load_le(p, 8);

		s.v3 ^= w;
		sip_round(&s);
		s.v0 ^= w;
	}
	last |= load_le(p, n);
	s.v3 ^= last;
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t
hash_bytes(const void *data, size_t n)
{
	static struct hash_key key;

	if (key.k0 == 0 && key.k1 == 0)
		rand_bytes(&key, sizeof(key));
	return hash_keyed(&key, data, n);
}
