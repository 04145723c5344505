/* One loop over libuv. */
#include "peer.h"
#include <uv.h>

struct client {
    uv_tcp_t stream;
    uv_write_t write;
    uv_shutdown_t shutdown;
    int ending;
    char buffer[BUFFER_SIZE];
};

static void over(uv_handle_t *handle) { free(handle->data); }
static void ended(uv_shutdown_t *shutdown, int status) {
    struct client *client = shutdown->data;
    (void)status;
    if (client->ending < 2) return; /* its end of file is still to come */
    uv_handle_t *handle = (uv_handle_t *)&client->stream;
    if (!uv_is_closing(handle)) uv_close(handle, over);
}
static void buffer_of(uv_handle_t *handle, size_t hint, uv_buf_t *buffer) {
    struct client *client = handle->data;
    (void)hint;
    *buffer = uv_buf_init(client->buffer, BUFFER_SIZE);
}
static void received(uv_stream_t *stream, ssize_t size, const uv_buf_t *);
static void sent(uv_write_t *write, int status) {
    struct client *client = write->data;
    uv_stream_t *stream = (uv_stream_t *)&client->stream;
    if (status == 0) uv_read_start(stream, buffer_of, received);
    if (status == 0 && once) {
        client->ending = 1;
        uv_shutdown(&client->shutdown, stream, ended);
    }
}
static void received(uv_stream_t *stream, ssize_t size, const uv_buf_t *from) {
    struct client *client = stream->data;
    if (size == 0) return;
    if (size < 0) {
        uv_read_stop(stream);
        if (client->ending || size != UV_EOF) {
            uv_close((uv_handle_t *)stream, over);
        } else { /* queued replies go out before the end */
            client->ending = 2;
            uv_shutdown(&client->shutdown, stream, ended);
        }
        return;
    }
    if (client->ending) return;
    uv_buf_t reply = uv_buf_init(from->base, size);
    int done = uv_try_write(stream, &reply, 1);
    if (done == size) return once ? sent(&client->write, 0) : (void)0;
    if (done == UV_EAGAIN) done = 0;
    uv_read_stop(stream); /* one buffer: no reading while its reply waits */
    if (done < 0) return uv_close((uv_handle_t *)stream, over);
    reply = uv_buf_init(from->base + done, size - done);
    uv_write(&client->write, stream, &reply, 1, sent);
}
static void arrived(uv_stream_t *listener, int status) {
    struct client *client = calloc(1, sizeof *client);
    if (status < 0 || !client) return free(client);
    client->stream.data = client;
    client->write.data = client->shutdown.data = client;
    uv_tcp_init(listener->loop, &client->stream);
    if (uv_accept(listener, (uv_stream_t *)&client->stream) == 0)
        uv_read_start((uv_stream_t *)&client->stream, buffer_of, received);
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    uv_tcp_init(loop, &listener);
    uv_tcp_open(&listener, listen_on_loopback());
    uv_listen((uv_stream_t *)&listener, BACKLOG, arrived);
    return uv_run(loop, UV_RUN_DEFAULT);
}
