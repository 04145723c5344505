/* What the kernel itself takes, without any server: floors NAME COUNT [MIB].
   Prints nanoseconds for each operation, the mean over COUNT of them. */
#include "peer.h"
#include <pthread.h>
#include <time.h>

enum { MESSAGE_SIZE = 64 };
static char message[MESSAGE_SIZE];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static struct sockaddr_in address; /* of the listening socket */

static int connected(void) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    return client;
}

static void hand_over(int from, int to) {
    if (send(from, message, sizeof message, 0) != sizeof message) fail("send");
    for (ssize_t got = 0; got < MESSAGE_SIZE;) {
        ssize_t size = recv(to, message + got, sizeof message - got, 0);
        if (size <= 0) fail("recv");
        got += size;
    }
}

static void *nothing(void *none) { return none; }

int main(int argc, char **argv) {
    const char *name = argc > 2 ? argv[1] : "";
    long count = argc > 2 ? atol(argv[2]) : 0;
    size_t touched = (argc > 3 ? atol(argv[3]) : 0) << 20;
    double start = 0;
    if (count < 1) return fputs("floors NAME COUNT [MIB]\n", stderr), 2;
    if (touched) { /* the parent's size: a fork copies its page tables */
        char *memory = malloc(touched);
        if (!memory) fail("malloc");
        for (size_t at = 0; at < touched; at += 4096) memory[at] = 1;
    }
    if (!strcmp(name, "round-trip-alone")) {
        int listener = listener_at(&address);
        int here = connected(), there = accept(listener, NULL, NULL);
        start = now();
        for (long i = 0; i < count; i++)
            hand_over(here, there), hand_over(there, here);
    } else if (!strcmp(name, "round-trip-pair")) {
        int listener = listener_at(&address);
        int here = connected(), there = accept(listener, NULL, NULL);
        if (fork() == 0) {
            ssize_t size;
            close(here);
            while ((size = recv(there, message, sizeof message, 0)) > 0)
                send_all(there, message, size);
            _exit(0);
        }
        start = now();
        for (long i = 0; i < count; i++) hand_over(here, here);
    } else if (!strcmp(name, "exchange-alone")) {
        int listener = listener_at(&address);
        start = now();
        for (long i = 0; i < count; i++) {
            int here = connected(), there = accept(listener, NULL, NULL);
            hand_over(here, there), hand_over(there, here);
            close(there);
            if (recv(here, message, sizeof message, 0)) fail("recv");
            close(here);
        }
    } else if (!strcmp(name, "connect-accept-close")) {
        int listener = listener_at(&address);
        start = now();
        for (long i = 0; i < count; i++) {
            int here = connected(), there = accept(listener, NULL, NULL);
            close(there);
            close(here);
        }
    } else if (!strcmp(name, "thread")) {
        start = now();
        for (long i = 0; i < count; i++) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, nothing, NULL))
                fail("pthread_create");
            pthread_join(thread, NULL);
        }
    } else if (!strcmp(name, "fork")) {
        start = now();
        for (long i = 0; i < count; i++) {
            pid_t child = fork();
            if (child < 0) fail("fork");
            if (child == 0) _exit(0);
            waitpid(child, NULL, 0);
        }
    } else {
        return fprintf(stderr, "unknown floor %s\n", name), 2;
    }
    printf("%.1f\n", (now() - start) / count);
}
