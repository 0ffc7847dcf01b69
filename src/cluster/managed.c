/* SPDX-License-Identifier: ISC */

#include "cluster/managed.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/rand.h"
#include "redis/url.h"
#define LOG_SUBSYSTEM "registry"
#include "base/log.h"

#define FILE_MAX (16 * 1024)
#define SECRET_BYTES 24
#define SECRET_HEX (2 * SECRET_BYTES)
#define MEMORY_MIN (UINT64_C(4) << 20)

struct managed {
	uint64_t max_memory;
	char *program;
	char *folder;
	char *conf;
	char *acl;
	char *secrets;
	char *socket;
	char drover[SECRET_HEX + 1];
	char services[SECRET_HEX + 1];
	char url[REDIS_URL_MAX];
	char services_url[REDIS_URL_MAX];
	const char *argv[3];
};

/* --- the texts ------------------------------------------------------------
 */

/* clang-format off */
static const char conf_text[] =
"# Written by drover at each start: changes here are lost.\n"
"port 0\n"
"unixsocketperm 777\n"
"daemonize no\n"
"supervised no\n"
"loglevel notice\n"
"logfile \"\"\n"
"always-show-logo no\n"
"save \"\"\n"
"appendonly yes\n"
"appendfsync everysec\n"
"aof-load-truncated yes\n"
"maxmemory-policy noeviction\n"
"maxclients 1024\n"
"latency-tracking no\n";
/* clang-format on */

/*
 * Redis has patterns for what is allowed and none for what is not: together
 * these match every text that does not begin with "{drover:".
 */
static const char not_drover[] = "{drover:";

static int
put_patterns(struct buf *b, char sigil)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(not_drover) - 1 && r == 0; i++)
		r = buf_printf(b, " %c%.*s[^%c]*", sigil, (int)i, not_drover,
		    not_drover[i]);
	return r;
}

/*
 * `default` is off, so nobody can be it; but it keeps every right, because
 * Redis 7.0 reads its AOF as that user, and drops there without a word every
 * transaction (each Lua script is one) that the user had no right to. INFO is
 * asked by every client at its start, and tells only numbers.
 */
static int
make_acl(struct buf *b, const struct managed *m)
{
	int r = buf_printf(b,
	    "user default off resetpass ~* &* +@all\n"
	    "user drover on >%s ~* &* +@all\n"
	    "user services on >%s resetchannels",
	    m->drover, m->services);

	if (r == 0)
		r = put_patterns(b, '~');
	if (r == 0)
		r = put_patterns(b, '&');
	return r < 0 ? r : buf_puts(b, " +@all -@admin -@dangerous +info\n");
}

/* In redis.conf a word in double quotes knows these two escapes. */
static int
put_path(struct buf *b, const char *key, const char *path)
{
	int r = buf_printf(b, "%s \"", key);

	for (; *path != '\0' && r == 0; path++)
		r = *path == '"' || *path == '\\' ? buf_printf(b, "\\%c", *path)
						  : buf_append(b, path, 1);
	return r < 0 ? r : buf_puts(b, "\"\n");
}

static int
make_conf(struct buf *b, const struct managed *m)
{
	int r = buf_puts(b, conf_text);

	if (r == 0)
		r = buf_printf(
		    b, "maxmemory %llu\n", (unsigned long long)m->max_memory);
	if (r == 0)
		r = put_path(b, "dir", m->folder);
	if (r == 0)
		r = put_path(b, "unixsocket", m->socket);
	if (r == 0)
		r = put_path(b, "aclfile", m->acl);
	return r;
}

/* --- the files ------------------------------------------------------------
 */

static bool
is_private(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 07777) == 0600 && st.st_uid == geteuid();
}

/*
 * One that says it already is left as it is, and an older one does where the
 * disk is full: a herd that runs needs neither to be taken over.
 */
static int
put_file(const char *path, struct span text, struct err *err)
{
	struct buf old;
	struct err why;
	bool there, same;
	int r = 0;

	buf_init(&old, FILE_MAX);
	there = is_private(path) && fd_read_file(path, &old) == 0;
	same = there && span_eq(buf_span(&old), text);
	buf_done(&old);
	if (!same)
		r = fd_replace_file(path, text.p, text.n, 0600, &why);
	if (r == 0 || !there)
		return r == 0 ? 0 : err_set(err, r, "%s", why.text);
	log_warn("managed", "%s; the older one stays", why.text);
	return 0;
}

static int
write_file(const char *path, int (*make)(struct buf *, const struct managed *),
    const struct managed *m, struct err *err)
{
	struct buf b;
	int r;

	buf_init(&b, FILE_MAX);
	r = make(&b, m);
	if (r < 0)
		err_errno(err, r, "%s", path);
	else
		r = put_file(path, buf_span(&b), err);
	buf_done(&b);
	return r;
}

static int
take_secret(struct span *rest, const char *user, char *secret)
{
	struct span line, name;

	if (!span_next(rest, '\n', &line) || !span_next(&line, ' ', &name) ||
	    !span_eq(name, span_of(user)) || line.n != SECRET_HEX)
		return -EINVAL;
	for (size_t i = 0; i < line.n; i++)
		if (strchr("0123456789abcdef", line.p[i]) == NULL ||
		    line.p[i] == '\0')
			return -EINVAL;
	return str_copy(secret, SECRET_HEX + 1, line);
}

static int
make_secrets(struct buf *b, const struct managed *m)
{
	return buf_printf(
	    b, "drover %s\nservices %s\n", m->drover, m->services);
}

static int
load_secrets(struct managed *m, struct err *err)
{
	struct buf b;
	struct span rest;
	int r;

	buf_init(&b, 256);
	r = fd_read_file(m->secrets, &b);
	if (r == -ENOENT) {
		rand_hex(m->drover, SECRET_BYTES);
		rand_hex(m->services, SECRET_BYTES);
		r = write_file(m->secrets, make_secrets, m, err);
		goto out;
	}
	rest = buf_span(&b);
	if (r < 0 && r != -ENOBUFS)
		err_errno(err, r, "cannot read %s", m->secrets);
	else if (r < 0 || take_secret(&rest, "drover", m->drover) < 0 ||
	    take_secret(&rest, "services", m->services) < 0)
		r = err_set(err, -EINVAL,
		    "%s is damaged; remove it, and restart Redis with it",
		    m->secrets);
out:
	buf_done(&b);
	return r;
}

static int
make_folder(const struct managed *m, struct err *err)
{
	int r = fd_mkdirs(m->folder, 0700, err);

	if (r == 0 && chmod(m->folder, 0700) < 0)
		r = err_errno(err, -errno, "%s", m->folder);
	return r;
}

/* --- making it ------------------------------------------------------------
 */

static char *
join_path(const char *folder, const char *name)
{
	size_t n = strlen(folder) + strlen(name) + 2;
	char *path = malloc(n);

	if (path != NULL)
		snprintf(path, n, "%s/%s", folder, name);
	return path;
}

static bool
path_is_clean(const char *path)
{
	if (path == NULL || path[0] != '/')
		return false;
	for (; *path != '\0'; path++)
		if ((unsigned char)*path < 0x20 || *path == 0x7f)
			return false;
	return true;
}

static int
check_args(const struct managed_args *args, struct err *err)
{
	if (!path_is_clean(args->state) || !path_is_clean(args->runtime))
		return err_set(
		    err, -EINVAL, "the managed Redis needs absolute folders");
	if (args->max_memory < MEMORY_MIN)
		return err_set(
		    err, -EINVAL, "the managed Redis needs at least 4MiB");
	return 0;
}

static int
make_paths(struct managed *m, const struct managed_args *args, struct err *err)
{
	m->max_memory = args->max_memory;
	m->program = strdup(args->program);
	m->folder = join_path(args->state, "redis");
	m->socket = join_path(args->runtime, "redis.sock");
	if (m->folder != NULL) {
		m->conf = join_path(m->folder, "redis.conf");
		m->acl = join_path(m->folder, "users.acl");
		m->secrets = join_path(m->folder, "secrets");
	}
	if (m->program == NULL || m->socket == NULL || m->conf == NULL ||
	    m->acl == NULL || m->secrets == NULL)
		return err_set(err, -ENOMEM, "managed Redis: no memory");
	m->argv[0] = m->program;
	m->argv[1] = m->conf;
	return 0;
}

static int
make_url(const struct managed *m, const char *user, const char *password,
    char *text, size_t size, struct err *err)
{
	struct redis_url url = { 0 };
	int r = str_copy(url.path, sizeof(url.path), span_of(m->socket));

	if (r < 0)
		return err_set(err, r,
		    "%s: longer than the %zu bytes that a socket may have",
		    m->socket, sizeof(url.path) - 1);
	snprintf(url.user, sizeof(url.user), "%s", user);
	snprintf(url.password, sizeof(url.password), "%s", password);
	r = redis_url_text(&url, text, size);
	return r < 0 ? err_errno(err, r, "%s", m->socket) : 0;
}

static int
make_files(struct managed *m, struct err *err)
{
	int r = make_folder(m, err);

	if (r == 0)
		r = load_secrets(m, err);
	if (r == 0)
		r = make_url(
		    m, "drover", m->drover, m->url, sizeof(m->url), err);
	if (r == 0)
		r = make_url(m, "services", m->services, m->services_url,
		    sizeof(m->services_url), err);
	if (r == 0)
		r = write_file(m->acl, make_acl, m, err);
	if (r == 0)
		r = write_file(m->conf, make_conf, m, err);
	return r;
}

struct managed *
managed_new(const struct managed_args *args, struct err *err)
{
	struct managed *m;

	if (check_args(args, err) < 0)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m == NULL) {
		err_set(err, -ENOMEM, "managed Redis: no memory");
		return NULL;
	}
	if (make_paths(m, args, err) < 0 || make_files(m, err) < 0) {
		managed_free(m);
		return NULL;
	}
	return m;
}

void
managed_free(struct managed *m)
{
	if (m == NULL)
		return;
	free(m->program);
	free(m->folder);
	free(m->conf);
	free(m->acl);
	free(m->secrets);
	free(m->socket);
	explicit_bzero(m, sizeof(*m));
	free(m);
}

/* --- what its owner needs -------------------------------------------------
 */

const char *const *
managed_argv(const struct managed *m)
{
	return m->argv;
}

const char *
managed_directory(const struct managed *m)
{
	return m->folder;
}

const char *
managed_socket(const struct managed *m)
{
	return m->socket;
}

const char *
managed_url(const struct managed *m)
{
	return m->url;
}

const char *
managed_services_url(const struct managed *m)
{
	return m->services_url;
}

static bool
in_path(const char *program)
{
	const char *path = getenv("PATH");
	struct span rest = span_of(
	    path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
	struct span dir;
	char full[PATH_MAX];

	while (span_next(&rest, ':', &dir)) {
		int n = snprintf(full, sizeof(full), "%.*s/%s", (int)dir.n,
		    dir.n > 0 ? dir.p : ".", program);

		if (n > 0 && (size_t)n < sizeof(full) &&
		    access(full, X_OK) == 0)
			return true;
	}
	return false;
}

int
managed_check(const struct managed *m, struct err *err)
{
	bool found = strchr(m->program, '/') != NULL
	    ? access(m->program, X_OK) == 0
	    : in_path(m->program);

	if (found)
		return 0;
	return err_set(err, -ENOENT,
	    "%s is not installed (apt-get install redis-server)", m->program);
}
