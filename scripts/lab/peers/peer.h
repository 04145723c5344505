/* What the C peers share, so that each file beside this one shows its model
   and nothing else: the options, the listening socket, one blocking client. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER_SIZE = 1024, BACKLOG = 1024 };

static int once;         /* --once: one exchange; else until end of file */
static int lossless;     /* --lossless: shut down, drain, close */
static int workers = 64; /* --workers N: for the pools */

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static inline void read_options(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--once")) once = 1;
        else if (!strcmp(argv[i], "--until-eof")) once = 0;
        else if (!strcmp(argv[i], "--lossless")) lossless = 1;
        else if (!strcmp(argv[i], "--plain")) lossless = 0;
        else if (!strcmp(argv[i], "--workers") && i + 1 < argc)
            workers = atoi(argv[++i]);
        else {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            exit(2);
        }
    }
    signal(SIGPIPE, SIG_IGN);
}

/* A listening socket on a free port of the loopback address, and where. */
static inline int listener_at(struct sockaddr_in *address) {
    socklen_t length = sizeof *address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0) fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)address, length)) fail("bind");
    if (listen(listener, BACKLOG)) fail("listen");
    if (getsockname(listener, (struct sockaddr *)address, &length))
        fail("getsockname");
    return listener;
}

/* The same, announced. */
static inline int listen_on_loopback(void) {
    struct sockaddr_in address = {0};
    int listener = listener_at(&address);
    printf("peer listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static int send_all(int client, const char *data, ssize_t size) {
    while (size > 0) {
        ssize_t sent = send(client, data, size, 0);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return -1;
        data += sent;
        size -= sent;
    }
    return 0;
}

/* One client, blocking, from its first message to the close. */
static inline void serve(int client) {
    char buffer[BUFFER_SIZE];
    ssize_t size;
    while ((size = recv(client, buffer, sizeof buffer, 0)) > 0) {
        if (send_all(client, buffer, size) < 0) break;
        if (!once) continue;
        if (lossless) {
            /* For a second at most, or a client could hold its place. */
            struct timeval limit = {.tv_sec = 1};
            shutdown(client, SHUT_WR);
            setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            while (recv(client, buffer, sizeof buffer, 0) > 0) {}
        }
        break;
    }
    close(client);
}

/* What a loop does for a client that is readable; true when it is over. A
   client that is `ending` has its reply, and its end of file is awaited. */
static inline int is_over(int client, char *ending) {
    char buffer[BUFFER_SIZE];
    ssize_t size = recv(client, buffer, sizeof buffer, 0);
    if (size <= 0) return 1;
    if (*ending) return 0;
    if (send_all(client, buffer, size) < 0) return 1;
    if (!once) return 0;
    if (!lossless) return 1;
    shutdown(client, SHUT_WR);
    *ending = 1;
    return 0;
}
