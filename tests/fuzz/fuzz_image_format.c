/* SPDX-License-Identifier: ISC */

/*
 * Sniffing reads nothing outside the file, an unknown format is never cut, and
 * a WebP file that was stripped is shorter or the same and stripped for good.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/format.h"
#include "image/webp.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	enum image_format format = image_sniff(in);
	unsigned char *copy = malloc(size > 0 ? size : 1);
	size_t once;

	for (int f = IMAGE_UNKNOWN; f <= IMAGE_GIF; f++)
		(void)image_is_cut((enum image_format)f, in);
	MUST(!image_is_cut(IMAGE_UNKNOWN, in));
	MUST(image_media_type(format) != NULL);
	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	once = webp_strip(copy, size);
	MUST(once <= size);
	MUST(webp_strip(copy, once) == once);
	MUST(image_sniff((struct span){ (char *)copy, once }) == format);
	free(copy);
	return 0;
}
