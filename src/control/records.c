/* SPDX-License-Identifier: ISC */

#include "control/records.h"

#include "base/fd.h"

int
records_adopt(struct control *c, int fd, struct err *err)
{
	int r = record_attach(&c->workers.records, fd, err);

	if (r == 0)
		c->workers.records_fd = fd;
	return r;
}

int
records_open(struct control *c, struct err *err)
{
	int r;

	if (c->workers.records != NULL)
		return 0;
	r = record_create(&c->workers.records_fd, err);
	if (r == 0)
		r = record_attach(
		    &c->workers.records, c->workers.records_fd, err);
	if (r == 0)
		r = herd_put_fd(c->herd, RECORDS_NAME, c->workers.records_fd);
	return r;
}

void
records_close(struct control *c)
{
	record_free(c->workers.records);
	c->workers.records = NULL;
	fd_close(&c->workers.records_fd);
}

int
records_send(
    struct control *c, struct worker *w, const struct worker_msg *hello)
{
	const struct worker_msg m = { .type = WORKER_RECORDS };

	if (hello->version < 2)
		return 0;
	return worker_msg_send(w->io.fd, &m, &c->workers.records_fd, 1);
}
