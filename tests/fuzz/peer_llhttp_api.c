/* SPDX-License-Identifier: ISC */

/* What is around llhttp's machine; it declares that in another way. */

#include <http.c>

#include <api.c>
