/* SPDX-License-Identifier: ISC */

#include "conf/pem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "conf/fault.h"
#include "tls/certificate.h"
#include "tls/context.h"

#define DAY_S 86400
#define KEY_MAX 64 /* of a key in a message */

struct reading {
	struct pems *p;
	struct faults faults;
};

static void
key_of(const struct conf *c, const struct pem *p, const char *leaf, char *out)
{
	snprintf(out, KEY_MAX, "listen[%zu].tls.certificates[%zu]%s",
	    (size_t)(p->listen - c->listen),
	    (size_t)(p->conf - p->listen->tls.certificates), leaf);
}

static void
complain(struct reading *r, const struct pem *p, const char *leaf,
    const char *what, const char *allowed)
{
	char key[KEY_MAX];

	key_of(r->p->conf, p, leaf, key);
	fault_add(&r->faults, r->p->conf->file, p->conf->line, key, "%s%s%s",
	    what, allowed[0] != '\0' ? "; allowed " : "", allowed);
}

/* --- one ------------------------------------------------------------------ */

static bool
read_text(struct reading *r, const struct pem *p, const char *leaf,
    const char *path, struct buf *out)
{
	char what[4200];
	int e = fd_read_file(path, out);

	if (e == 0)
		return true;
	if (e == -ENOMEM)
		fault_nomem(&r->faults, r->p->conf->file);
	else {
		if (e == -ENOBUFS)
			snprintf(what, sizeof(what), "found \"%s\" over 60 KiB",
			    path);
		else
			snprintf(what, sizeof(what), "found \"%s\": %s", path,
			    strerror(-e));
		complain(r, p, leaf, what, "a readable PEM file");
	}
	return false;
}

static void
take_facts(struct pem *p, const struct tls_certificate *c)
{
	p->not_before = tls_certificate_not_before(c);
	p->not_after = tls_certificate_not_after(c);
	if (tls_certificate_nnames(c) > 0)
		snprintf(
		    p->name, sizeof(p->name), "%s", tls_certificate_name(c, 0));
}

static bool
understand(struct reading *r, struct pem *p)
{
	struct tls_certificate *c;
	struct err err;
	int e = tls_certificate_read(
	    &c, buf_span(&p->cert), buf_span(&p->key), &err);

	if (e == -ENOMEM) {
		fault_nomem(&r->faults, r->p->conf->file);
	} else if (e < 0) {
		bool key = strncmp(err.text, "key: ", 5) == 0;
		const char *colon = strstr(err.text, ": ");

		complain(r, p, key ? ".key" : ".cert",
		    colon != NULL ? colon + 2 : err.text, "");
	} else {
		take_facts(p, c);
		tls_certificate_free(c);
	}
	return e == 0;
}

static bool
read_one(struct reading *r, struct pem *p)
{
	bool cert, key;

	buf_init(&p->cert, TLS_PEM_MAX);
	buf_init(&p->key, TLS_PEM_MAX);
	cert = read_text(r, p, ".cert", p->conf->cert, &p->cert);
	key = read_text(r, p, ".key", p->conf->key, &p->key);
	return cert && key && understand(r, p);
}

/* --- together ------------------------------------------------------------- */

/* Weak keys, and ciphers that do not exist, show only here. */
static void
try(struct reading *r, const struct conf_listen *l, const struct pem *first)
{
	struct tls_pair pairs[TLS_PAIRS_MAX];
	const struct tls_config config = {
		.pairs = pairs,
		.npairs = l->tls.ncertificates,
		.min_version = l->tls.min_version == CONF_TLS_1_3 ? TLS_1_3
								  : TLS_1_2,
		.ciphers = l->tls.ciphers,
		.suites = l->tls.ciphersuites,
	};
	struct tls_context *t;
	char key[KEY_MAX];
	struct err err;
	int e;

	for (size_t i = 0; i < config.npairs; i++)
		pairs[i] = (struct tls_pair){ buf_span(&first[i].cert),
			buf_span(&first[i].key) };
	e = tls_context_new(&t, &config, &err);
	if (e == 0) {
		tls_context_unref(t);
		return;
	}
	snprintf(key, sizeof(key), "listen[%zu].tls",
	    (size_t)(l - r->p->conf->listen));
	fault_add(
	    &r->faults, r->p->conf->file, l->line, key, "found %s", err.text);
}

static void
read_listener(struct reading *r, const struct conf_listen *l)
{
	struct pem *first = &r->p->all[r->p->n];
	bool ok = true;

	for (size_t i = 0; i < l->tls.ncertificates; i++) {
		struct pem *p = &r->p->all[r->p->n++];

		p->listen = l;
		p->conf = &l->tls.certificates[i];
		if (!read_one(r, p))
			ok = false;
	}
	if (ok && l->tls.ncertificates > 0)
		try(r, l, first);
}

bool
pems_read(struct pems *p, const struct conf *conf, struct buf *errors)
{
	struct reading r = { .p = p, .faults = { .out = errors } };
	size_t n = 0;

	*p = (struct pems){ .conf = conf_ref(conf) };
	for (size_t i = 0; i < conf->nlisten; i++)
		n += conf->listen[i].tls.ncertificates;
	p->all = calloc(n + 1, sizeof(*p->all));
	if (p->all == NULL)
		fault_nomem(&r.faults, conf->file);
	for (size_t i = 0; i < conf->nlisten && p->all != NULL; i++)
		read_listener(&r, &conf->listen[i]);
	if (r.faults.n > 0)
		pems_done(p);
	return r.faults.n == 0;
}

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_done(b);
}

void
pems_done(struct pems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		buf_done(&p->all[i].cert);
		wipe(&p->all[i].key);
	}
	free(p->all);
	conf_unref(p->conf);
	*p = (struct pems){ .n = 0 };
}

bool
pems_check(const struct conf *conf, struct buf *errors)
{
	struct pems p;
	bool ok = pems_read(&p, conf, errors);

	pems_done(&p);
	return ok;
}

/* --- what is not wrong yet ------------------------------------------------ */

const char *
pem_warning(const struct pem *p, int64_t now)
{
	if (now < p->not_before)
		return "is not valid yet";
	if (now >= p->not_after)
		return "has expired";
	if (now >= p->not_after - (int64_t)CONF_EXPIRY_DAYS * DAY_S)
		return "expires within 14 days";
	return NULL;
}

void
conf_warn_host(const struct conf *conf, struct buf *warnings)
{
	struct reading r = { .faults = { .out = warnings } };
	struct buf quiet;
	struct pems p;
	char what[PEM_NAME_MAX + 64];

	buf_init(&quiet, 0);
	r.p = &p;
	if (pems_read(&p, conf, &quiet)) {
		for (size_t i = 0; i < p.n; i++) {
			const char *w = pem_warning(
			    &p.all[i], (int64_t)time(NULL));

			if (w == NULL)
				continue;
			snprintf(what, sizeof(what),
			    "warning: the certificate of %s %s",
			    p.all[i].name[0] != '\0' ? p.all[i].name
						     : "no name",
			    w);
			complain(&r, &p.all[i], ".cert", what, "");
		}
	}
	pems_done(&p);
	buf_done(&quiet);
}
