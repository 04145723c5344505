/* Threads that exist beforehand; each accepts and serves in turn. */
#include "peer.h"
#include <pthread.h>

static void *run(void *listener) {
    for (;;) {
        int client = accept((int)(long)listener, NULL, NULL);
        if (client >= 0) serve(client);
    }
    return NULL;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    int listener = listen_on_loopback();
    for (int i = 1; i < workers; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, (void *)(long)listener))
            fail("pthread_create");
    }
    run((void *)(long)listener);
}
