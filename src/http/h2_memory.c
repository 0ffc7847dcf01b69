/* SPDX-License-Identifier: ISC */

/*
 * nghttp2's memory. Where it can get none it leaves a stream with an item that
 * was freed (1.52, session_ob_data_push), and dies of that at the latest when
 * the session is deleted. So the small things that it asks for next come from a
 * reserve, and the session ends before it asks for many: out of memory costs
 * one connection.
 */

#include <malloc.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "http/h2_session.h"

#define RESERVE (32 * 1024)
#define SMALL 2048

/* One thread, one reserve; empty again when all of it was given back. */
static struct {
	alignas(max_align_t) char bytes[RESERVE];
	size_t used, pieces;
} reserve;

static bool
is_reserved(const void *p)
{
	return (uintptr_t)p - (uintptr_t)reserve.bytes < RESERVE;
}

static void *
take_reserve(struct h2 *h, size_t n)
{
	size_t whole = (n + alignof(max_align_t) - 1) / alignof(max_align_t) *
	    alignof(max_align_t);
	char *p = reserve.bytes + reserve.used;

	if (h->fault == H2_FINE)
		h->fault = H2_MEMORY;
	if (n > SMALL || RESERVE - reserve.used < whole)
		return NULL;
	reserve.used += whole;
	reserve.pieces++;
	return p;
}

/* What the allocator gave is what is held. */
static void
meter(struct h2 *h, const void *p, bool add)
{
	size_t n = malloc_usable_size((void *)(uintptr_t)p);

	if (h->meter != NULL)
		h->meter->held += add ? n : (size_t)0 - n;
}

static void *
on_malloc(size_t n, void *arg)
{
	void *p = malloc(n);

	if (p == NULL)
		return n == 0 ? NULL : take_reserve(arg, n);
	meter(arg, p, true);
	return p;
}

static void
on_free(void *p, void *arg)
{
	if (p == NULL)
		return;
	if (!is_reserved(p)) {
		meter(arg, p, false);
		free(p);
	} else if (--reserve.pieces == 0) {
		reserve.used = 0;
	}
}

static void *
on_calloc(size_t n, size_t size, void *arg)
{
	void *p = calloc(n, size);

	if (p != NULL) {
		meter(arg, p, true);
		return p;
	}
	if (n == 0 || size == 0 || n > SMALL / size)
		return NULL;
	p = take_reserve(arg, n * size);
	return p != NULL ? memset(p, 0, n * size) : NULL;
}

/* How long the old one is nobody knows: all up to the end may be copied. */
static void *
move_reserved(struct h2 *h, const char *old, size_t n)
{
	size_t most = (size_t)(reserve.bytes + RESERVE - old);
	void *p = on_malloc(n, h);

	if (p == NULL)
		return NULL;
	memmove(p, old, n < most ? n : most);
	on_free((void *)(uintptr_t)old, h);
	return p;
}

static void *
on_realloc(void *old, size_t n, void *arg)
{
	size_t have;
	void *p;

	if (old == NULL)
		return on_malloc(n, arg);
	if (is_reserved(old))
		return move_reserved(arg, old, n);
	have = malloc_usable_size(old);
	meter(arg, old, false);
	p = realloc(old, n);
	if (p != NULL) {
		meter(arg, p, true);
		return p;
	}
	meter(arg, old, true);
	p = n == 0 ? NULL : take_reserve(arg, n);
	if (p == NULL)
		return NULL;
	memcpy(p, old, have < n ? have : n);
	on_free(old, arg);
	return p;
}

nghttp2_mem
h2_memory(struct h2 *h)
{
	return (nghttp2_mem){ h, on_malloc, on_free, on_calloc, on_realloc };
}
