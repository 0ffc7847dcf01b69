/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "link/keeper_msg.h"

#define V KEEPER_MSG_VERSION

static const char *const argv_[] = { "prog", "", "--flag=ü", NULL };
static const char *const env_[] = { "A=1", NULL };
static const char *const writable_[] = { "/a", "/b", NULL };
static const char *const owned_[] = { "/o", NULL };
static const char *const shared_[] = { "/s", "/t", NULL };

static const struct keeper_msg full_spawn = {
	.type = KEEPER_MSG_SPAWN,
	.note = { "n\0te", 4 },
	.filter = { "\0012345678\0abcdef", 16 },
	.spec = {
		.id = UINT64_MAX,
		.slot = "image.0",
		.log = "image",
		.argv = argv_,
		.env = env_,
		.directory = "/srv",
		.nfds = 3,
		.listen_fds = 2,
		.uid = (uid_t)-1,
		.gid = 42,
		.no_new_privs = true,
		.private_tmp = true,
		.optional = true,
		.missing = SPAWN_NO_USER | SPAWN_NO_SECCOMP,
		.writable = writable_,
		.owned = owned_,
		.shared = shared_,
		.shared_gid = 77,
		.umask = 027,
		.memory = 1ull << 40,
		.cpu_percent = 250,
		.processes = 64,
		.files = 4096,
		.rank = SPAWN_REDIS,
		.stop_signal = 15,
		.stop_timeout_ms = 30000,
	},
};

static struct keeper_msg got;
static struct buf wire;
static struct err err;

static int
setup(void **state)
{
	(void)state;
	buf_init(&wire, KEEPER_MSG_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_done(&wire);
	return 0;
}

/* To bytes and back; what is decoded lies in an exact heap copy. */
static int
carry(const struct keeper_msg *m, char **copy)
{
	int r = keeper_msg_encode(m, V, &wire);

	assert_int_equal(r, 0);
	*copy = malloc(wire.len);
	assert_non_null(*copy);
	memcpy(*copy, wire.data, wire.len);
	return keeper_msg_decode(&got, *copy, wire.len, &err);
}

static void
a_spec_arrives_as_it_was_sent(void **state)
{
	char *copy;

	(void)state;
	assert_int_equal(carry(&full_spawn, &copy), 0);
	assert_int_equal(got.type, KEEPER_MSG_SPAWN);
	assert_true(got.spec.id == UINT64_MAX);
	assert_string_equal(got.spec.slot, "image.0");
	assert_string_equal(got.spec.log, "image");
	assert_string_equal(got.spec.argv[0], "prog");
	assert_string_equal(got.spec.argv[1], "");
	assert_string_equal(got.spec.argv[2], "--flag=ü");
	assert_null(got.spec.argv[3]);
	assert_string_equal(got.spec.env[0], "A=1");
	assert_null(got.spec.env[1]);
	assert_string_equal(got.spec.writable[1], "/b");
	assert_null(got.spec.writable[2]);
	assert_string_equal(got.spec.owned[0], "/o");
	assert_null(got.spec.owned[1]);
	assert_string_equal(got.spec.shared[1], "/t");
	assert_null(got.spec.shared[2]);
	assert_int_equal(got.spec.shared_gid, 77);
	assert_string_equal(got.spec.directory, "/srv");
	assert_int_equal(got.spec.nfds, 3);
	assert_int_equal(got.spec.listen_fds, 2);
	assert_true(got.spec.uid == (uid_t)-1);
	assert_int_equal(got.spec.gid, 42);
	assert_true(got.spec.no_new_privs && got.spec.private_tmp);
	assert_false(got.spec.read_only || got.spec.no_network);
	assert_false(got.spec.drop_capabilities);
	assert_true(got.spec.optional);
	assert_int_equal(got.spec.umask, 027);
	assert_true(got.spec.memory == 1ull << 40);
	assert_int_equal(got.spec.cpu_percent, 250);
	assert_int_equal(got.spec.processes, 64);
	assert_int_equal(got.spec.files, 4096);
	assert_int_equal(got.spec.rank, SPAWN_REDIS);
	assert_int_equal(got.spec.stop_signal, 15);
	assert_int_equal(got.spec.stop_timeout_ms, 30000);
	assert_int_equal(got.spec.note_len, 4);
	assert_memory_equal(got.spec.note, "n\0te", 4);
	assert_int_equal(got.spec.filter_len, 16);
	assert_memory_equal(got.spec.filter, "\0012345678\0abcdef", 16);
	assert_int_equal(got.spec.missing, SPAWN_NO_USER | SPAWN_NO_SECCOMP);
	free(copy);
}

static void
a_spawn_of_the_version_before_is_read(void **state)
{
	static const char *const argv[] = { "x", NULL };
	static const char *const owned[] = { "/f", NULL };
	const struct keeper_msg m = { .type = KEEPER_MSG_SPAWN,
		.filter = { "12345678", 8 },
		.spec = { .slot = "a",
		    .log = "a",
		    .argv = argv,
		    .owned = owned,
		    .stop_signal = 9 } };
	const struct keeper_msg spawned = {
		.type = KEEPER_MSG_SPAWNED, .id = 1, .pid = 2, .number = 4
	};

	(void)state;
	assert_int_equal(keeper_msg_encode(&m, V - 1, &wire), 0);
	assert_int_equal(keeper_msg_decode(&got, wire.data, wire.len, &err), 0);
	assert_string_equal(got.spec.slot, "a");
	assert_string_equal(got.spec.owned[0], "/f");
	assert_null(got.spec.shared[0]);
	/* What only this version has is empty in that one. */
	assert_int_equal(got.spec.filter_len, 0);
	assert_int_equal(keeper_msg_encode(&spawned, V - 1, &wire), 0);
	assert_int_equal(keeper_msg_decode(&got, wire.data, wire.len, &err), 0);
	assert_int_equal(got.pid, 2);
	assert_int_equal(got.number, 0);
}

static void
what_is_absent_stays_absent(void **state)
{
	static const char *const argv[] = { "x", NULL };
	const struct keeper_msg m = { .type = KEEPER_MSG_SPAWN,
		.spec = {
		    .slot = "a", .log = "a", .argv = argv, .stop_signal = 9 } };
	char *copy;

	(void)state;
	assert_int_equal(carry(&m, &copy), 0);
	assert_null(got.spec.directory);
	assert_null(got.spec.env[0]);
	assert_null(got.spec.writable[0]);
	assert_int_equal(got.spec.note_len, 0);
	free(copy);
}

static void
an_exited_child_arrives_whole(void **state)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_CHILD,
		.id = 7,
		.pid = 4711,
		.started_ms = 123456789012,
		.text = "a.1",
		.note = { "note", 4 },
		.exited = true,
		.exit = { .kind = EXIT_OOM, .signal = 9, .at_wall_ms = 99 },
		.bytes = { "tail", 4 } };
	char *copy;

	(void)state;
	assert_int_equal(carry(&m, &copy), 0);
	assert_int_equal(got.id, 7);
	assert_int_equal(got.pid, 4711);
	assert_true(got.started_ms == 123456789012);
	assert_string_equal(got.text, "a.1");
	assert_true(got.exited);
	assert_int_equal(got.exit.kind, EXIT_OOM);
	assert_int_equal(got.exit.signal, 9);
	assert_int_equal(got.exit.at_wall_ms, 99);
	assert_memory_equal(got.bytes.p, "tail", 4);
	free(copy);
}

static void
every_cut_and_every_extra_byte_is_refused(void **state)
{
	char *copy;

	(void)state;
	assert_int_equal(carry(&full_spawn, &copy), 0);
	free(copy);
	for (size_t n = 0; n < wire.len; n++) {
		copy = malloc(n + 1);
		assert_non_null(copy);
		memcpy(copy, wire.data, n);
		assert_int_equal(
		    keeper_msg_decode(&got, copy, n, &err), -EPROTO);
		free(copy);
	}
	assert_int_equal(buf_append(&wire, "", 1), 0);
	assert_int_equal(
	    keeper_msg_decode(&got, wire.data, wire.len, &err), -EPROTO);
	assert_non_null(strstr(err.text, "too long"));
}

static int
refused(const struct keeper_msg *m)
{
	char *copy;
	int r = carry(m, &copy);

	free(copy);
	return r;
}

static void
contradictions_are_refused(void **state)
{
	static const char *const none[] = { NULL };
	struct keeper_msg m = full_spawn;

	(void)state;
	m.spec.listen_fds = 4; /* of three */
	assert_int_equal(refused(&m), -EPROTO);
	m = full_spawn;
	m.spec.nfds = KEEPER_MSG_FDS + 1;
	assert_int_equal(refused(&m), -EPROTO);
	m = full_spawn;
	m.spec.argv = none;
	assert_int_equal(refused(&m), -EPROTO);
	m = full_spawn;
	m.spec.slot = NULL;
	assert_int_equal(refused(&m), -EPROTO);
	m = full_spawn;
	m.spec.stop_signal = 0;
	assert_int_equal(refused(&m), -EPROTO);
	m = full_spawn;
	m.spec.stop_signal = 65;
	assert_int_equal(refused(&m), -EPROTO);
	m = (struct keeper_msg){ .type = KEEPER_MSG_EXITED,
		.exit.kind = (enum spawn_exit_kind)(EXIT_UNKNOWN + 1) };
	assert_int_equal(refused(&m), -EPROTO);
	m = (struct keeper_msg){ .type = KEEPER_MSG_PUT_FD };
	assert_int_equal(refused(&m), -EPROTO);
	m = (struct keeper_msg){ .type = KEEPER_MSG_NTYPES };
	assert_int_equal(refused(&m), -EPROTO);
}

static void
what_is_too_large_is_not_sent(void **state)
{
	struct keeper_msg m = full_spawn;
	static char text[KEEPER_MSG_MAX + 1];
	const char *const long_argv[] = { "x", text, NULL };
	const char *many[SPAWN_ARGS_MAX + 2] = { NULL };

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	m.spec.argv = long_argv;
	assert_int_equal(keeper_msg_encode(&m, V, &wire), -EMSGSIZE);
	for (size_t i = 0; i <= SPAWN_ARGS_MAX; i++)
		many[i] = "x";
	m.spec.argv = many;
	assert_int_equal(keeper_msg_encode(&m, V, &wire), -EMSGSIZE);
	many[SPAWN_ARGS_MAX] = NULL;
	assert_int_equal(keeper_msg_encode(&m, V, &wire), 0);
	m = full_spawn;
	m.note = (struct span){ text, SPAWN_NOTE_MAX + 1 };
	assert_int_equal(keeper_msg_encode(&m, V, &wire), -EMSGSIZE);
	m = full_spawn;
	text[SPAWN_NAME_MAX + 1] = '\0';
	m.spec.slot = text;
	assert_int_equal(keeper_msg_encode(&m, V, &wire), -EMSGSIZE);
}

/* What our encoder would not write somebody else might. */
static void
what_is_too_large_is_not_read(void **state)
{
	struct keeper_msg m = { .type = KEEPER_MSG_DROP_FD };
	char name[SPAWN_NAME_MAX + 2];
	size_t n;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[SPAWN_NAME_MAX] = '\0';
	m.text = name;
	assert_int_equal(keeper_msg_encode(&m, V, &wire), 0);
	assert_int_equal(keeper_msg_decode(&got, wire.data, wire.len, &err), 0);
	/* One byte more, and its length says so. */
	n = wire.len - 1;
	assert_int_equal(buf_append(&wire, "", 1), 0);
	wire.data[n] = 'x';
	wire.data[4]++;
	assert_int_equal(
	    keeper_msg_decode(&got, wire.data, wire.len, &err), -EPROTO);
	/* A list says 257 arguments. */
	assert_int_equal(keeper_msg_encode(&full_spawn, V, &wire), 0);
	n = 4 + 8 + (4 + 8) + (4 + 6);
	assert_int_equal(wire.data[n], 3);
	wire.data[n] = 1;
	wire.data[n + 1] = 1;
	assert_int_equal(
	    keeper_msg_decode(&got, wire.data, wire.len, &err), -EPROTO);
}

static void
only_our_versions_are_read(void **state)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_FORGET, .id = 1 };
	const struct keeper_msg hello = {
		.type = KEEPER_MSG_HELLO, .version = 900, .oldest = 899
	};

	(void)state;
	assert_int_equal(keeper_msg_encode(&m, V + 1, &wire), 0);
	assert_int_equal(keeper_msg_decode(&got, wire.data, wire.len, &err),
	    -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "version 5; we read 3 to 4"));
	assert_int_equal(keeper_msg_encode(&m, 0, &wire), 0);
	assert_int_equal(keeper_msg_decode(&got, wire.data, wire.len, &err),
	    -EPROTONOSUPPORT);
	/* A hello is understood whatever its version. */
	assert_int_equal(keeper_msg_encode(&hello, 900, &wire), 0);
	assert_int_equal(keeper_msg_decode(&got, wire.data, wire.len, &err), 0);
	assert_int_equal(got.version, 900);
	assert_int_equal(got.oldest, 899);
}

static void
neighbours_agree_and_others_part_with_a_reason(void **state)
{
	(void)state;
	assert_int_equal(keeper_msg_agree(5, 4, 5, 4, &err), 5);
	assert_int_equal(keeper_msg_agree(5, 4, 4, 3, &err), 4);
	assert_int_equal(keeper_msg_agree(4, 3, 5, 4, &err), 4);
	assert_int_equal(keeper_msg_agree(5, 4, 6, 6, &err), -EPROTONOSUPPORT);
	assert_string_equal(err.text,
	    "the other side speaks versions 6 to 6 of the keeper's protocol, "
	    "this one 4 to 5");
	assert_int_equal(keeper_msg_agree(5, 4, 3, 2, &err), -EPROTONOSUPPORT);
	assert_int_equal(/* a liar */
	    keeper_msg_agree(5, 4, 4, 5, &err), -EPROTONOSUPPORT);
}

static void
lines_follow_one_another(void **state)
{
	const struct keeper_line a = { .at_ms = 1, .text = { "one", 3 } };
	const struct keeper_line b = { .at_ms = UINT64_MAX, .stderr_ = true };
	unsigned char raw[2 * KEEPER_LINE_HEAD + 3];
	struct span rest = { (const char *)raw, sizeof(raw) };
	struct keeper_line line;

	(void)state;
	keeper_line_head(raw, &a);
	memcpy(raw + KEEPER_LINE_HEAD, "one", 3);
	keeper_line_head(raw + KEEPER_LINE_HEAD + 3, &b);
	assert_int_equal(keeper_line_next(&rest, &line), 1);
	assert_memory_equal(line.text.p, "one", 3);
	assert_int_equal(line.at_ms, 1);
	assert_false(line.stderr_);
	assert_int_equal(keeper_line_next(&rest, &line), 1);
	assert_true(line.at_ms == UINT64_MAX && line.stderr_);
	assert_int_equal(line.text.n, 0);
	assert_int_equal(keeper_line_next(&rest, &line), 0);

	rest = (struct span){ (const char *)raw, KEEPER_LINE_HEAD + 2 };
	assert_int_equal(keeper_line_next(&rest, &line), -EPROTO);
	raw[8] = 2;
	rest.n = sizeof(raw);
	assert_int_equal(keeper_line_next(&rest, &line), -EPROTO);
}

static void
no_memory_is_an_error_of_one_message(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		struct buf b;
		int r;

		buf_init(&b, KEEPER_MSG_MAX);
		r = keeper_msg_encode(&full_spawn, V, &b);
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		buf_done(&b);
	});
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_spec_arrives_as_it_was_sent),
		T(what_is_absent_stays_absent),
		T(an_exited_child_arrives_whole),
		T(every_cut_and_every_extra_byte_is_refused),
		T(contradictions_are_refused),
		T(what_is_too_large_is_not_sent),
		T(what_is_too_large_is_not_read),
		T(a_spawn_of_the_version_before_is_read),
		T(only_our_versions_are_read),
		T(neighbours_agree_and_others_part_with_a_reason),
		T(lines_follow_one_another),
		T(no_memory_is_an_error_of_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
