/* SPDX-License-Identifier: ISC */

/* array - the length of an array whose size the compiler knows */

#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that holds this member. */
#define CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#endif /* BASE_ARRAY_H */
