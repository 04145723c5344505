/* One loop over select. */
#include "peer.h"
#include <sys/select.h>

int main(int argc, char **argv) {
    read_options(argc, argv);
    int listener = listen_on_loopback(), highest = listener;
    static char ending[FD_SETSIZE]; /* replied; waits for end of file */
    fd_set watched;
    FD_ZERO(&watched);
    FD_SET(listener, &watched);
    for (;;) {
        fd_set ready = watched;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) continue;
        for (int fd = 0; fd <= highest; fd++) {
            if (!FD_ISSET(fd, &ready)) continue;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client < 0) continue;
                if (client >= FD_SETSIZE) {
                    close(client);
                    continue;
                }
                FD_SET(client, &watched);
                ending[client] = 0;
                if (client > highest) highest = client;
                continue;
            }
            if (is_over(fd, &ending[fd])) {
                FD_CLR(fd, &watched);
                close(fd);
            }
        }
    }
}
