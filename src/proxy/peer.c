/* SPDX-License-Identifier: ISC */

#include "proxy/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "proxy/table.h"

void
peer_init(struct peer *p, const struct sockaddr *sa, bool internal)
{
	const unsigned char *v4 = p->address + 12;

	*p = (struct peer){ .internal = internal };
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		p->address[10] = p->address[11] = 0xff;
		memcpy(p->address + 12, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(p->address, &in6->sin6_addr, 16);
		if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			v4 = NULL;
	} else {
		p->local = true;
		memcpy(p->text, "unknown", 8);
		p->text_len = 7;
		return;
	}
	if (v4 != NULL)
		inet_ntop(AF_INET, v4, p->text, sizeof(p->text));
	else
		inet_ntop(AF_INET6, p->address, p->text, sizeof(p->text));
	p->text_len = (unsigned char)strlen(p->text);
}

void
peer_check(struct peer *p, const struct table *t)
{
	if (p->checked == t->snap->generation)
		return;
	p->checked = t->snap->generation;
	p->trusted = !p->local && table_trusts(t, p->address);
}
