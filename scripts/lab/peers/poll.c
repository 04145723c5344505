/* One loop over poll. */
#include "peer.h"
#include <poll.h>

enum { MOST = 65536 };

int main(int argc, char **argv) {
    read_options(argc, argv);
    int count = 1;
    static struct pollfd watched[MOST];
    static char ending[MOST]; /* replied; waits for end of file */
    watched[0] = (struct pollfd){listen_on_loopback(), POLLIN, 0};
    for (;;) {
        if (poll(watched, count, -1) < 0) continue;
        for (int i = count - 1; i > 0; i--) {
            if (!watched[i].revents) continue;
            int fd = watched[i].fd;
            if (is_over(fd, &ending[i])) { /* the last one takes its place */
                close(fd);
                watched[i] = watched[--count];
                ending[i] = ending[count];
            }
        }
        if (watched[0].revents && count < MOST) {
            int client = accept(watched[0].fd, NULL, NULL);
            if (client < 0) continue;
            ending[count] = 0;
            watched[count++] = (struct pollfd){client, POLLIN, 0};
        }
    }
}
