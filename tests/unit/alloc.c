/* SPDX-License-Identifier: ISC */

#include "alloc.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static size_t fail_in; /* 0: never */
static bool failed;
static bool only; /* one thread's are counted */
static pthread_t whose;

void
alloc_fail_at(size_t nth)
{
	only = false;
	fail_in = nth;
	failed = false;
}

void
alloc_fail_here(size_t nth)
{
	fail_in = 0;
	only = true;
	whose = pthread_self();
	fail_in = nth;
	failed = false;
}

bool
alloc_failed(void)
{
	return failed;
}

bool
alloc_fails(void)
{
	if (fail_in == 0 || (only && !pthread_equal(whose, pthread_self())))
		return false;
	if (--fail_in > 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t n)
{
	return alloc_fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return alloc_fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return alloc_fails() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *s)
{
	return alloc_fails() ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return alloc_fails() ? NULL : __real_strndup(s, n);
}

void
alloc_hook_jansson(void)
{
	json_set_alloc_funcs(__wrap_malloc, free);
}
