/* SPDX-License-Identifier: ISC */

#include "video/tone.h"

#include <math.h>

#define WHITE 203.0f /* cd/m2, BT.2408 */
#define HLG_PEAK 1000.0f
#define KNEE 0.6f

/* SMPTE ST 2084: code value to cd/m2. */
static float
pq(float v)
{
	const float m1 = 0.1593017578125f, m2 = 78.84375f;
	const float c1 = 0.8359375f, c2 = 18.8515625f, c3 = 18.6875f;
	float p = powf(v, 1 / m2);

	return 10000 * powf(fmaxf(p - c1, 0) / (c2 - c3 * p), 1 / m1);
}

/* ARIB STD-B67: code value to scene light, 0 to 1. */
static float
hlg(float v)
{
	const float a = 0.17883277f, b = 0.28466892f, c = 0.55991073f;

	return v <= 0.5f ? v * v / 3 : (expf((v - c) / a) + b) / 12;
}

static float
srgb(float v)
{
	return v <= 0.0031308f ? 12.92f * v
			       : 1.055f * powf(v, 1 / 2.4f) - 0.055f;
}

void
tone_init(struct tone *t, enum tone_curve curve)
{
	for (int i = 0; i < TONE_STEPS; i++) {
		float v = (float)i / (TONE_STEPS - 1);

		/* HLG's system gamma by sample: near enough for a thumbnail. */
		t->linear[i] = curve == TONE_PQ
		    ? pq(v) / WHITE
		    : HLG_PEAK * powf(hlg(v), 1.2f) / WHITE;
		t->coded[i] = (uint8_t)lroundf(255 * srgb(v));
	}
}

static float
pressed(float x)
{
	const float rest = 1 - KNEE;

	return x <= KNEE ? x : KNEE + rest * (x - KNEE) / (x - KNEE + rest);
}

static uint8_t
code(const struct tone *t, float v)
{
	v = fminf(fmaxf(v, 0), 1);
	return t->coded[lroundf(v * (TONE_STEPS - 1))];
}

void
tone_row(const struct tone *t, const uint16_t *in, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++, in += 3, out += 3) {
		float r = t->linear[in[0] >> 4];
		float g = t->linear[in[1] >> 4];
		float b = t->linear[in[2] >> 4];
		float most = fmaxf(r, fmaxf(g, b));
		float scale = most > 0 ? pressed(most) / most : 0;

		/* BT.2020 to BT.709 primaries (BT.2087). */
		out[0] = code(
		    t, scale * (1.6605f * r - 0.5876f * g - 0.0728f * b));
		out[1] = code(
		    t, scale * (-0.1246f * r + 1.1329f * g - 0.0083f * b));
		out[2] = code(
		    t, scale * (-0.0182f * r - 0.1006f * g + 1.1187f * b));
	}
}
