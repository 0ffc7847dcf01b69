/* SPDX-License-Identifier: ISC */

/*
 * alloc_arena - each piece of an arena is an allocation that may fail
 *
 * Without it only the few that need a new block would. Linked with
 * WRAP_ARENA beside WRAP_ALLOC.
 */

#include "alloc.h"

#include "base/arena.h"

void *__real_arena_alloc(struct arena *a, size_t n);
char *__real_arena_copy(struct arena *a, struct span s);
void *__wrap_arena_alloc(struct arena *a, size_t n);
char *__wrap_arena_copy(struct arena *a, struct span s);

void *
__wrap_arena_alloc(struct arena *a, size_t n)
{
	return alloc_fails() ? NULL : __real_arena_alloc(a, n);
}

char *
__wrap_arena_copy(struct arena *a, struct span s)
{
	return alloc_fails() ? NULL : __real_arena_copy(a, s);
}
