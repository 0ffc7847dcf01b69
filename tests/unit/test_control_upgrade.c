/* SPDX-License-Identifier: ISC */

/* How control leads an upgrade, and what ends it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "control/control.h"
#include "control_world.h"
#include "fake_herd.h"

struct answer {
	unsigned n;
	char why[128];
};

static void
on_tried(void *arg, const char *why)
{
	struct answer *a = arg;

	a->n++;
	snprintf(a->why, sizeof(a->why), "%s", why != NULL ? why : "");
}

static const char *
upgrade_text(struct world *w, const char *key)
{
	static char text[256];
	json_t *status = control_status(w->c);

	snprintf(text, sizeof(text), "%s",
	    json_string_value(
		json_object_get(json_object_get(status, "upgrade"), key)));
	json_decref(status);
	return text;
}

/* The trial passed, and control has become the other program. */
static void
begin_upgrade_to(struct world *w, const char *program)
{
	struct answer a = { 0 };
	struct err err;

	assert_int_equal(control_upgrade(w->c, program, on_tried, &a, &err), 0);
	fake_upgraded(NULL);
	assert_int_equal(a.n, 1);
	assert_string_equal(w->becomes, program);
	w->becomes[0] = '\0';
	control_free(w->c);
	attach(w);
}

static void
begin_upgrade(struct world *w)
{
	begin_upgrade_to(w, "/bin/false"); /* which attach() says we are */
}

/* --- tests ---------------------------------------------------------------- */

static void
the_trial_comes_first_and_decides(void **state)
{
	struct world *w = world_new("", NULL);
	struct answer a = { 0 };
	struct err err;

	(void)state;
	attach(w);
	assert_int_equal(
	    control_upgrade(w->c, "/opt/new", on_tried, &a, &err), 0);
	assert_int_equal(fake.upgrades, 1);
	assert_false(fake.really);
	assert_string_equal(fake.program, "/opt/new");
	assert_string_equal(upgrade_text(w, "phase"), "trial");
	assert_int_equal(
	    control_upgrade(w->c, "/opt/new", on_tried, &a, &err), -EBUSY);
	fake_upgraded("it cannot");
	assert_int_equal(a.n, 1);
	assert_string_equal(a.why, "it cannot");
	assert_string_equal(upgrade_text(w, "phase"), "none");
	assert_string_equal(w->becomes, "");
	assert_int_equal(fake.kept_fd, 0);
	world_free(w);
}

static void
without_a_path_it_is_our_own(void **state)
{
	struct world *w = world_new("", NULL);
	struct answer a = { 0 };
	struct err err;

	(void)state;
	attach(w);
	assert_int_equal(control_upgrade(w->c, NULL, on_tried, &a, &err), 0);
	assert_string_equal(fake.program, "/bin/false");
	control_upgrade_forget(w->c, &a);
	fake_upgraded(NULL);
	assert_int_equal(a.n, 0); /* nobody is told, and it goes on */
	assert_string_equal(w->becomes, "/bin/false");
	world_free(w);
}

static void
what_cannot_be_asked_is_refused(void **state)
{
	struct world *w = world_new("", NULL);
	char longest[8192];
	struct err err;

	(void)state;
	attach(w);
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(
	    control_upgrade(w->c, "bin/x", on_tried, NULL, &err), -EINVAL);
	assert_int_equal(
	    control_upgrade(w->c, longest, on_tried, NULL, &err), -EINVAL);
	fake.too_old = true;
	assert_int_equal(
	    control_upgrade(w->c, NULL, on_tried, NULL, &err), -ENOTSUP);
	fake.too_old = false;
	control_shutdown(w->c);
	assert_int_equal(
	    control_upgrade(w->c, NULL, on_tried, NULL, &err), -EBUSY);
	world_free(w);
}

static void
the_next_control_starts_a_new_worker_beside_the_old_one(void **state)
{
	struct world *w = world_new("", NULL);
	struct fake_child *old;

	(void)state;
	attach(w);
	old = fake_running("proxy.0");
	assert_non_null(old);
	begin_upgrade(w);
	assert_string_equal(upgrade_text(w, "phase"), "workers");
	assert_non_null(fake_running("proxy.1"));
	assert_ptr_equal(fake_running("proxy.0"), old);
	assert_int_equal(old->last_signal, 0);
	assert_non_null(strstr(fake_running("proxy.1")->note, "\"lane\":0"));
	assert_non_null(strstr(fake_running("proxy.1")->note, "\"epoch\":1"));
	assert_non_null(strstr(old->note, "\"epoch\":0"));
	world_free(w);
}

static void
a_new_worker_that_dies_ends_it_and_the_old_one_stays(void **state)
{
	struct world *w = world_new("", NULL);
	struct fake_child *old;

	(void)state;
	attach(w);
	old = fake_running("proxy.0");
	begin_upgrade(w);
	fake_exit(fake_running("proxy.1"), 1, "");
	run_for(w, 50);
	assert_string_equal(upgrade_text(w, "phase"), "none");
	assert_non_null(strstr(upgrade_text(w, "failed"), "proxy.1"));
	/* The second try is ended, and there is no third. */
	assert_int_equal(fake_running("proxy.1")->last_signal, SIGTERM);
	assert_int_equal(fake_count("proxy.1"), 2);
	fake_exit(fake_running("proxy.1"), 0, "");
	run_for(w, 50);
	assert_null(fake_running("proxy.1"));
	assert_ptr_equal(fake_running("proxy.0"), old);
	assert_int_equal(old->last_signal, 0);
	/* The one after that knows it, too. */
	control_free(w->c);
	attach(w);
	assert_string_equal(upgrade_text(w, "phase"), "none");
	assert_non_null(strstr(upgrade_text(w, "failed"), "proxy.1"));
	assert_null(fake_running("proxy.1"));
	world_free(w);
}

static void
an_old_worker_that_dies_meanwhile_is_a_new_one_then(void **state)
{
	struct world *w = world_new("", NULL);

	(void)state;
	attach(w);
	begin_upgrade(w);
	fake_exit(fake_running("proxy.0"), 1, "");
	run_for(w, 50);
	assert_non_null(strstr(fake_running("proxy.0")->note, "\"epoch\":1"));
	world_free(w);
}

static void
a_control_that_is_not_the_program_becomes_it_once_more(void **state)
{
	struct world *w = world_new("", NULL);

	(void)state;
	attach(w);
	begin_upgrade_to(w, "/opt/new");
	assert_string_equal(w->becomes, "/opt/new");
	assert_string_equal(upgrade_text(w, "phase"), "workers");
	assert_null(fake_running("proxy.1"));
	/* That was no use either: the old one goes on. */
	w->becomes[0] = '\0';
	control_free(w->c);
	attach(w);
	assert_string_equal(w->becomes, "");
	assert_string_equal(upgrade_text(w, "phase"), "none");
	assert_non_null(strstr(upgrade_text(w, "failed"), "/opt/new"));
	assert_null(fake_running("proxy.1"));
	assert_int_equal(fake_running("proxy.0")->last_signal, 0);
	world_free(w);
}

static void
what_the_keeper_has_is_not_trusted(void **state)
{
	static const char *const texts[] = { "", "x",
		"a text that is longer than all that stands there, by far: "
		".............................................................."
		".."
		".............................................................."
		".."
		".............................................................."
		".."
		".............................................................."
		".." };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct world *w = world_new("", NULL);
		FILE *f = tmpfile();

		assert_non_null(f);
		fputs(texts[i], f);
		fflush(f);
		fake.kept_fd = dup(fileno(f));
		fclose(f);
		attach(w);
		assert_true(w->begun);
		assert_string_equal(upgrade_text(w, "phase"), "none");
		assert_null(fake_running("proxy.1"));
		world_free(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_trial_comes_first_and_decides),
		cmocka_unit_test(without_a_path_it_is_our_own),
		cmocka_unit_test(what_cannot_be_asked_is_refused),
		cmocka_unit_test(
		    the_next_control_starts_a_new_worker_beside_the_old_one),
		cmocka_unit_test(
		    a_new_worker_that_dies_ends_it_and_the_old_one_stays),
		cmocka_unit_test(
		    an_old_worker_that_dies_meanwhile_is_a_new_one_then),
		cmocka_unit_test(
		    a_control_that_is_not_the_program_becomes_it_once_more),
		cmocka_unit_test(what_the_keeper_has_is_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
