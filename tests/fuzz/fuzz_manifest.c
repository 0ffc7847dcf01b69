/* SPDX-License-Identifier: ISC */

/* Whatever a keeper finds in its manifest: read whole, or refused. */

#define _GNU_SOURCE

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct err err = { "" };
	uint64_t sum, again;
	int r;

	if (fd < 0)
		fd = memfd_create("manifest", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    fd_write_all(fd, data, size) < 0)
		abort();
	r = manifest_check(fd, &sum, &err);
	if (r < 0 && err.text[0] == '\0')
		abort(); /* refused without a reason */
	if (r == 0 && (manifest_check(fd, &again, &err) < 0 || again != sum))
		abort();
	return 0;
}
