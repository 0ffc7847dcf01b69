/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/fault.h"
#include "conf/pem.h"
#include "conf/secrets.h"

static bool
is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 0111) != 0 && access(path, X_OK) == 0;
}

static const char *
path_of(const struct conf_service *s)
{
	for (size_t i = 0; i < s->nenv; i++)
		if (strcmp(s->env[i].name, "PATH") == 0)
			return s->env[i].value;
	return CONF_PATH;
}

static bool
in_path(const char *path, const char *name)
{
	struct span rest = span_of(path), dir;
	char full[PATH_MAX];

	while (span_next(&rest, ':', &dir)) {
		int n = snprintf(
		    full, sizeof(full), "%.*s/%s", (int)dir.n, dir.p, name);

		if (dir.n > 0 && n > 0 && (size_t)n < sizeof(full) &&
		    is_program(full))
			return true;
	}
	return false;
}

/* A path is as the process sees it: a relative one from its directory. */
static bool
at_directory(const struct conf_service *s, const char *name)
{
	char full[PATH_MAX];
	int n;

	if (*name == '/' || s->directory == NULL)
		return is_program(name);
	n = snprintf(full, sizeof(full), "%s/%s", s->directory, name);
	return n > 0 && (size_t)n < sizeof(full) && is_program(full);
}

static void
check_program(const struct conf_service *s, const char *key,
    const char *const *argv, struct faults *f)
{
	const char *name = argv[0];
	bool path = strchr(name, '/') != NULL;

	if (strchr(name, '$') != NULL)
		return; /* known when it is started */
	if (path ? at_directory(s, name) : in_path(path_of(s), name))
		return;
	fault_add(f, s->file, conf_line(s, key), key,
	    path ? "found \"%s\", which is no program here; allowed the path "
		   "of an executable file%s"
		 : "found \"%s\", which is no program in PATH; allowed one of "
		   "%s",
	    name, path ? "" : path_of(s));
}

static void
check_directory(const struct conf_service *s, struct faults *f)
{
	struct stat st;

	if (s->directory == NULL ||
	    (stat(s->directory, &st) == 0 && S_ISDIR(st.st_mode)))
		return;
	fault_add(f, s->file, conf_line(s, "directory"), "directory",
	    "found \"%s\", which is no folder here; allowed one that is",
	    s->directory);
}

static void
check_user(const struct conf_service *s, struct faults *f)
{
	if (s->sandbox.user == NULL || s->sandbox.optional ||
	    getpwnam(s->sandbox.user) != NULL)
		return;
	fault_add(f, s->file, conf_line(s, "sandbox.user"), "sandbox.user",
	    "found \"%s\", who is no user here; allowed a user, or "
	    "sandbox.optional: true",
	    s->sandbox.user);
}

bool
conf_check_host(const struct conf *conf, struct buf *errors)
{
	struct faults f = { .out = errors };
	struct secrets *secrets = secrets_load(conf, &f);

	secrets_free(secrets);
	for (size_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *s = &conf->services[i];

		check_program(s, "command", s->command, &f);
		if (s->readiness.kind == CONF_CHECK_EXEC)
			check_program(
			    s, "readiness.exec", s->readiness.command, &f);
		if (s->liveness.kind == CONF_CHECK_EXEC)
			check_program(
			    s, "liveness.exec", s->liveness.command, &f);
		check_directory(s, &f);
		check_user(s, &f);
	}
	return pems_check(conf, errors) && f.n == 0;
}
