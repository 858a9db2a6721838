// Opens STREAMS connections, spread over RAMP milliseconds, sends the bytes of REQUEST on each, and reads the stream of events that comes.
// Prints one line of JSON: how many finished, events per second, times to the first body byte, to the first text and to the end.
// With SKIPPED, times are those of the streams after the first so many, and it prints how many were open when these were opened.
// Usage: sse_load PORT STREAMS RAMP_MS LIMIT_MS REQUEST [SKIPPED]
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
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// Counts a pattern in a stream that comes in pieces. The patterns used here do not overlap with themselves.
struct finder {
    const char *pattern;
    int at;
    long found;
};

struct stream {
    int fd, connected, done, among;
    int64_t sent, first, text, end;
    struct finder event, word, last;
};

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void feed(struct finder *f, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == f->pattern[f->at]) {
            if (!f->pattern[++f->at]) f->found++, f->at = 0;
        } else {
            f->at = bytes[i] == f->pattern[0];
        }
    }
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile(int64_t *values, int count, int percent) {
    if (!count) return -1;
    qsort(values, (size_t)count, sizeof *values, by_value);
    int at = (count * percent + 99) / 100 - 1;
    return (double)values[at < 0 ? 0 : at] / 1000;
}

int main(int argc, char **argv) {
    if (argc != 6 && argc != 7) {
        fprintf(stderr, "usage: sse_load PORT STREAMS RAMP_MS LIMIT_MS REQUEST [SKIPPED]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int streams = atoi(argv[2]), opened = 0, open_now = 0, failed = 0, skipped = argc == 7 ? atoi(argv[6]) : 0;
    int64_t ramp = atoll(argv[3]) * 1000, limit = atoll(argv[4]) * 1000;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    FILE *file = fopen(argv[5], "rb");
    if (!file) {
        perror(argv[5]);
        return 1;
    }
    static char request[1 << 20];
    size_t request_size = fread(request, 1, sizeof request, file);
    fclose(file);
    struct stream *all = calloc((size_t)streams, sizeof *all);
    int64_t *firsts = calloc((size_t)streams, 8), *texts = calloc((size_t)streams, 8), *ends = calloc((size_t)streams, 8);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int epoll = epoll_create1(0), one = 1;
    struct epoll_event ready[512];
    static char buffer[65536];
    int64_t start = now_us();
    while (now_us() - start < limit && (opened < streams || open_now)) {
        while (opened < streams && now_us() - start >= ramp * opened / streams) {
            struct stream *s = &all[opened++];
            *s = (struct stream){ .among = open_now, .event = { "data: ", 0, 0 }, .word = { "\"content\":\" ", 0, 0 }, .last = { "data: [DONE]", 0, 0 } };
            s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            if (s->fd < 0 || (connect(s->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)) {
                failed++;
                continue;
            }
            setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &(struct epoll_event){ .events = EPOLLOUT, .data.ptr = s });
            open_now++;
        }
        int64_t wait = opened < streams ? (start + ramp * opened / streams - now_us()) / 1000 : 100;
        int count = epoll_wait(epoll, ready, 512, wait < 0 ? 0 : (int)wait);
        for (int i = 0; i < count; i++) {
            struct stream *s = ready[i].data.ptr;
            if (s->done) continue;
            if (!s->connected) {
                s->connected = 1;
                s->sent = now_us();
                if (send(s->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) {
                    failed++, open_now--, s->done = 1;
                    close(s->fd);
                    continue;
                }
                epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = s });
                continue;
            }
            ssize_t n = recv(s->fd, buffer, sizeof buffer, 0);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (n > 0) {
                feed(&s->event, buffer, (size_t)n);
                feed(&s->last, buffer, (size_t)n);
                if (!s->text) feed(&s->word, buffer, (size_t)n);
                int64_t t = now_us();
                if (!s->first && s->event.found) s->first = t;
                if (!s->text && s->word.found) s->text = t;
                if (!s->last.found) continue;
                s->end = t;
            }
            if (!s->end) failed++;
            s->done = 1;
            open_now--;
            close(s->fd);
        }
    }
    double wall = (double)(now_us() - start) / 1e6;
    int finished = 0, first_count = 0, text_count = 0, end_count = 0;
    long events = 0, among = 0;
    for (int i = 0; i < opened; i++) {
        struct stream *s = &all[i];
        events += s->event.found;
        if (i < skipped) {
            finished += s->end != 0;
            continue;
        }
        among += s->among;
        if (s->first) firsts[first_count++] = s->first - s->sent;
        if (s->text) texts[text_count++] = s->text - s->sent;
        if (s->end) finished++, ends[end_count++] = s->end - s->sent;
    }
    printf("{\"streams\":%d,\"finished\":%d,\"failed\":%d,\"events\":%ld,\"seconds\":%.3f,\"first_p50\":%.3f,\"first_p99\":%.3f,"
           "\"text_p50\":%.3f,\"text_p99\":%.3f,\"end_p50\":%.3f,\"end_p99\":%.3f,\"open\":%.1f}\n",
           streams, finished, failed, events, wall, percentile(firsts, first_count, 50), percentile(firsts, first_count, 99),
           percentile(texts, text_count, 50), percentile(texts, text_count, 99), percentile(ends, end_count, 50), percentile(ends, end_count, 99),
           opened > skipped ? (double)among / (opened - skipped) : 0);
    return finished == streams ? 0 : 1;
}
