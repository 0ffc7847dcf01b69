/* SPDX-License-Identifier: ISC */

/*
 * drover - keep a herd of HTTP services running, and drive traffic to them
 */

int
main(void)
{
	return 0;
}
