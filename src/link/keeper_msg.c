/* SPDX-License-Identifier: ISC */

#include "link/keeper_msg.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define HEAD 4u /* u16 version, u16 type */

enum kind {
	K_BOOL,
	K_U8,
	K_U32,
	K_U64,
	K_TEXT,	 /* const char *; limit in bytes, NULL is allowed */
	K_BYTES, /* struct span; limit in bytes */
	K_LIST	 /* const char *const *; limit in strings */
};

struct field {
	uint8_t type; /* enum keeper_msg_type */
	uint8_t since;
	uint8_t kind;
	uint16_t offset;
	uint32_t limit;
};

/* clang-format off */
#define F(type, since, kind, member, limit) \
	{ KEEPER_MSG_##type, since, K_##kind, \
	    offsetof(struct keeper_msg, member), limit }

static const struct field fields[] = {
	F(HELLO,	1, U32,	 version,		0),
	F(HELLO,	1, U32,	 oldest,		0),
	F(REFUSED,	1, TEXT, text,			ERR_MAX),

	F(CHILD,	1, U64,	 id,			0),
	F(CHILD,	1, U32,	 pid,			0),
	F(CHILD,	1, U64,	 started_ms,		0),
	F(CHILD,	1, TEXT, text,			SPAWN_NAME_MAX),
	F(CHILD,	1, BYTES, note,			SPAWN_NOTE_MAX),
	F(CHILD,	1, BOOL, exited,		0),
	F(CHILD,	1, U32,	 exit.kind,		EXIT_UNKNOWN),
	F(CHILD,	1, U32,	 exit.code,		0),
	F(CHILD,	1, U32,	 exit.signal,		0),
	F(CHILD,	1, U64,	 exit.at_wall_ms,	0),
	F(CHILD,	1, BYTES, bytes,		KEEPER_TAIL_MAX),
	F(CHILD,	4, U32,	 number,		63),
	F(FD,		1, TEXT, text,			SPAWN_NAME_MAX),
	F(READY,	1, U64,	 id,			0),
	F(READY,	1, U32,	 pid,			0),
	F(READY,	1, TEXT, text,			32),
	F(READY,	1, U32,	 host,			15),
	F(SPAWNED,	1, U64,	 id,			0),
	F(SPAWNED,	1, U32,	 pid,			0),
	F(SPAWNED,	4, U32,	 number,		63),
	F(SPAWN_FAILED,	1, U64,	 id,			0),
	F(SPAWN_FAILED,	1, U32,	 number,		4095),
	F(SPAWN_FAILED,	1, TEXT, text,			SPAWN_NAME_MAX),
	F(EXITED,	1, U64,	 id,			0),
	F(EXITED,	1, U32,	 exit.kind,		EXIT_UNKNOWN),
	F(EXITED,	1, U32,	 exit.code,		0),
	F(EXITED,	1, U32,	 exit.signal,		0),
	F(EXITED,	1, U64,	 exit.at_wall_ms,	0),
	F(EXITED,	1, BYTES, bytes,		KEEPER_TAIL_MAX),
	F(LINES,	1, U64,	 id,			0),
	F(LINES,	1, TEXT, text,			SPAWN_NAME_MAX),
	F(LINES,	1, BYTES, bytes,		KEEPER_MSG_MAX),

	F(SPAWN,	1, U64,	 spec.id,		0),
	F(SPAWN,	1, TEXT, spec.slot,		SPAWN_NAME_MAX),
	F(SPAWN,	1, TEXT, spec.log,		SPAWN_NAME_MAX),
	F(SPAWN,	1, LIST, spec.argv,		SPAWN_ARGS_MAX),
	F(SPAWN,	1, LIST, spec.env,		SPAWN_ENV_MAX),
	F(SPAWN,	1, TEXT, spec.directory,	KEEPER_TEXT_MAX),
	F(SPAWN,	1, U32,	 spec.nfds,		KEEPER_MSG_FDS),
	F(SPAWN,	1, U32,	 spec.listen_fds,	KEEPER_MSG_FDS),
	F(SPAWN,	1, U32,	 spec.uid,		0),
	F(SPAWN,	1, U32,	 spec.gid,		0),
	F(SPAWN,	1, BOOL, spec.no_new_privs,	0),
	F(SPAWN,	1, BOOL, spec.drop_capabilities, 0),
	F(SPAWN,	1, BOOL, spec.private_tmp,	0),
	F(SPAWN,	1, BOOL, spec.read_only,	0),
	F(SPAWN,	1, BOOL, spec.no_network,	0),
	F(SPAWN,	1, BOOL, spec.optional,		0),
	F(SPAWN,	1, LIST, spec.writable,		KEEPER_WRITABLE_MAX),
	F(SPAWN,	1, U32,	 spec.umask,		0777),
	F(SPAWN,	1, U64,	 spec.memory,		0),
	F(SPAWN,	1, U32,	 spec.cpu_percent,	0),
	F(SPAWN,	1, U32,	 spec.processes,	0),
	F(SPAWN,	1, U32,	 spec.files,		0),
	F(SPAWN,	1, U8,	 spec.rank,		0),
	F(SPAWN,	1, U8,	 spec.stop_signal,	64),
	F(SPAWN,	1, U32,	 spec.stop_timeout_ms,	0),
	F(SPAWN,	1, BYTES, note,			SPAWN_NOTE_MAX),
	F(SPAWN,	2, LIST, spec.owned,		KEEPER_WRITABLE_MAX),
	F(SPAWN,	2, LIST, spec.shared,		KEEPER_WRITABLE_MAX),
	F(SPAWN,	2, U32,	 spec.shared_gid,	0),
	F(SPAWN,	4, BYTES, filter,		SPAWN_FILTER_MAX),
	F(SPAWN,	4, U32,	 spec.missing,		63),
	F(NOTE,		1, U64,	 id,			0),
	F(NOTE,		1, BYTES, note,			SPAWN_NOTE_MAX),
	F(SIGNAL,	1, U64,	 id,			0),
	F(SIGNAL,	1, U32,	 number,		64),
	F(SIGNAL,	1, BOOL, flag,			0),
	F(FORGET,	1, U64,	 id,			0),
	F(PUT_FD,	1, TEXT, text,			SPAWN_NAME_MAX),
	F(DROP_FD,	1, TEXT, text,			SPAWN_NAME_MAX),
	F(SET_LOGS,	1, TEXT, text,			KEEPER_TEXT_MAX),
	F(SET_LOGS,	1, U64,	 size,			0),
	F(SET_LOGS,	1, U32,	 files,			64),
	F(SET_LOGS,	1, BOOL, flag,			0),
	F(TAIL,		1, U64,	 id,			0),
	F(TAIL,		1, TEXT, text,			SPAWN_NAME_MAX),
	F(TAIL,		1, U32,	 number,		0),
	F(FOLLOW,	1, TEXT, text,			SPAWN_NAME_MAX),
	F(FOLLOW,	1, BOOL, flag,			0),
	F(UPGRADE,	3, U64,	 id,			0),
	F(UPGRADE,	3, TEXT, text,			KEEPER_TEXT_MAX),
	F(UPGRADE,	3, BOOL, flag,			0),
	F(UPGRADED,	3, U64,	 id,			0),
	F(UPGRADED,	3, TEXT, text,			ERR_MAX),

	F(SELF,		3, TEXT, text,			SPAWN_NAME_MAX),
	F(SELF,		3, U32,	 self.listener,		0),
	F(SELF,		3, U32,	 self.record,		0),
	F(SELF,		3, U32,	 self.cgroup,		0),
	F(SELF,		3, U32,	 self.client,		0),
	F(SELF,		3, U32,	 self.client_version,	0),
	F(SELF,		3, U32,	 self.client_pid,	0),
	F(SELF,		3, U32,	 self.control_uid,	0),
	F(SELF,		3, U64,	 self.upgrade,		0),
	F(KEPT,		3, TEXT, text,			SPAWN_NAME_MAX),
	F(KEPT,		3, U32,	 kept.pidfd,		0),
	F(KEPT,		3, U32,	 kept.report,		0),
	F(KEPT,		3, U32,	 kept.out,		0),
	F(KEPT,		3, U32,	 kept.err,		0),
	F(KEPT,		3, U64,	 kept.started,		0),
	F(KEPT,		3, U32,	 kept.recorded,		KEEPER_PLACES_MAX - 1),
	F(KEPT,		3, BOOL, kept.runs,		0),
	F(KEPT,		3, BOOL, kept.out_cut,		0),
	F(KEPT,		3, BOOL, kept.err_cut,		0),
	F(KEPT,		3, BYTES, kept.out_rest,	KEEPER_LINE_MAX),
	F(KEPT,		3, BYTES, kept.err_rest,	KEEPER_LINE_MAX),
	F(KEPT,		3, U8,	 spec.rank,		0),
	F(KEPT,		3, U8,	 spec.stop_signal,	64),
	F(KEPT,		3, U32,	 spec.stop_timeout_ms,	0),
	F(KEPT_FD,	3, TEXT, text,			SPAWN_NAME_MAX),
	F(KEPT_FD,	3, U32,	 number,		0),
	F(RING,		3, TEXT, text,			SPAWN_NAME_MAX),
	F(RING,		3, BYTES, bytes,		KEEPER_RING_MAX),
	F(RING,		3, BOOL, flag,			0),
};
/* clang-format on */

_Static_assert(sizeof(pid_t) == 4 && sizeof(uid_t) == 4 && sizeof(gid_t) == 4 &&
	sizeof(mode_t) == 4 && sizeof(unsigned) == 4 &&
	sizeof(enum spawn_exit_kind) == 4,
    "the table says U32 of them");

/* --- writing -------------------------------------------------------------- */

static void
put_le(unsigned char *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (unsigned char)(value >> (8 * i));
}

static int
put_number(struct buf *out, uint64_t value, unsigned bytes)
{
	unsigned char raw[8];

	put_le(raw, value, bytes);
	return buf_append(out, raw, bytes);
}

/* The length counts the NUL, so that 0 is NULL. */
static int
put_text(struct buf *out, const char *s, size_t limit)
{
	size_t n = s == NULL ? 0 : strlen(s) + 1;
	int r;

	if (n > limit + 1)
		return -EMSGSIZE;
	r = put_number(out, n, 4);
	return r < 0 ? r : buf_append(out, s == NULL ? "" : s, n);
}

static int
put_bytes(struct buf *out, struct span s, size_t limit)
{
	int r;

	if (s.n > limit)
		return -EMSGSIZE;
	r = put_number(out, s.n, 4);
	return r < 0 ? r : buf_append(out, s.p, s.n);
}

static int
put_list(struct buf *out, const char *const *list, size_t limit)
{
	size_t n = 0;
	int r;

	while (list != NULL && list[n] != NULL)
		n++;
	if (n > limit)
		return -EMSGSIZE;
	r = put_number(out, n, 4);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = put_text(out, list[i], KEEPER_MSG_MAX);
	return r;
}

static int
put_field(struct buf *out, const struct field *f, const void *at)
{
	switch ((enum kind)f->kind) {
	case K_BOOL:
		return put_number(out, *(const bool *)at, 1);
	case K_U8:
		return put_number(out, *(const uint8_t *)at, 1);
	case K_U32:
		return put_number(out, *(const uint32_t *)at, 4);
	case K_U64:
		return put_number(out, *(const uint64_t *)at, 8);
	case K_TEXT:
		return put_text(out, *(const char *const *)at, f->limit);
	case K_BYTES:
		return put_bytes(out, *(const struct span *)at, f->limit);
	case K_LIST:
		return put_list(out, *(const char *const *const *)at, f->limit);
	}
	return -EINVAL;
}

int
keeper_msg_encode(const struct keeper_msg *m, uint32_t version, struct buf *out)
{
	int r;

	buf_clear(out);
	r = put_number(out, version, 2);
	if (r == 0)
		r = put_number(out, m->type, 2);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(fields); i++)
		if (fields[i].type == m->type && fields[i].since <= version)
			r = put_field(out, &fields[i],
			    (const char *)m + fields[i].offset);
	return r == -ENOBUFS ? -EMSGSIZE : r;
}

/* --- reading -------------------------------------------------------------- */

struct reader {
	const unsigned char *p;
	size_t n;
	struct keeper_msg *m;
};

static uint64_t
get_le(const unsigned char *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)in[i] << (8 * i);
	return value;
}

static int
get_number(struct reader *r, unsigned bytes, uint64_t *out)
{
	if (r->n < bytes)
		return -EPROTO;
	*out = get_le(r->p, bytes);
	r->p += bytes;
	r->n -= bytes;
	return 0;
}

static int
get_bytes(struct reader *r, size_t limit, struct span *out)
{
	uint64_t n;

	if (get_number(r, 4, &n) < 0 || n > limit || n > r->n)
		return -EPROTO;
	*out = (struct span){ (const char *)r->p, (size_t)n };
	r->p += n;
	r->n -= (size_t)n;
	return 0;
}

static int
get_text(struct reader *r, size_t limit, const char **out)
{
	struct span s;

	if (get_bytes(r, limit + 1, &s) < 0)
		return -EPROTO;
	*out = s.n == 0 ? NULL : s.p;
	return s.n == 0 || memchr(s.p, '\0', s.n) == s.p + s.n - 1 ? 0
								   : -EPROTO;
}

static int
get_list(struct reader *r, size_t limit, const char *const **out)
{
	struct keeper_msg *m = r->m;
	uint64_t n;

	if (get_number(r, 4, &n) < 0 || n > limit ||
	    n + 1 > ARRAY_LEN(m->lists) - m->nlists)
		return -EPROTO;
	*out = &m->lists[m->nlists];
	for (uint64_t i = 0; i < n; i++) {
		const char **at = &m->lists[m->nlists++];

		if (get_text(r, KEEPER_MSG_MAX, at) < 0 || *at == NULL)
			return -EPROTO;
	}
	m->lists[m->nlists++] = NULL;
	return 0;
}

static int
get_field(struct reader *r, const struct field *f, void *at)
{
	static const uint8_t sizes[] = {
		[K_BOOL] = 1, [K_U8] = 1, [K_U32] = 4, [K_U64] = 8
	};
	uint64_t value;

	if (f->kind == K_TEXT)
		return get_text(r, f->limit, at);
	if (f->kind == K_BYTES)
		return get_bytes(r, f->limit, at);
	if (f->kind == K_LIST)
		return get_list(r, f->limit, at);
	if (get_number(r, sizes[f->kind], &value) < 0 ||
	    (f->limit > 0 && value > f->limit))
		return -EPROTO;
	if (f->kind == K_U64)
		*(uint64_t *)at = value;
	else if (f->kind == K_U32)
		*(uint32_t *)at = (uint32_t)value;
	else if (f->kind == K_U8)
		*(uint8_t *)at = (uint8_t)value;
	else if (value > 1)
		return -EPROTO;
	else
		*(bool *)at = value != 0;
	return 0;
}

/* What no single field says. */
static bool
makes_sense(struct keeper_msg *m)
{
	switch (m->type) {
	case KEEPER_MSG_SPAWN:
		m->spec.note = m->note.p;
		m->spec.note_len = m->note.n;
		m->spec.filter = m->filter.p;
		m->spec.filter_len = m->filter.n;
		return m->spec.argv[0] != NULL && m->spec.slot != NULL &&
		    m->spec.log != NULL && m->spec.stop_signal > 0 &&
		    m->filter.n % 8 == 0 && m->spec.listen_fds <= m->spec.nfds;
	case KEEPER_MSG_SIGNAL:
		return m->number > 0;
	case KEEPER_MSG_KEPT:
		return m->text != NULL && m->spec.stop_signal > 0;
	case KEEPER_MSG_UPGRADE:
	case KEEPER_MSG_SELF:
	case KEEPER_MSG_KEPT_FD:
	case KEEPER_MSG_RING:
	case KEEPER_MSG_FD:
	case KEEPER_MSG_PUT_FD:
	case KEEPER_MSG_DROP_FD:
	case KEEPER_MSG_TAIL:
	case KEEPER_MSG_LINES:
	case KEEPER_MSG_FOLLOW:
	case KEEPER_MSG_CHILD:
	case KEEPER_MSG_READY:
	case KEEPER_MSG_REFUSED:
	case KEEPER_MSG_SPAWN_FAILED:
		return m->text != NULL;
	default:
		return true;
	}
}

static int
get_head(struct reader *r, struct err *err)
{
	uint64_t version, type;

	if (get_number(r, 2, &version) < 0 || get_number(r, 2, &type) < 0)
		return err_set(err, -EPROTO, "a message without its head");
	if (type == KEEPER_MSG_NONE || type >= KEEPER_MSG_NTYPES)
		return err_set(err, -EPROTO, "a message of unknown type %u",
		    (unsigned)type);
	r->m->type = (enum keeper_msg_type)type;
	r->m->version = (uint32_t)version;
	if (type == KEEPER_MSG_HELLO || type == KEEPER_MSG_REFUSED)
		r->m->version = 1; /* the layout of these is fixed */
	else if (version < KEEPER_MSG_OLDEST || version > KEEPER_MSG_VERSION)
		return err_set(err, -EPROTONOSUPPORT,
		    "a message of version %u; we read %u to %u",
		    (unsigned)version, KEEPER_MSG_OLDEST, KEEPER_MSG_VERSION);
	return 0;
}

int
keeper_msg_decode(
    struct keeper_msg *m, const void *data, size_t n, struct err *err)
{
	struct reader r = { .p = data, .n = n, .m = m };
	uint32_t version;
	int res;

	memset(m, 0, offsetof(struct keeper_msg, lists));
	m->nlists = 0;
	res = get_head(&r, err);
	if (res < 0)
		return res;
	version = m->version;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct field *f = &fields[i];

		if (f->type != m->type || f->since > version)
			continue;
		if (get_field(&r, f, (char *)m + f->offset) < 0)
			return err_set(err, -EPROTO,
			    "message %d: byte %zu makes no sense", (int)m->type,
			    n - r.n);
	}
	if (r.n > 0)
		return err_set(err, -EPROTO, "message %d: %zu bytes too long",
		    (int)m->type, r.n);
	if (!makes_sense(m))
		return err_set(err, -EPROTO, "message %d contradicts itself",
		    (int)m->type);
	return 0;
}

int
keeper_msg_agree(uint32_t own_newest, uint32_t own_oldest, uint32_t peer_newest,
    uint32_t peer_oldest, struct err *err)
{
	uint32_t common = own_newest < peer_newest ? own_newest : peer_newest;

	if (peer_newest >= peer_oldest && common >= own_oldest &&
	    common >= peer_oldest)
		return (int)common;
	return err_set(err, -EPROTONOSUPPORT,
	    "the other side speaks versions %u to %u of the keeper's "
	    "protocol, this one %u to %u",
	    peer_oldest, peer_newest, own_oldest, own_newest);
}

/* --- lines ---------------------------------------------------------------- */

void
keeper_line_head(unsigned char *out, const struct keeper_line *line)
{
	put_le(out, line->at_ms, 8);
	out[8] = line->stderr_;
	put_le(out + 9, line->text.n, 2);
}

int
keeper_line_next(struct span *rest, struct keeper_line *line)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	size_t n;

	if (rest->n == 0)
		return 0;
	if (rest->n < KEEPER_LINE_HEAD || p[8] > 1)
		return -EPROTO;
	n = (size_t)get_le(p + 9, 2);
	if (n > KEEPER_LINE_MAX || n > rest->n - KEEPER_LINE_HEAD)
		return -EPROTO;
	line->at_ms = get_le(p, 8);
	line->stderr_ = p[8] != 0;
	line->text = (struct span){ rest->p + KEEPER_LINE_HEAD, n };
	rest->p += KEEPER_LINE_HEAD + n;
	rest->n -= KEEPER_LINE_HEAD + n;
	return 1;
}
