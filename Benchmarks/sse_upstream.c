// A streaming upstream for benchmarks: answers every request with EVENTS server-sent events, one each INTERVAL milliseconds.
// One thread, epoll, HTTP/1.1 keep-alive with chunked bodies. Usage: sse_upstream PORT EVENTS INTERVAL
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 16384, MAX_EVENTS = 4096, HEAD = 16384 };

struct connection {
    int fd;
    int next_event; // -1: reading a request
    int in_body;
    size_t body_left;
    size_t used;
    int64_t due;
    char head[HEAD];
};

static struct connection *by_fd[65536];
// The interval is the same for all, so the order of due times is the order of arrival.
static struct { int fd; int64_t due; } queue[MAX_CONNECTIONS];
static int queue_head, queue_count;
static char *events[MAX_EVENTS];
static size_t event_sizes[MAX_EVENTS];
static int event_count, epoll;
static int64_t interval;

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void make_events(void) {
    static const char *words[] = { " the", " harbour", " office", " opens", " at", " eight.", " Ships", " over", " forty", " metres", " need", " a", " pilot." };
    for (int i = 0; i < event_count; i++) {
        char data[1024];
        const char *tail = "\"created\":1763913600,\"id\":\"chatcmpl-CfS1stream7aPq1dRw8LhT3uZs\",\"model\":\"gpt-4o-2024-08-06\","
                           "\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fp_f3927aa00d\"}";
        if (i == event_count - 1) {
            snprintf(data, sizeof data, "data: [DONE]\n\n");
        } else if (i == event_count - 2) {
            snprintf(data, sizeof data, "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{},\"finish_reason\":\"stop\",\"index\":0,\"logprobs\":null}],%s\n\n", tail);
        } else if (i == 0) {
            snprintf(data, sizeof data, "data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{\"content\":\"\",\"refusal\":null,\"role\":\"assistant\"},"
                                        "\"finish_reason\":null,\"index\":0,\"logprobs\":null}],%s\n\n", tail);
        } else {
            snprintf(data, sizeof data, "data: {\"choices\":[{\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}},"
                                        "\"delta\":{\"content\":\"%s\"},\"finish_reason\":null,\"index\":0,\"logprobs\":null}],%s\n\n",
                     words[i % (int)(sizeof words / sizeof *words)], tail);
        }
        char framed[1400];
        int size = snprintf(framed, sizeof framed, "%zx\r\n%s\r\n%s", strlen(data), data, i == event_count - 1 ? "0\r\n\r\n" : "");
        events[i] = strdup(framed);
        event_sizes[i] = (size_t)size;
    }
}

static void drop(struct connection *c) {
    // It may still stand in the queue: an entry whose due time is not its connection's is passed over.
    by_fd[c->fd] = NULL;
    close(c->fd);
    free(c);
}

static int put(struct connection *c, const char *bytes, size_t size) {
    return send(c->fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static void schedule(struct connection *c, int64_t due) {
    c->due = due;
    queue[(queue_head + queue_count) % MAX_CONNECTIONS].fd = c->fd;
    queue[(queue_head + queue_count++) % MAX_CONNECTIONS].due = due;
}

// Sends the next event. False: the connection is gone.
static int step(struct connection *c) {
    int i = c->next_event++;
    if (!put(c, events[i], event_sizes[i])) {
        drop(c);
        return 0;
    }
    if (c->next_event == event_count) c->next_event = -1;
    else schedule(c, c->due + interval);
    return 1;
}

static void answer(struct connection *c) {
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
    if (!put(c, head, sizeof head - 1)) {
        drop(c);
        return;
    }
    c->next_event = 0;
    c->due = now_us();
    step(c);
}

static void readable(struct connection *c) {
    char scratch[65536];
    for (;;) {
        ssize_t n = recv(c->fd, scratch, sizeof scratch, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) {
            drop(c);
            return;
        }
        const char *at = scratch;
        size_t left = (size_t)n;
        if (!c->in_body) {
            size_t take = left < HEAD - 1 - c->used ? left : HEAD - 1 - c->used;
            memcpy(c->head + c->used, at, take);
            size_t before = c->used;
            c->used += take;
            c->head[c->used] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end) {
                if (c->used == HEAD - 1) { drop(c); return; }
                continue;
            }
            size_t head_size = (size_t)(end - c->head) + 4;
            at += head_size - before;
            left -= head_size - before;
            char *length = strcasestr(c->head, "content-length:");
            c->body_left = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
            c->in_body = 1;
        }
        size_t take = left < c->body_left ? left : c->body_left;
        c->body_left -= take;
        if (c->body_left == 0) {
            c->in_body = 0;
            c->used = 0;
            answer(c);
            return;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: sse_upstream PORT EVENTS INTERVAL_MS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    event_count = atoi(argv[2]);
    if (event_count < 3 || event_count > MAX_EVENTS) return 2;
    interval = atoll(argv[3]) * 1000;
    make_events();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){ .events = EPOLLIN, .data.fd = listener });
    puts("ready");
    fflush(stdout);
    struct epoll_event ready[512];
    for (;;) {
        int wait = -1;
        while (queue_count) {
            struct connection *c = by_fd[queue[queue_head].fd];
            if (c && (c->next_event < 0 || c->due != queue[queue_head].due)) c = NULL;
            int64_t left = c ? c->due - now_us() : 0;
            if (left > 0) {
                wait = (int)((left + 999) / 1000);
                break;
            }
            queue_head = (queue_head + 1) % MAX_CONNECTIONS;
            queue_count--;
            if (c) step(c);
        }
        int count = epoll_wait(epoll, ready, 512, wait);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd != listener) {
                if (by_fd[ready[i].data.fd]) readable(by_fd[ready[i].data.fd]);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (fd >= 65536) { close(fd); continue; }
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                struct connection *c = calloc(1, sizeof *c);
                c->fd = fd;
                c->next_event = -1;
                by_fd[fd] = c;
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.fd = fd });
            }
        }
    }
}
