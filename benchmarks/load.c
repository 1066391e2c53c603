// The load generator: one thread, epoll, many connections, each with so many messages in flight. Every reply is
// compared, byte for byte. Build: cc -O2 -o load load.c; one that speaks TLS, with -DTLS and -lssl -lcrypto. Called without
// arguments it says how it is called.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

enum {
    CHUNK = 256 << 10,  // the most that one read or write moves
    DISTINCT = 26,      // messages that differ, so that a reply out of order is seen
    OPENING = 32,       // connections being opened: fewer than any server's backlog
    SOURCES = 250,      // addresses that connections come from, so that no ports run out: 127.0.0.2 and on
    EVENTS = 256,
    PATIENCE = 60,      // seconds to open all connections
    DRAIN = 5,          // seconds for the replies that are still owed at the end
};

struct batch {
    uint64_t sent;
    uint32_t count;
};

struct connection {
    int fd;
    uint32_t partial;          // bytes of a reply that is not yet complete
    uint32_t flight;           // messages without a reply
    uint32_t first, batches;   // a ring of batches, as long as the depth
    size_t out, in;            // where it is in the pattern of messages and of replies
    size_t unsent;
    struct batch *ring;
#ifdef TLS
    SSL *tls;
#endif
};

static enum { OPEN, WARM, MEASURE, FINISH } phase = OPEN;
static const char *host = "127.0.0.1", *prefix = "";
static int port = 8088, keep, reconnect;
static uint32_t count = 1, depth = 1, size = 64;
static double seconds = 3, warmup = 0.3;

static size_t reply, out_period, in_period;
static char *messages, *replies, buffer[CHUNK];
static struct connection *connections;
static struct sockaddr_in address;
static int poller;
static uint32_t opened, answered, lost, live;
static uint64_t done, errors, wrong, slowest, histogram[64 * 64];

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static uint64_t now(void) { return nanoseconds(CLOCK_MONOTONIC); }

// Times are kept log-linearly: 64 steps for each power of two, which is within 1.6 %.
static void record(uint64_t time, uint32_t number) {
    if (phase != MEASURE)
        return;
    int shift = time < 128 ? 0 : 57 - __builtin_clzll(time);
    histogram[shift * 64 + (time >> shift)] += number;
    done += number;
    if (time > slowest)
        slowest = time;
}

static double percentile(double share) {
    uint64_t rank = share * done, seen = 0;
    for (uint64_t step = 0; step < 64 * 64; step++)
        if ((seen += histogram[step]) > rank) {
            int shift = step < 128 ? 0 : step / 64 - 1;
            return ((double)(step - shift * 64) + 0.5 * (shift > 0)) * (double)(1ull << shift);
        }
    return 0;
}

#ifdef TLS

static SSL_CTX *context;

static void prepare_tls(void) {
    context = SSL_CTX_new(TLS_client_method());
    // One version and one cipher, so that all servers do the same work.
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"))
        die("TLS: %s", ERR_reason_error_string(ERR_get_error()));
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
}

static void secure(struct connection *c) {
    c->tls = SSL_new(context);
    if (!c->tls || !SSL_set_fd(c->tls, c->fd))
        die("TLS: %s", ERR_reason_error_string(ERR_get_error()));
    SSL_set_connect_state(c->tls);
}

static void unsecure(struct connection *c) {
    SSL_free(c->tls);
    c->tls = NULL;
}

// What OpenSSL says, as send(2) and recv(2) would.
static ssize_t moved(struct connection *c, int n) {
    if (n > 0)
        return n;
    int error = SSL_get_error(c->tls, n);
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error != SSL_ERROR_SYSCALL)
        errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    ERR_clear_error();
    return -1;
}

static ssize_t put(struct connection *c, const char *data, size_t size) {
    return moved(c, SSL_write(c->tls, data, size));
}

static ssize_t get(struct connection *c) { return moved(c, SSL_read(c->tls, buffer, CHUNK)); }

// A read gives a record at most.
static int more(ssize_t n) { return n > 0; }

#else

static void prepare_tls(void) {}
static void secure(struct connection *c) { (void)c; }
static void unsecure(struct connection *c) { (void)c; }

static ssize_t put(struct connection *c, const char *data, size_t size) {
    return send(c->fd, data, size, MSG_NOSIGNAL);
}

static ssize_t get(struct connection *c) { return recv(c->fd, buffer, CHUNK, 0); }

static int more(ssize_t n) { return n == CHUNK; }

#endif

static void shut(struct connection *c) {
    unsecure(c);
    close(c->fd);
    c->fd = -1;
    live--;
}

// Only the first reason is told: the others tend to be the same.
static void lose(struct connection *c, uint64_t *kind, const char *reason) {
    if (!errors && !wrong)
        fprintf(stderr, "%s\n", reason);
    ++*kind;
    lost++;
    shut(c);
}

static void flush(struct connection *c) {
    while (c->unsent) {
        ssize_t n = put(c, messages + c->out, c->unsent < CHUNK ? c->unsent : CHUNK);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            return lose(c, &errors, strerror(errno));
        c->unsent -= n;
        c->out = (c->out + n) % out_period;
    }
}

static void submit(struct connection *c, uint32_t number, uint64_t time) {
    c->ring[(c->first + c->batches++) % depth] = (struct batch){time, number};
    c->flight += number;
    c->unsent += (size_t)number * size;
    flush(c);
}

static void start(struct connection *c) {
    struct sockaddr_in source = {.sin_family = AF_INET};
    static uint32_t turn;
    int one = 1;
    source.sin_addr.s_addr = htonl(0x7f000002 + turn++ % SOURCES);
    uint32_t number = c - connections;
    uint64_t began = now();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    secure(c);
    c->partial = c->flight = c->first = c->batches = 0;
    c->out = (size_t)number % DISTINCT * size;
    c->in = (size_t)number % DISTINCT * reply;
    c->unsent = 0;
    live++;
    if (!reconnect)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(c->fd, (struct sockaddr *)&source, sizeof source))
        return lose(c, &errors, strerror(errno));
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        return lose(c, &errors, strerror(errno));
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = c}};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    // The first message waits for the connection: what is sent before it is established is EAGAIN.
    submit(c, 1, began);
}

// Count so many replies.
static void settle(struct connection *c, uint32_t number, uint64_t time) {
    c->flight -= number;
    while (number) {
        struct batch *batch = &c->ring[c->first];
        uint32_t taken = number < batch->count ? number : batch->count;
        record(time - batch->sent, taken);
        number -= taken;
        if (!(batch->count -= taken)) {
            c->first = (c->first + 1) % depth;
            c->batches--;
        }
    }
}

static char *difference(const char *expected, const char *got, size_t length) {
    static char text[200];
    size_t at = 0;
    while (expected[at] == got[at])
        at++;
    int shown = length - at < 40 ? length - at : 40;
    snprintf(text, sizeof text, "after %zu bytes expected \"%.*s\", got \"%.*s\"", at, shown, expected + at, shown,
             got + at);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '.';
    return text;
}

static void receive(struct connection *c) {
    for (ssize_t n = CHUNK; more(n);) {
        n = get(c);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            return lose(c, &errors, n ? strerror(errno) : "closed by the server");
        if (memcmp(buffer, replies + c->in, n))
            return lose(c, &wrong, difference(replies + c->in, buffer, n));
        c->in = (c->in + n) % in_period;
        uint32_t complete = (c->partial + n) / reply;
        c->partial = (c->partial + n) % reply;
        if (complete > c->flight || (complete == c->flight && c->partial))
            return lose(c, &wrong, "more replies than messages");
        if (!complete)
            continue;
        if (reconnect) {
            shut(c);
            settle(c, 1, now());
            if (phase != FINISH)
                start(c);
            return;
        }
        uint64_t time = now();
        settle(c, complete, time);
        if (phase == OPEN)
            answered++;
        else if (phase != FINISH)
            submit(c, complete, time);
        if (c->fd < 0)
            return;
    }
}

static void raise_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < count + 10)
        die("%u connections need more open files than the %lu allowed", count, (unsigned long)limit.rlim_cur);
}

static void prepare(void) {
    size_t head = strlen(prefix);
    reply = head + size;
    out_period = (size_t)DISTINCT * size;
    in_period = DISTINCT * reply;
    messages = malloc(out_period + CHUNK);
    replies = malloc(in_period + CHUNK + 1);
    connections = calloc(count, sizeof *connections);
    struct batch *rings = calloc((size_t)count * depth, sizeof *rings);
    if (!messages || !replies || !connections || !rings)
        die("no memory");
    for (size_t i = 0; i < out_period + CHUNK; i++)
        messages[i] = i % size == size - 1 ? '\n' : 'a' + (i / size + i % size) % DISTINCT;
    for (size_t i = 0; i < in_period + CHUNK; i++)
        replies[i] = i % reply < head ? prefix[i % reply] : messages[i / reply % DISTINCT * size + i % reply - head];
    replies[in_period + CHUNK] = 0;
    for (uint32_t i = 0; i < count; i++)
        connections[i] = (struct connection){.fd = -1, .ring = rings + (size_t)i * depth};
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("%s is no IPv4 address", host);
    poller = epoll_create1(0);
    prepare_tls();
    signal(SIGPIPE, SIG_IGN);
}

// Let things happen for so long, or until a number has come to what is wanted.
static void run(double duration, const uint32_t *number, uint32_t wanted) {
    struct epoll_event events[EVENTS];
    uint64_t until = now() + duration * 1e9;
    for (;;) {
        if (phase == OPEN)
            while (opened < count && opened - answered - lost < OPENING)
                start(&connections[opened++]);
        uint64_t time = now();
        if (time >= until || (number && *number == wanted) || (phase == OPEN && answered + lost == count))
            return;
        uint64_t wait = (until - time) / 1000000 + 1;
        int n = epoll_wait(poller, events, EVENTS, wait < 100 ? (int)wait : 100);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->unsent)
                flush(c);
            if (c->fd >= 0 && events[i].events & ~EPOLLOUT)
                receive(c);
        }
    }
}

static void usage(void) {
    die("usage: load -c CONNECTIONS [-d DEPTH] [-s SIZE] [-t SECONDS] [-w WARMUP] [-P PREFIX] [-h HOST] [-p PORT]\n"
        "            [-r] [-k]\n"
        "  -c  connections at once, each with\n"
        "  -d  messages in flight [1], of\n"
        "  -s  bytes each, LF included [64]; at least 2\n"
        "  -t  seconds to measure [3], after\n"
        "  -w  seconds of warm-up [0.3]\n"
        "  -P  what a reply has before its message []\n"
        "  -h  IPv4 address [127.0.0.1]\n"
        "  -p  port [8088]\n"
        "  -r  a new connection for each message, closed after its reply\n"
        "  -k  keep the connections until the standard input ends\n"
        "It prints \"begin\" and \"end\" as the measurement does, then a line of JSON. Times of replies are in\n"
        "microseconds; with -r, from before the connection. Each reply is compared, byte for byte. Connections lost\n"
        "are errors, with bytes that differ wrong; missing is what was not answered at the end.");
}

int main(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "c:d:s:t:w:P:h:p:rk")) != -1;)
        switch (option) {
        case 'c': count = atoi(optarg); break;
        case 'd': depth = atoi(optarg); break;
        case 's': size = atoi(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'w': warmup = atof(optarg); break;
        case 'P': prefix = optarg; break;
        case 'h': host = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'r': reconnect = 1; break;
        case 'k': keep = 1; break;
        default: usage();
        }
    if (argc == 1 || optind < argc || !count || !depth || size < 2)
        usage();
    raise_limit();
    prepare();
    setlinebuf(stdout);

    if (reconnect) {
        phase = WARM;
        for (uint32_t i = 0; i < count; i++)
            start(&connections[i]);
    } else {
        run(PATIENCE, NULL, 0);
        if (answered < count)
            die("%u of %u connections had an answer", answered, count);
        phase = WARM;
        uint64_t time = now();
        for (uint32_t i = 0; i < count; i++)
            submit(&connections[i], depth, time);
    }
    run(warmup, &live, 0);
    phase = MEASURE;
    puts("begin");
    uint64_t began = now(), used = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    run(seconds, &live, 0);
    uint64_t took = now() - began;
    used = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - used;
    phase = FINISH;
    puts("end");

    uint32_t missing = 0;
    for (uint64_t until = now() + DRAIN * 1000000000ull;;) {
        missing = 0;
        for (uint32_t i = 0; i < count; i++)
            missing += connections[i].fd >= 0 ? connections[i].flight : 0;
        if (!missing || now() > until)
            break;
        run(0.01, NULL, 0);
    }
    printf("{\"replies\": %lu, \"seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, "
           "\"cpu_seconds\": %.6f, \"errors\": %lu, \"wrong\": %lu, \"missing\": %u}\n",
           done, took / 1e9, percentile(0.5) / 1e3, percentile(0.99) / 1e3, slowest / 1e3, used / 1e9, errors, wrong,
           missing);
    if (keep)
        while (read(0, buffer, CHUNK) > 0)
            ;
    return errors || wrong || missing || !done;
}
