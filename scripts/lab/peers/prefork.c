/* Processes that exist beforehand; each accepts and serves in turn. */
#include "peer.h"

int main(int argc, char **argv) {
    read_options(argc, argv);
    int listener = listen_on_loopback();
    for (int i = 0; i < workers; i++) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives the parent */
        for (;;) {
            int client = accept(listener, NULL, NULL);
            if (client >= 0) serve(client);
        }
    }
    while (wait(NULL) > 0) {}
}
