// What one thread of C can do: epoll, reads of up to 64 KiB, and one write a read. It passes on what it reads with the
// prefix before each line, so a line may be cut anywhere. It knows no exit, no limits and no log.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "server reply:"
enum { READ = 64 << 10, HEAD = sizeof PREFIX - 1, EVENTS = 256 };

struct connection {
    int fd, inside;   // whether it is inside a line
    char *unsent;     // what the socket did not take
    size_t start, length;
};

static char in[READ], out[READ * (HEAD + 1)];
static int poller;

static void forget(struct connection *c) {
    close(c->fd);
    free(c->unsent);
    free(c);
}

static void want(struct connection *c, int how, uint32_t events) {
    struct epoll_event event = {events, {.ptr = c}};
    epoll_ctl(poller, how, c->fd, &event);
}

static void answer(struct connection *c) {
    ssize_t n = recv(c->fd, in, READ, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            forget(c);
        return;
    }
    char *to = out;
    for (char *from = in, *end = in + n; from < end;) {
        char *newline = memchr(from, '\n', end - from);
        size_t length = (newline ? newline + 1 : end) - from;
        if (!c->inside)
            to = mempcpy(to, PREFIX, HEAD);
        to = mempcpy(to, from, length);
        from += length;
        c->inside = !newline;
    }
    ssize_t sent = send(c->fd, out, to - out, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return forget(c);
    if (sent < 0)
        sent = 0;
    if (sent < to - out) {
        c->start = 0;
        c->length = to - out - sent;
        c->unsent = malloc(c->length);
        memcpy(c->unsent, out + sent, c->length);
        want(c, EPOLL_CTL_MOD, EPOLLOUT);
    }
}

static void resume(struct connection *c) {
    ssize_t sent = send(c->fd, c->unsent + c->start, c->length - c->start, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return forget(c);
    if (sent > 0 && (c->start += sent) == c->length) {
        free(c->unsent);
        c->unsent = NULL;
        want(c, EPOLL_CTL_MOD, EPOLLIN);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 8088)};
    struct epoll_event events[EVENTS];
    struct rlimit limit;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096))
        return 1;
    poller = epoll_create1(0);
    struct connection door = {.fd = listener};
    want(&door, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c != &door) {
                c->unsent ? resume(c) : answer(c);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                want(c, EPOLL_CTL_ADD, EPOLLIN);
            }
        }
    }
}
