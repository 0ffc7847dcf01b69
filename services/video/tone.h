/* SPDX-License-Identifier: ISC */

/*
 * tone - a picture of high dynamic range as an ordinary screen shows it
 *
 * From BT.2020 with the curve PQ or HLG to sRGB. What is darker than 0.6 of
 * the reference white stays as it is; what is brighter is pressed together
 * without a hard edge. Pure.
 */

#ifndef VIDEO_TONE_H
#define VIDEO_TONE_H

#include <stddef.h>
#include <stdint.h>

enum tone_curve { TONE_PQ, TONE_HLG };

#define TONE_STEPS 4096

struct tone {
	float linear[TONE_STEPS]; /* 1 is the reference white, 203 cd/m2 */
	uint8_t coded[TONE_STEPS];
};

void tone_init(struct tone *t, enum tone_curve curve);

/* n pixels of three 16 bit samples to three bytes. */
void tone_row(const struct tone *t, const uint16_t *in, uint8_t *out, size_t n);

#endif /* VIDEO_TONE_H */
