/* One loop over epoll, level-triggered. */
#include "peer.h"
#include <sys/epoll.h>

enum { BATCH = 1024, MOST = 65536 };

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    int listener = listen_on_loopback(), epoll = epoll_create1(0);
    static char ending[MOST]; /* replied; waits for end of file */
    struct epoll_event ready[BATCH];
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, ready, BATCH, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client < 0) continue;
                ending[client] = 0;
                watch(epoll, client);
                continue;
            }
            if (is_over(fd, &ending[fd])) close(fd); /* which also forgets it */
        }
    }
}
