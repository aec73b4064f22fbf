/* Resolves a name as every program that is linked with musl does; for tests, which have no other such program.
 *
 *   resolve 4|6|any NAME     its addresses, one a line, sorted by nobody
 *   resolve name ADDRESS     the name of an address
 *
 * Ends with 2 when there is no such name or it has no such address, which older musl does not tell apart, and
 * with 3 when that could not be found out.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int failed(int error)
{
	fprintf(stderr, "%s\n", gai_strerror(error));
	return error == EAI_NONAME || error == EAI_NODATA ? 2 : 3;
}

int main(int count, char **words)
{
	if (count != 3) {
		fprintf(stderr, "usage: resolve 4|6|any|name NAME\n");
		return 1;
	}
	int is_address = !strcmp(words[1], "name");
	struct addrinfo hints = {
		.ai_family = *words[1] == '4' ? AF_INET : *words[1] == '6' ? AF_INET6 : AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = is_address ? AI_NUMERICHOST : 0,
	};
	struct addrinfo *found;
	int error = getaddrinfo(words[2], NULL, &hints, &found);
	if (error)
		return failed(error);
	for (; found; found = found->ai_next) {
		char text[256];
		error = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0,
			is_address ? NI_NAMEREQD : NI_NUMERICHOST);
		if (error)
			return failed(error);
		puts(text);
	}
	return 0;
}
