/* SPDX-License-Identifier: ISC */

#include "conf/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/map.h"
#include "tls/jwk.h"
#include "tls/users.h"

struct secrets {
	struct map texts; /* by path; "" for one that is of no use */
	size_t total;
};

/* What a file is to be. */
struct kind {
	const char *key;
	size_t max;
	int (*check)(
	    struct span text, const struct conf_auth *a, struct err *err);
};

/* --- what is in them ------------------------------------------------------ */

static int
check_users(struct span text, const struct conf_auth *a, struct err *err)
{
	struct users *u;
	int r = users_parse(text, &u, err);

	(void)a;
	users_free(u);
	return r;
}

static int
check_secret(struct span text, const struct conf_auth *a, struct err *err)
{
	struct jwks *s;
	int r = jwks_secret(text, &s, err);

	(void)a;
	jwks_free(s);
	return r;
}

static int
check_jwks(struct span text, const struct conf_auth *a, struct err *err)
{
	struct jwks *s;
	int r = jwks_parse(text, &s, err);

	if (r == 0 && (jwks_algorithms(s) & a->algorithms) == 0)
		r = err_set(err, -EINVAL, "no key for bearer.algorithms in it");
	jwks_free(s);
	return r;
}

static const struct kind users_kind = { "basic.users", USERS_SIZE_MAX,
	check_users };
static const struct kind secret_kind = { "bearer.secret_file",
	JWK_SECRET_MAX + 2, check_secret };
static const struct kind jwks_kind = { "bearer.jwks", JWK_SET_MAX, check_jwks };

/* --- reading -------------------------------------------------------------- */

/* The line feed that an editor puts behind a secret. */
static void
chomp(struct buf *b)
{
	if (b->len > 0 && b->data[b->len - 1] == '\n')
		b->len--;
	if (b->len > 0 && b->data[b->len - 1] == '\r')
		b->len--;
	if (b->data != NULL)
		b->data[b->len] = '\0';
}

static int
read_text(const char *path, const struct kind *kind, struct buf *text,
    struct err *err)
{
	int r = fd_read_file(path, text);

	if (r == -ENOBUFS)
		return err_set(err, r, "more than %zu bytes", kind->max);
	if (r < 0)
		return err_set(err, r, "%s", strerror(-r));
	if (kind == &secret_kind)
		chomp(text);
	if (text->len > 0 && memchr(text->data, '\0', text->len) != NULL)
		return err_set(err, -EINVAL, "a NUL byte");
	return 0;
}

static int
keep(struct secrets *s, const char *path, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL || map_put(&s->texts, span_of(path), copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

static int
load(struct secrets *s, const char *path, const struct conf_auth *a,
    const struct kind *kind, struct err *err)
{
	const char *known = map_get(&s->texts, span_of(path));
	struct buf text;
	int r = 0;

	buf_init(&text, kind->max);
	if (known != NULL)
		r = buf_puts(&text, known);
	else
		r = read_text(path, kind, &text, err);
	/* Another route may want to see something else in it. */
	if (r == 0)
		r = kind->check(buf_span(&text), a, err);
	s->total += text.len;
	if (r == 0 && s->total > SECRETS_MAX)
		r = err_set(
		    err, -E2BIG, "over %u bytes for all routes", SECRETS_MAX);
	if (known == NULL && keep(s, path, r == 0 ? buf_str(&text) : "") < 0)
		r = -ENOMEM;
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_done(&text);
	return r;
}

static void
load_for(struct secrets *s, const struct conf_service *svc, size_t i,
    const char *path, const struct kind *kind, struct faults *f)
{
	const struct conf_route *route = &svc->routes[i];
	struct err err = { "" };
	char key[64];
	int r;

	if (path == NULL)
		return;
	r = load(s, path, &route->auth, kind, &err);
	if (r == -ENOMEM) {
		fault_nomem(f, svc->file);
		return;
	}
	snprintf(key, sizeof(key), "route[%zu].auth.%s", i, kind->key);
	if (r < 0)
		fault_add(f, svc->file, route->line, key,
		    "found %s: %s; allowed a file that can be used", path,
		    err.text);
}

struct secrets *
secrets_load(const struct conf *conf, struct faults *f)
{
	struct secrets *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fault_nomem(f, "secrets");
		return NULL;
	}
	map_init(&s->texts);
	for (size_t k = 0; k < conf->nservices; k++) {
		const struct conf_service *svc = &conf->services[k];

		for (size_t i = 0; i < svc->nroutes; i++) {
			const struct conf_auth *a = &svc->routes[i].auth;

			load_for(s, svc, i, a->users, &users_kind, f);
			load_for(s, svc, i, a->secret, &secret_kind, f);
			load_for(s, svc, i, a->jwks, &jwks_kind, f);
		}
	}
	return s;
}

void
secrets_free(struct secrets *s)
{
	size_t at = 0;
	char *text;

	if (s == NULL)
		return;
	while ((text = map_next(&s->texts, &at, NULL)) != NULL) {
		explicit_bzero(text, strlen(text));
		free(text);
	}
	map_done(&s->texts);
	free(s);
}

const char *
secrets_text(const struct secrets *s, const char *path)
{
	const char *text = NULL;

	if (s != NULL && path != NULL)
		text = map_get(&s->texts, span_of(path));
	return text != NULL ? text : "";
}
