/* SPDX-License-Identifier: ISC */

/*
 * proxy - a worker process: the data plane
 *
 * `drover worker SOCKET INDEX` (a hidden command, started by the keeper on
 * control's order). SOCKET is the path of control.sock, INDEX the worker's
 * place in the scoreboard. It connects, and reconnects for ever; it serves as
 * soon as it has a scoreboard, listeners and a snapshot, and goes on serving
 * without control.
 *
 * SIGTERM drains: no new connections, what is under way finishes, exit 0. A
 * second SIGTERM does not hurry it; SIGKILL does.
 */

#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

/* argv[0] is "worker". Returns the exit code: 0, 1 (it failed), 2 (usage). */
int proxy_main(int argc, char **argv);

#endif /* PROXY_PROXY_H */
