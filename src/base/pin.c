/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE /* MCL_ONFAULT */

#include "base/pin.h"

#include <sys/mman.h>

void
pin_memory(void)
{
	(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}
