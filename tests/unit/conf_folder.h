/* SPDX-License-Identifier: ISC */

/*
 * conf_folder - a configuration in a temporary folder, for tests
 *
 * Errors are given with the folder's own path cut off: "s.yaml:3: ...".
 */

#ifndef TESTS_UNIT_CONF_FOLDER_H
#define TESTS_UNIT_CONF_FOLDER_H

#include "base/buf.h"
#include "conf/conf.h"

struct folder {
	char path[64];
	char file[96]; /* drover.yaml in it */
	struct buf errors;
};

/* For cmocka: *state is a folder with services.d and nothing else. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* Write a file: "drover.yaml", or a service's name for services.d. */
void folder_put(struct folder *f, const char *name, const char *text);
void folder_drop(struct folder *f, const char *name);

/* The configuration; or NULL, with the errors cut as above. */
const struct conf *folder_load(struct folder *f);

/* The same, where it must succeed; and where it must fail with this text. */
const struct conf *folder_accept(struct folder *f);
void folder_refuse(struct folder *f, const char *want);

#define F(test) \
	cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

#endif /* TESTS_UNIT_CONF_FOLDER_H */
