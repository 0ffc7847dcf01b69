/* SPDX-License-Identifier: ISC */

/* base64 - the digits of base64 and base64url (RFC 4648, sections 4 and 5) */

#ifndef BASE_BASE64_H
#define BASE_BASE64_H

/* 0..63, or -1; last is what stands for 62 and 63: "+/" or "-_". */
static inline int
base64_digit(char c, const char last[2])
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == last[0])
		return 62;
	return c == last[1] ? 63 : -1;
}

#endif /* BASE_BASE64_H */
