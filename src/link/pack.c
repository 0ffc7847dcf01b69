/* SPDX-License-Identifier: ISC */

#include "link/pack.h"

#include <errno.h>
#include <string.h>

#define NO_RECORD SIZE_MAX

void
pack_begin(struct packer *p, struct buf *out)
{
	*p = (struct packer){ .out = out, .record = NO_RECORD };
}

void
pack_bytes(struct packer *p, const void *data, size_t n)
{
	if (p->error == 0)
		p->error = buf_append(p->out, data, n);
}

void
pack_u32(struct packer *p, uint32_t v)
{
	pack_bytes(p, &v, sizeof(v));
}

void
pack_u64(struct packer *p, uint64_t v)
{
	pack_bytes(p, &v, sizeof(v));
}

void
pack_str(struct packer *p, const char *s)
{
	size_t n = s == NULL ? 0 : strlen(s);

	if (n > UINT16_MAX && p->error == 0)
		p->error = -ENOBUFS;
	pack_u32(p, (uint32_t)n);
	if (n > 0)
		pack_bytes(p, s, n);
}

void
pack_open(struct packer *p)
{
	p->record = p->out->len;
	pack_u32(p, 0);
}

void
pack_close(struct packer *p)
{
	uint32_t n;

	if (p->error != 0)
		return;
	n = (uint32_t)(p->out->len - p->record - sizeof(n));
	memcpy(p->out->data + p->record, &n, sizeof(n));
	p->record = NO_RECORD;
}

void
unpack_begin(struct unpacker *u, const void *data, size_t n)
{
	*u = (struct unpacker){ .at = data,
		.end = (const unsigned char *)data };
	u->end += n;
}

static void
fail(struct unpacker *u, int error)
{
	if (u->error == 0)
		u->error = error;
}

/* n bytes, or NULL: a failure, or a field that the writer did not know. */
static const void *
take(struct unpacker *u, size_t n)
{
	const unsigned char *end = u->record != NULL ? u->record : u->end;
	const void *p = u->at;

	if (u->error != 0)
		return NULL;
	if (u->record != NULL && u->at == u->record)
		return NULL;
	if (n > (size_t)(end - u->at)) {
		fail(u, -EBADMSG);
		return NULL;
	}
	u->at += n;
	return p;
}

void
unpack_open(struct unpacker *u)
{
	uint32_t n = unpack_u32(u);

	if (n > (size_t)(u->end - u->at))
		fail(u, -EBADMSG);
	if (u->error == 0)
		u->record = u->at + n;
}

void
unpack_close(struct unpacker *u)
{
	if (u->error == 0)
		u->at = u->record;
	u->record = NULL;
}

void
unpack_bytes(struct unpacker *u, void *out, size_t n)
{
	const void *p = take(u, n);

	if (p == NULL)
		memset(out, 0, n);
	else
		memcpy(out, p, n);
}

uint32_t
unpack_u32(struct unpacker *u)
{
	uint32_t v;

	unpack_bytes(u, &v, sizeof(v));
	return v;
}

uint64_t
unpack_u64(struct unpacker *u)
{
	uint64_t v;

	unpack_bytes(u, &v, sizeof(v));
	return v;
}

struct span
unpack_span(struct unpacker *u, size_t max)
{
	uint32_t n = unpack_u32(u);
	const void *p = NULL;

	if (n > max)
		fail(u, -EBADMSG);
	if (n > 0 && u->error == 0 && (p = take(u, n)) == NULL)
		fail(u, -EBADMSG);
	if (p == NULL || memchr(p, '\0', n) != NULL) {
		if (p != NULL)
			fail(u, -EBADMSG);
		return (struct span){ "", 0 };
	}
	return (struct span){ p, n };
}

const char *
unpack_str(struct unpacker *u, struct arena *a, size_t max)
{
	struct span s = unpack_span(u, max);
	const char *copy;

	if (s.n == 0)
		return "";
	copy = arena_copy(a, s);
	if (copy == NULL)
		fail(u, -ENOMEM);
	return copy == NULL ? "" : copy;
}

uint32_t
unpack_count(struct unpacker *u, uint32_t max)
{
	uint32_t n = unpack_u32(u);

	if (n > max || n > (size_t)(u->end - u->at) / sizeof(uint32_t))
		fail(u, -EBADMSG);
	return u->error == 0 ? n : 0;
}
