/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "control/certificates.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "control/publish.h"
#include "link/snapshot.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define LOOK_MS (60U * 1000)
#define WARN_MS (24U * 3600 * 1000)
#define ERRORS_MAX 4096
#define MAGIC "drtick1"

_Static_assert(CERTIFICATES_TICKET == SNAPSHOT_TICKET, "a key");

struct kept {
	char magic[8];
	struct certificates_keys keys;
};

/* --- keys of tickets ------------------------------------------------------ */

static void
keep(struct control *c)
{
	struct kept k = { .magic = MAGIC, .keys = c->certificates.keys };
	int fd = memfd_create("drover-tickets", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, &k, sizeof(k));

	if (r == 0)
		r = herd_put_fd(c->herd, CERTIFICATES_FD, fd);
	if (r < 0)
		log_warn("tickets", "keys are not kept: %s", strerror(-r));
	fd_close(&fd);
	explicit_bzero(&k, sizeof(k));
}

void
certificates_adopt(struct control *c, int fd)
{
	struct kept k;

	if (pread(fd, &k, sizeof(k), 0) == (ssize_t)sizeof(k) &&
	    memcmp(k.magic, MAGIC, sizeof(k.magic)) == 0 &&
	    k.keys.n <= CERTIFICATES_TICKETS)
		c->certificates.keys = k.keys;
	else
		log_warn("tickets", "keys with the keeper are not usable");
	explicit_bzero(&k, sizeof(k));
}

/* One new key where it is time; clocks that jump cost nothing but tickets. */
static void
turn(struct control *c)
{
	struct certificates_keys *k = &c->certificates.keys;
	uint64_t now = clock_wall_ms();

	if (k->n > 0 && now >= k->born_ms[0] &&
	    now - k->born_ms[0] < CERTIFICATES_TURN_MS)
		return;
	memmove(k->key[1], k->key[0], sizeof(k->key) - sizeof(k->key[0]));
	memmove(&k->born_ms[1], &k->born_ms[0],
	    sizeof(k->born_ms) - sizeof(k->born_ms[0]));
	rand_bytes(k->key[0], sizeof(k->key[0]));
	k->born_ms[0] = now;
	if (k->n < CERTIFICATES_TICKETS)
		k->n++;
	log_info("tickets", "new key keys=%u", k->n);
	keep(c);
	publish_soon(c);
}

void
certificates_tickets(const struct control *c, struct snapshot *s)
{
	const struct certificates_keys *k = &c->certificates.keys;

	s->ntickets = k->n;
	memcpy(s->tickets, k->key, (size_t)k->n * SNAPSHOT_TICKET);
}

/* --- certificates --------------------------------------------------------- */

static void
warn(struct control *c)
{
	uint64_t now = loop_now(c->loop);

	if (c->certificates.warned_at != 0 &&
	    now - c->certificates.warned_at < WARN_MS)
		return;
	c->certificates.warned_at = now;
	for (size_t i = 0; i < c->certificates.pems.n; i++) {
		const struct pem *p = &c->certificates.pems.all[i];
		const char *what = pem_warning(
		    p, (int64_t)(clock_wall_ms() / 1000));

		if (what != NULL)
			log_warn("certificate", "%s of %s on %s %s",
			    p->conf->cert,
			    p->name[0] != '\0' ? p->name : "no name",
			    p->listen->address, what);
	}
}

static bool
wanted(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nlisten; i++)
		if (conf->listen[i].tls.ncertificates > 0)
			return true;
	return false;
}

void
certificates_set(struct control *c, struct pems *pems)
{
	pems_done(&c->certificates.pems);
	c->certificates.pems = *pems;
	*pems = (struct pems){ .n = 0 };
	c->certificates.warned_at = 0;
	warn(c);
	if (wanted(c->conf))
		turn(c);
	publish_soon(c);
}

static void
read_again(struct control *c)
{
	struct buf errors;
	struct pems pems;

	buf_init(&errors, ERRORS_MAX);
	if (pems_read(&pems, c->conf, &errors))
		certificates_set(c, &pems);
	else
		log_error("certificate", "workers keep what they have: %s",
		    buf_str(&errors));
	buf_done(&errors);
}

static void
on_look(void *arg)
{
	struct control *c = arg;

	if (c->certificates.pems.conf == NULL)
		read_again(c);
	if (wanted(c->conf))
		turn(c);
	warn(c);
	loop_timer_arm(&c->certificates.look, LOOK_MS);
}

void
certificates_init(struct control *c)
{
	loop_timer_init(&c->certificates.look, c->loop, on_look, c);
}

void
certificates_done(struct control *c)
{
	loop_timer_done(&c->certificates.look);
	pems_done(&c->certificates.pems);
	explicit_bzero(&c->certificates.keys, sizeof(c->certificates.keys));
}

void
certificates_begin(struct control *c)
{
	read_again(c);
	loop_timer_arm(&c->certificates.look, LOOK_MS);
}

/* --- for the snapshot ----------------------------------------------------- */

static uint64_t
mix(uint64_t mark, const char *text)
{
	const struct hash_key key = { mark, 0x746c73 };

	return hash_keyed(&key, text, strlen(text));
}

static void
fill_pairs(struct control *c, const struct conf_listen *conf,
    struct snapshot_listener *l, struct snapshot_pair *pairs)
{
	l->mark = conf->tls.min_version;
	l->mark = mix(
	    l->mark, conf->tls.ciphers != NULL ? conf->tls.ciphers : "");
	l->mark = mix(l->mark,
	    conf->tls.ciphersuites != NULL ? conf->tls.ciphersuites : "");
	l->pairs = pairs;
	for (size_t i = 0; i < c->certificates.pems.n; i++) {
		const struct pem *p = &c->certificates.pems.all[i];

		if (strcmp(p->listen->address, conf->address) != 0)
			continue;
		pairs[l->npairs].cert = buf_str(&p->cert);
		pairs[l->npairs++].key = buf_str(&p->key);
		l->mark = mix(
		    mix(l->mark, buf_str(&p->cert)), buf_str(&p->key));
	}
}

static const struct conf_listen *
conf_of(const struct conf *conf, const char *address)
{
	for (size_t i = 0; i < conf->nlisten; i++)
		if (strcmp(conf->listen[i].address, address) == 0)
			return &conf->listen[i];
	return NULL;
}

void
certificates_fill(struct control *c, struct snapshot_listener *l,
    void *(*room)(void *arg, size_t n), void *arg)
{
	const struct conf_listen *conf = conf_of(c->conf, l->address);
	struct snapshot_pair *pairs;

	if (conf == NULL || conf->tls.ncertificates == 0)
		return;
	pairs = room(arg, (c->certificates.pems.n + 1) * sizeof(*pairs));
	if (pairs == NULL)
		return;
	l->flags |= SNAPSHOT_LISTENER_TLS;
	l->tls13 = conf->tls.min_version == CONF_TLS_1_3;
	l->ciphers = conf->tls.ciphers;
	l->ciphersuites = conf->tls.ciphersuites;
	l->handshake_ms = (uint32_t)conf->tls.handshake_timeout_ms;
	l->handshakes = conf->tls.handshakes;
	fill_pairs(c, conf, l, pairs);
}

/* --- metrics -------------------------------------------------------------- */

static int
put_certificates(struct control *c, struct buf *out)
{
	int r = buf_puts(out,
	    "# HELP drover_certificate_expiry_seconds When it ends, since 1970."
	    "\n# TYPE drover_certificate_expiry_seconds gauge\n");

	for (size_t i = 0; i < c->certificates.pems.n && r == 0; i++) {
		const struct pem *p = &c->certificates.pems.all[i];
		const char *name = p->name[0] != '\0' ? p->name : "";

		r = buf_printf(out,
		    "drover_certificate_expiry_seconds{listener=\"%s\","
		    "certificate=\"%zu\",name=\"%s\"} %" PRId64 "\n",
		    p->listen->address,
		    (size_t)(p->conf - p->listen->tls.certificates), name,
		    p->not_after);
	}
	return r;
}

int
certificates_metrics(struct control *c, struct buf *out)
{
	uint64_t sum[HANDSHAKE_COUNT] = { 0 };
	int r = put_certificates(c, out);

	for (unsigned i = 0; i < c->workers.n; i++) {
		struct scoreboard_worker_view v;

		if (!scoreboard_worker_view(c->workers.board, i, &v))
			continue;
		for (unsigned k = 0; k < HANDSHAKE_COUNT; k++)
			sum[k] += v.handshakes[k];
	}
	if (r == 0)
		r = buf_printf(out,
		    "# HELP drover_tls_handshakes_total TLS connections.\n"
		    "# TYPE drover_tls_handshakes_total counter\n"
		    "drover_tls_handshakes_total %" PRIu64
		    "\n# HELP drover_tls_resumed_total Of these, by a ticket.\n"
		    "# TYPE drover_tls_resumed_total counter\n"
		    "drover_tls_resumed_total %" PRIu64
		    "\n# HELP drover_tls_failures_total Handshakes that did "
		    "not "
		    "end in one.\n# TYPE drover_tls_failures_total counter\n",
		    sum[HANDSHAKE_DONE], sum[HANDSHAKE_RESUMED]);
	for (unsigned k = HANDSHAKE_TIMEOUT; k < HANDSHAKE_COUNT && r == 0; k++)
		r = buf_printf(out,
		    "drover_tls_failures_total{reason=\"%s\"} %" PRIu64 "\n",
		    scoreboard_handshake_name(k), sum[k]);
	return r;
}
