/* One thread for each connection. */
#include "peer.h"
#include <pthread.h>

static void *run(void *client) {
    serve((int)(long)client);
    return NULL;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    int listener = listen_on_loopback();
    for (;;) {
        pthread_t thread;
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (pthread_create(&thread, NULL, run, (void *)(long)client))
            close(client);
        else
            pthread_detach(thread);
    }
}
