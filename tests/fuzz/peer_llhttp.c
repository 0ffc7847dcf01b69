/* SPDX-License-Identifier: ISC */

/* llhttp's machine, from where its Debian package has put it. */

#include <llhttp.c>
