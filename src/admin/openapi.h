/* SPDX-License-Identifier: ISC */

/* openapi - the table of routes as an OpenAPI 3.1 document */

#ifndef ADMIN_OPENAPI_H
#define ADMIN_OPENAPI_H

#include <jansson.h>

json_t *openapi_json(void); /* the caller's; NULL out of memory */

#endif /* ADMIN_OPENAPI_H */
