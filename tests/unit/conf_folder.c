/* SPDX-License-Identifier: ISC */

#include "conf_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

int
folder_setup(void **state)
{
	static struct folder f;
	char path[96];

	snprintf(f.path, sizeof(f.path), "/tmp/drover-conf-XXXXXX");
	assert_non_null(mkdtemp(f.path));
	snprintf(f.file, sizeof(f.file), "%s/drover.yaml", f.path);
	snprintf(path, sizeof(path), "%s/services.d", f.path);
	assert_int_equal(mkdir(path, 0700), 0);
	buf_init(&f.errors, 64 * 1024);
	folder_put(&f, "drover.yaml", "node: {name: a}\n");
	*state = &f;
	return 0;
}

static void
empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char name[512];

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		unlink(name);
	}
	closedir(dir);
	rmdir(path);
}

int
folder_teardown(void **state)
{
	struct folder *f = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/services.d", f->path);
	empty(path);
	empty(f->path);
	buf_done(&f->errors);
	return access(f->path, F_OK) == 0 ? -1 : 0;
}

static void
path_of(const struct folder *f, const char *name, char path[160])
{
	if (strcmp(name, "drover.yaml") == 0)
		snprintf(path, 160, "%s", f->file);
	else
		snprintf(path, 160, "%s/services.d/%s.yaml", f->path, name);
}

void
folder_put(struct folder *f, const char *name, const char *text)
{
	char path[160];
	int fd;

	path_of(f, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	fd_close(&fd);
}

void
folder_drop(struct folder *f, const char *name)
{
	char path[160];

	path_of(f, name, path);
	assert_int_equal(unlink(path), 0);
}

/* Take the folder's path out of the errors, and services.d with it. */
static void
cut_path(struct folder *f)
{
	char long_[96], short_[96];
	char *at;

	if (f->errors.data == NULL)
		return;
	snprintf(long_, sizeof(long_), "%s/services.d/", f->path);
	snprintf(short_, sizeof(short_), "%s/", f->path);
	while ((at = strstr(f->errors.data, long_)) != NULL)
		memmove(at, at + strlen(long_), strlen(at + strlen(long_)) + 1);
	while ((at = strstr(f->errors.data, short_)) != NULL)
		memmove(
		    at, at + strlen(short_), strlen(at + strlen(short_)) + 1);
	f->errors.len = strlen(f->errors.data);
}

const struct conf *
folder_load(struct folder *f)
{
	const struct conf *conf;

	buf_clear(&f->errors);
	conf = conf_load(f->file, &f->errors);
	cut_path(f);
	return conf;
}

const struct conf *
folder_accept(struct folder *f)
{
	const struct conf *conf = folder_load(f);

	assert_string_equal(buf_str(&f->errors), "");
	assert_non_null(conf);
	return conf;
}

void
folder_refuse(struct folder *f, const char *want)
{
	assert_null(folder_load(f));
	assert_string_equal(buf_str(&f->errors), want);
}
