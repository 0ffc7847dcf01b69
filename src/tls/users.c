/* SPDX-License-Identifier: ISC */

#include "tls/users.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "tls/digest.h"

#define SUM_MIN 43 /* what stands behind the last '$', in any of them */

struct users {
	struct map hashes; /* into text, by name */
	char *text;
	const char *any; /* some hash, for names that are not there */
};

static bool
is_hash(const char *hash)
{
	static const char *const formats[] = { "$y$", "$gy$", "$7$", "$2a$",
		"$2b$", "$2y$", "$6$", "$5$" };
	struct span s = span_of(hash);

	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (span_starts(s, span_of(formats[i])))
			return s.n <= USERS_HASH_MAX &&
			    strlen(strrchr(hash, '$') + 1) >= SUM_MIN &&
			    crypt_checksalt(hash) == CRYPT_SALT_OK;
	return false;
}

static int
add_line(struct users *u, char *line, struct err *err)
{
	char *colon = strchr(line, ':');
	struct span name;

	if (*line == '\0' || *line == '#')
		return 0;
	if (colon == NULL || colon == line || colon - line > USERS_NAME_MAX)
		return err_set(err, -EINVAL,
		    "no `name:hash`, or a name of over %d bytes",
		    USERS_NAME_MAX);
	for (const char *c = line; c < colon; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(
			    err, -EINVAL, "a control character in a name");
	*colon++ = '\0';
	name = span_of(line);
	if (!is_hash(colon))
		return err_set(err, -EINVAL,
		    "no hash that is good enough; allowed $y$, $gy$, $7$, "
		    "$2a$, $2b$, $2y$, $6$ and $5$ of crypt(5)");
	if (map_get(&u->hashes, name) != NULL)
		return err_set(err, -EINVAL, "a name that stood before");
	if (map_put(&u->hashes, name, colon) < 0)
		return err_errno(err, -ENOMEM, "users");
	if (u->any == NULL)
		u->any = colon;
	return 0;
}

static int
add_lines(struct users *u, struct err *err)
{
	char *line = u->text;

	for (unsigned n = 1; line != NULL; n++) {
		char *end = strchr(line, '\n');
		size_t len;
		int r;

		if (end != NULL)
			*end++ = '\0';
		len = strlen(line);
		if (len > 0 && line[len - 1] == '\r')
			line[len - 1] = '\0';
		r = add_line(u, line, err);
		if (r < 0)
			return err_wrap(err, r, "line %u", n);
		line = end;
	}
	return u->any != NULL ? 0 : err_set(err, -EINVAL, "nobody in it");
}

int
users_parse(struct span text, struct users **out, struct err *err)
{
	struct users *u;
	int r;

	*out = NULL;
	if (text.n > USERS_SIZE_MAX ||
	    (text.n > 0 && memchr(text.p, '\0', text.n) != NULL))
		return err_set(err, -EINVAL,
		    "more than %u bytes, or a NUL among them", USERS_SIZE_MAX);
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return err_errno(err, -ENOMEM, "users");
	map_init(&u->hashes);
	u->text = calloc(1, text.n + 1);
	if (u->text == NULL) {
		r = err_errno(err, -ENOMEM, "users");
	} else {
		if (text.n > 0)
			memcpy(u->text, text.p, text.n);
		r = add_lines(u, err);
	}
	if (r < 0) {
		users_free(u);
		return r;
	}
	*out = u;
	return 0;
}

void
users_free(struct users *u)
{
	if (u == NULL)
		return;
	map_done(&u->hashes);
	free(u->text);
	free(u);
}

const char *
users_hash(const struct users *u, struct span name, bool *known)
{
	const char *hash = map_get(&u->hashes, name);

	*known = hash != NULL;
	return hash != NULL ? hash : u->any;
}

int
users_check(const char *password, const char *hash)
{
	struct crypt_data *data;
	const char *got;
	size_t n = strlen(hash);
	int ok;

	if (strlen(password) > USERS_PASSWORD_MAX)
		return 0;
	data = calloc(1, sizeof(*data));
	if (data == NULL)
		return -ENOMEM;
	got = crypt_r(password, hash, data);
	ok = got != NULL && strlen(got) == n && digest_equal(got, hash, n);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return ok;
}
