/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE /* memmem */

/*
 * Any bytes as a configuration: drover.yaml, and behind each NUL one more
 * service. What is refused is refused with a reason that names file, line and
 * key; what is accepted goes through JSON unchanged, differs in nothing from
 * itself, and has an order.
 */

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "conf/conf.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

#define SERVICES 4

static char folder[64];

static void
path_of(unsigned i, char path[128])
{
	if (i == 0)
		snprintf(path, 128, "%s/drover.yaml", folder);
	else
		snprintf(path, 128, "%s/services.d/%u.yaml", folder, i);
}

static void
remove_folder(void)
{
	char path[128];

	for (unsigned i = 0; i <= SERVICES; i++) {
		path_of(i, path);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/services.d", folder);
	rmdir(path);
	rmdir(folder);
}

static void
make_folder(void)
{
	char path[128];

	snprintf(folder, sizeof(folder), "/tmp/fuzz-conf-XXXXXX");
	MUST(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/services.d", folder);
	MUST(mkdir(path, 0700) == 0);
	MUST(atexit(remove_folder) == 0);
}

static void
put_file(unsigned i, struct span text)
{
	char path[128];
	int fd;

	path_of(i, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd >= 0 && fd_write_all(fd, text.p, text.n) == 0);
	fd_close(&fd);
}

/* file:line: key: found X; allowed Y */
static void
look_at_line(struct span line)
{
	const char *end = line.p + line.n, *p;

	MUST(line.n > strlen(folder) &&
	    memcmp(line.p, folder, strlen(folder)) == 0);
	p = memchr(line.p, ':', line.n);
	MUST(p != NULL && p[1] >= '0' && p[1] <= '9');
	for (p++; *p >= '0' && *p <= '9'; p++)
		continue;
	MUST(p + 2 < end && p[0] == ':' && p[1] == ' ');
	MUST(memmem(p, (size_t)(end - p), ": found ", 8) != NULL);
	MUST(memmem(p, (size_t)(end - p), "; allowed ", 10) != NULL);
	for (; p < end; p++)
		MUST((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void
look_at_errors(struct span errors)
{
	struct span line;
	unsigned n = 0;

	MUST(errors.n > 0 && errors.p[errors.n - 1] == '\n');
	errors.n--;
	while (span_next(&errors, '\n', &line)) {
		look_at_line(line);
		n++;
	}
	MUST(n > 0 && n <= 20);
}

static void
look_at_conf(const struct conf *c)
{
	struct conf_change *changes;
	const struct conf *back;
	struct buf errors;
	json_t *json = conf_json(c);
	size_t n, order[SERVICES];

	buf_init(&errors, 64 * 1024);
	back = conf_from_json(json, &errors);
	MUST(back != NULL && errors.len == 0);
	MUST(conf_diff(c, back, &changes, &n) == 0 && n == 0);
	free(changes);
	MUST(back->nservices == c->nservices);
	for (size_t i = 0; i < c->nservices; i++) {
		const struct conf_service *a = &c->services[i];
		const struct conf_service *b = &back->services[i];

		MUST(a->hash_all == b->hash_all);
		MUST(a->hash_spawn == b->hash_spawn);
		MUST(a->command[0] != NULL && a->command[0][0] != '\0');
		MUST(conf_service(c, a->name) == a);
	}
	MUST(conf_order(c, order) == 0);
	json_decref(json);
	conf_unref(back);
	buf_done(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size }, part;
	const struct conf *c;
	struct buf errors;
	char path[128];

	if (folder[0] == '\0')
		make_folder();
	for (unsigned i = 0; i <= SERVICES; i++) {
		path_of(i, path);
		if (span_next(&rest, '\0', &part))
			put_file(i, part);
		else if (i == 0)
			put_file(i, SPAN(""));
		else
			unlink(path);
	}
	path_of(0, path);
	buf_init(&errors, 64 * 1024);
	c = conf_load(path, &errors);
	if (c == NULL)
		look_at_errors(buf_span(&errors));
	else {
		MUST(errors.len == 0);
		look_at_conf(c);
	}
	conf_unref(c);
	buf_done(&errors);
	return 0;
}
