/* SPDX-License-Identifier: ISC */

#include "cli/command.h"

#include "base/array.h"
#include "cli/run.h"

/* clang-format off */
const struct option_row options[] = {
	{ OPT_CONFIG, 'c', "config", "FILE",
	    "the configuration (" CLI_CONFIG ")" },
	{ OPT_ATTACH, 0, "attach", NULL,
	    "a signal ends control alone (systemd's units)" },
	{ OPT_FOLLOW, 'f', "follow", NULL,
	    "go on with what is new, until interrupted" },
	{ OPT_SINCE, 0, "since", "DURATION",
	    "nothing older than that, like 10m" },
	{ OPT_LINES, 'n', "lines", "N",
	    "at most N of the lines that are kept (100)" },
	{ OPT_WAIT, 0, "wait", NULL,
	    "until it is done, or the timeout" },
	{ OPT_TIMEOUT, 0, "timeout", "DURATION",
	    "how long --wait waits (60s)" },
	{ OPT_CANARY, 0, "canary", "N",
	    "hold each deploy at N new copies until it is promoted" },
	{ OPT_RETRY, 0, "retry", NULL,
	    "also try versions again that were rolled back or undone" },
	{ OPT_ONCE, 0, "once", NULL,
	    "say how it is now, and do not follow" },
	{ OPT_GENERATION, 0, "generation", "N",
	    "only if nothing was changed since generation N" },
	{ OPT_JSON, 0, "json", NULL,
	    "print JSON, as the admin API has it" },
	{ OPT_SOCKET, 0, "socket", "PATH",
	    "the daemon's admin socket" },
	{ OPT_HELP, 'h', "help", NULL,
	    "say how the command is used" },
};

const struct command commands[] = {
	{ .name = "run", .args = "", .options = OPT_HELP | OPT_CONFIG | OPT_ATTACH,
	    .brief = "run the daemon in the foreground",
	    .text = "Reads the configuration, starts or takes over the herd, "
	    "and runs until it is shut down.\n"
	    "A herd whose control process was killed goes on as it is and is "
	    "taken over; a second daemon on the same runtime directory is "
	    "refused.",
	    .run = run_daemon },
	{ .name = "status", .args = "[service]", .max = 1,
	    .words = WORDS_SERVICE, .options = OPTS_ALL, .role = "read",
	    .brief = "show services and how they are",
	    .text = "With a service: its instances, why it is not ready, how "
	    "it last ended, what it last wrote, and when it is tried again.\n"
	    "Exits 3 when a service is neither ready, stopped nor idle, or "
	    "the registry is down.",
	    .run = run_status },
	{ .name = "start", .args = "service|instance", .min = 1, .max = 1,
	    .words = WORDS_TARGET, .options = OPTS_CHANGE, .role = "admin",
	    .brief = "start what was stopped",
	    .text = "An instance that is up already is left alone.",
	    .run = run_start },
	{ .name = "stop", .args = "service|instance", .min = 1, .max = 1,
	    .words = WORDS_TARGET, .options = OPTS_CHANGE, .role = "admin",
	    .brief = "drain and stop",
	    .text = "It takes no new requests, finishes those it has, and "
	    "stays stopped until it is started again.",
	    .run = run_stop },
	{ .name = "restart", .args = "service|instance", .min = 1, .max = 1,
	    .words = WORDS_TARGET, .options = OPTS_CHANGE, .role = "admin",
	    .brief = "replace instances without losing a request",
	    .text = "A service is restarted one instance at a time. One that "
	    "waits after a crash is started at once.",
	    .run = run_restart },
	{ .name = "scale", .args = "service=N|auto", .min = 1, .max = 1,
	    .words = WORDS_SCALE, .options = OPTS_CHANGE, .role = "admin",
	    .brief = "change how many instances a service has",
	    .text = "Until the configuration says otherwise and is reloaded, "
	    "or auto gives it back; a service that follows its load does not "
	    "do so meanwhile.",
	    .run = run_scale },
	{ .name = "logs", .args = "service|instance", .min = 1, .max = 1,
	    .words = WORDS_TARGET, .role = "read",
	    .options = OPTS_ALL | OPT_FOLLOW | OPT_SINCE | OPT_LINES,
	    .brief = "show what services wrote",
	    .text = "The lines that drover keeps in memory, oldest first; the "
	    "log files have more.",
	    .run = run_logs },
	{ .name = "events", .args = "", .options = OPTS_ALL | OPT_FOLLOW,
	    .role = "read",
	    .brief = "show what happened",
	    .text = "Each change of state, with its cause and how long the "
	    "state before it lasted.",
	    .run = run_events },
	{ .name = "top", .args = "", .options = OPTS_ALL, .role = "read",
	    .brief = "watch services, refreshed each second",
	    .text = "Until q or Ctrl-C. Without a terminal it prints once.",
	    .run = run_top },
	{ .name = "explain", .args = "request-id", .min = 1, .max = 1,
	    .options = OPTS_ALL, .role = "read",
	    .brief = "tell what became of a request",
	    .text = "By its X-Request-Id or its trace id: where it led, which "
	    "instances were tried with what outcome, and how long each part "
	    "took. Of each worker the last 16384 requests are kept.\n"
	    "Exits 1 when it is not among them.",
	    .run = run_explain },
	{ .name = "check", .args = "",
	    .options = OPTS_ALL | OPT_CONFIG,
	    .brief = "check the configuration files",
	    .text = "Needs no daemon. Every error names file, line and key.",
	    .run = run_check },
	{ .name = "plan", .args = "", .options = OPTS_ALL, .role = "read",
	    .brief = "show what a reload would change",
	    .text = "Exits 0 when nothing would, 10 when something would.",
	    .run = run_plan },
	{ .name = "reload", .args = "",
	    .options = OPTS_CHANGE | OPT_CANARY | OPT_RETRY, .role = "admin",
	    .brief = "apply the configuration files",
	    .text = "All of them, or nothing when anything is wrong.\n"
	    "Where they change what a process is started with, the copies are "
	    "replaced one at a time. The first new one is watched beside the "
	    "old ones for rollout.watch (30s). A version that does not get "
	    "ready, exits or fails too often is rolled back by itself, and "
	    "not tried again until its file changes, or with --retry.\n"
	    "With --wait it exits 3 when one was rolled back.",
	    .run = run_reload },
	{ .name = "rollout",
	    .args = "status|promote|undo|pause|resume [service]",
	    .min = 1, .max = 2, .words = WORDS_ROLLOUT,
	    .options = OPTS_CHANGE | OPT_ONCE, .role = "read",
	    .brief = "follow, promote, undo or pause a rollout",
	    .text = "status follows the rollouts of a service, or of all, to "
	    "their end. It exits 0 when they are done, and 3 when the last "
	    "one of a service was rolled back, undone or given up. One that "
	    "is held or paused is waited for; --timeout ends that.\n"
	    "promote goes on with a deploy that is watched or held. undo "
	    "takes it back, also the last one that is done. pause replaces "
	    "no further copy until resume. These need the role admin.",
	    .run = run_rollout },
	{ .name = "nodes", .args = "", .options = OPTS_ALL, .role = "read",
	    .brief = "show the nodes that the registry knows",
	    .text = "Each with its address and how it is.",
	    .run = run_nodes },
	{ .name = "upgrade", .args = "[path]", .max = 1,
	    .options = OPTS_CHANGE, .role = "admin",
	    .brief = "become another drover without losing a request",
	    .text = "Without a path: the program that stands where the "
	    "daemon's came from, once a package has replaced it.\n"
	    "Control and keeper become it in place, the workers are replaced "
	    "one by one; services go on as they are. A program that cannot "
	    "take over is refused, and nothing is changed.",
	    .run = run_upgrade },
	{ .name = "shutdown", .args = "", .options = OPTS_CHANGE,
	    .role = "admin",
	    .brief = "drain and end the herd and the daemon",
	    .text = "Services finish what they have and are stopped in the "
	    "reverse order of their start. Where systemd runs drover, "
	    "stop the unit instead: it would be started again.",
	    .run = run_shutdown },
	{ .name = "version", .args = "", .options = OPT_HELP | OPT_JSON,
	    .brief = "print the version of this program",
	    .text = "Needs no daemon.",
	    .run = run_version },
	{ .name = "completion", .args = "bash|zsh|fish|names",
	    .min = 1, .max = 1, .words = WORDS_SHELL,
	    .options = OPT_HELP | OPT_SOCKET,
	    .brief = "print a completion script for a shell",
	    .text = "For bash: eval \"$(drover completion bash)\". With names: "
	    "the services and instances that the scripts offer, one a line.",
	    .run = run_completion },
	{ .name = "help", .args = "[command]", .max = 1,
	    .words = WORDS_COMMAND, .options = OPT_HELP,
	    .brief = "say how a command is used",
	    .text = "Without a command: all of them, in a line each.",
	    .run = run_help },
};
/* clang-format on */

const size_t noptions = ARRAY_LEN(options);
const size_t ncommands = ARRAY_LEN(commands);
