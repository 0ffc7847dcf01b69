/* SPDX-License-Identifier: ISC */

/*
 * alloc - make the nth allocation fail
 *
 * Programs linked with $(WRAP_ALLOC) and this file's .c send malloc, calloc,
 * realloc, strdup and strndup through here. ALLOC_FAIL_EACH runs a body again
 * and again, failing its first allocation, then its second, and so on, until
 * a run needs none; the body must clean up after itself and may look at
 * alloc_failed() to know whether this run was meant to fail.
 */

#ifndef TESTS_UNIT_ALLOC_H
#define TESTS_UNIT_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void alloc_fail_at(size_t nth);	  /* 1 is the next one; 0 never */
void alloc_fail_here(size_t nth); /* of this thread alone */
bool alloc_fails(void);		  /* the one that is asked for now */
bool alloc_failed(void);	  /* since alloc_fail_at() */

/* jansson allocates inside its own library: give it ours. */
void alloc_hook_jansson(void);

#define ALLOC_FAIL_EACH(body)                                  \
	do {                                                   \
		for (size_t nth_ = 1; nth_ < 100000; nth_++) { \
			bool over_;                            \
			alloc_fail_at(nth_);                   \
			body;                                  \
			over_ = !alloc_failed();               \
			alloc_fail_at(0);                      \
			if (over_)                             \
				break;                         \
		}                                              \
	} while (0)

#endif /* TESTS_UNIT_ALLOC_H */
