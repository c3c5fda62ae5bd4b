/* Frames of a foreign solver into the buffer of a pdebench trainer: C99, POSIX sockets, nothing else.
 *
 *     pds_stream *s = pds_init("node7:5555", getenv("PDEBENCH_STREAM_TOKEN"));
 *     while (pds_next(s)) {                        // a member to solve
 *         double nu = pds_parameter(s, "viscosity");
 *         for (int frame = 0; frame < pds_frames(s); frame++)
 *             pds_send(s, frame, values);          // float, [field][space...], C order; waits while the buffer is full
 *     }
 *     pds_finalize(s);
 *
 * Under MPI call it on one rank and gather the frames there. Functions return 0 (pds_init: NULL) on failure, and
 * pds_error() says why. One thread at a time. What goes over the wire is in docs/stream.md.
 */
#ifndef PDEBENCH_STREAM_H
#define PDEBENCH_STREAM_H

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PDS_MOST 64 /* members of a unit, parameters of a member, axes of a frame */

typedef struct {
    int socket, frames, axes, inputs;
    long shape[PDS_MOST]; /* field, then space */
    size_t values;        /* of one frame */
    long unit[PDS_MOST], have[PDS_MOST];
    int members, at; /* of the unit in hand; the one being solved */
    char *answer;    /* the last message, as JSON */
    char *params;    /* the unit's, in `units` */
    char *units;
} pds_stream;

static char pds_reason[256] = "";

static inline const char *pds_error(void) { return pds_reason; }

static inline int pds_fail(const char *why) {
    snprintf(pds_reason, sizeof pds_reason, "%s", why);
    return 0;
}

static inline int pds_put(pds_stream *s, const void *data, size_t count) {
    const char *at = (const char *)data;
    while (count) {
        ssize_t sent = send(s->socket, at, count, MSG_NOSIGNAL);
        if (sent <= 0) return pds_fail("the trainer has gone");
        at += sent;
        count -= (size_t)sent;
    }
    return 1;
}

static inline int pds_get(pds_stream *s, void *data, size_t count) {
    char *at = (char *)data;
    while (count) {
        ssize_t got = recv(s->socket, at, count, 0);
        if (got <= 0) return pds_fail("the trainer has gone");
        at += got;
        count -= (size_t)got;
    }
    return 1;
}

/* A message: its length as four bytes, least first, then JSON. */
static inline int pds_say(pds_stream *s, const char *text) {
    uint32_t n = (uint32_t)strlen(text);
    unsigned char head[4] = {n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255};
    return pds_put(s, head, 4) && pds_put(s, text, n);
}

static inline int pds_hear(pds_stream *s) {
    unsigned char head[4];
    if (!pds_get(s, head, 4)) return 0;
    size_t n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    if (n > (1u << 22)) return pds_fail("no pdebench trainer: a message too long");
    free(s->answer);
    s->answer = (char *)malloc(n + 1);
    if (!s->answer) return pds_fail("no memory");
    s->answer[n] = 0;
    return pds_get(s, s->answer, n);
}

/* What follows "key": on the outermost level of a JSON object, or NULL. */
static inline const char *pds_find(const char *json, const char *key) {
    int depth = 0;
    size_t n = strlen(key);
    for (const char *c = json; *c; c++) {
        if (*c == '{' || *c == '[') depth++;
        if (*c == '}' || *c == ']') depth--;
        if (*c != '"') continue;
        const char *text = ++c;
        while (*c && *c != '"') c += (*c == '\\' && c[1]) ? 2 : 1;
        if (!*c) return NULL;
        if (depth == 1 && (size_t)(c - text) == n && !memcmp(text, key, n) && c[1] == ':') return c + 2;
    }
    return NULL;
}

/* A list of whole numbers; how many there are, or -1. */
static inline int pds_list(const char *json, long *into) {
    int count = 0;
    if (!json || *json != '[') return -1;
    for (json++; *json && *json != ']' && count < PDS_MOST; count++) {
        char *end;
        into[count] = strtol(json, &end, 10);
        if (end == json) return -1;
        json = *end == ',' ? end + 1 : end;
    }
    return *json == ']' ? count : -1;
}

static inline int pds_connect(const char *address) {
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    if (!colon || n >= sizeof host) return -1;
    memcpy(host, address, n);
    host[n] = 0;
    struct addrinfo hints, *found, *one;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(n ? host : "127.0.0.1", colon + 1, &hints, &found)) return -1;
    int end = -1;
    for (one = found; one && end < 0; one = one->ai_next) {
        end = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (end >= 0 && connect(end, one->ai_addr, one->ai_addrlen)) {
            close(end);
            end = -1;
        }
    }
    freeaddrinfo(found);
    int yes = 1;
    if (end >= 0) setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return end;
}

static inline void pds_finalize(pds_stream *s) {
    if (!s) return;
    if (s->socket >= 0) close(s->socket);
    free(s->answer);
    free(s->units);
    free(s);
}

static inline int pds_welcome(pds_stream *s, const char *token) {
    char hello[256];
    snprintf(hello, sizeof hello, "{\"hello\":\"producer\",\"token\":\"%.128s\"}", token ? token : "");
    if (!pds_say(s, hello) || !pds_hear(s)) return 0;
    if (pds_find(s->answer, "refused")) return pds_fail("the trainer refused: wrong token");
    const char *frames = pds_find(s->answer, "frames"), *inputs = pds_find(s->answer, "inputs");
    s->axes = pds_list(pds_find(s->answer, "shape"), s->shape);
    if (!frames || !inputs || s->axes < 1) return pds_fail("no pdebench trainer");
    s->frames = atoi(frames);
    s->inputs = atoi(inputs);
    s->values = 1;
    for (int i = 0; i < s->axes; i++) s->values *= (size_t)s->shape[i];
    return 1;
}

/* Connect to HOST:PORT, where a stream was opened with `listen=`; `token` is its `Stream.token`. */
static inline pds_stream *pds_init(const char *address, const char *token) {
    pds_stream *s = (pds_stream *)calloc(1, sizeof *s);
    if (!s) return NULL;
    s->socket = pds_connect(address);
    if (s->socket < 0) pds_fail("no trainer listens there");
    if (s->socket < 0 || !pds_welcome(s, token)) {
        pds_finalize(s);
        return NULL;
    }
    return s;
}

/* Frames of a member, and axis `i` of a frame: 0 counts the fields, the others are space. */
static inline int pds_frames(const pds_stream *s) { return s->frames; }
static inline long pds_extent(const pds_stream *s, int i) { return i < s->axes ? s->shape[i] : 1; }

/* The member being solved, and the first of its frames that the trainer lacks: earlier ones need not be sent. */
static inline long pds_member(const pds_stream *s) { return s->unit[s->at]; }
static inline long pds_first(const pds_stream *s) { return s->have[s->at]; }

/* Say how the member in hand ended: `reason` is "" for a whole one. Plain text, without quotes. */
static inline int pds_outcome(pds_stream *s, const char *reason) {
    char text[320];
    snprintf(text, sizeof text, "{\"outcome\":%ld,\"reason\":\"%.200s\"}", pds_member(s), reason);
    return pds_say(s, text);
}

static inline int pds_unit(pds_stream *s) {
    if (s->members && (!pds_say(s, "{\"done\":[]}") || !pds_hear(s))) return 0;
    s->members = s->at = 0;
    if (!pds_say(s, "{\"want\":\"unit\"}") || !pds_hear(s)) {
        pds_fail(""); /* it hung up between two units: it needs no more */
        return 0;
    }
    free(s->units);
    s->units = s->answer;
    s->answer = NULL;
    int count = pds_list(pds_find(s->units, "unit"), s->unit);
    if (count < 1) return 0; /* null: the trainer has them all */
    if (pds_list(pds_find(s->units, "have"), s->have) != count) return pds_fail("a unit that is not understood");
    s->params = (char *)pds_find(s->units, "params");
    s->members = count;
    return 1;
}

/* Go on to the next member; 0 when there is none, and the trainer has everything or has gone. */
static inline int pds_next(pds_stream *s) {
    if (!s->members) return pds_unit(s);
    if (!pds_outcome(s, "")) return 0;
    return ++s->at < s->members ? 1 : pds_unit(s);
}

/* A parameter of the member in hand, by its name in the card; NaN for one that the card does not have. */
static inline double pds_parameter(const pds_stream *s, const char *name) {
    const char *at = s->params;
    for (int i = 0; at && i <= s->at; i++) at = strchr(at + 1, '{');
    at = at ? pds_find(at, name) : NULL;
    return at ? strtod(at, NULL) : strtod("nan", NULL);
}

/* The inputs of the member in hand, [input][space...], before its first frame. */
static inline int pds_give(pds_stream *s, const float *values) {
    char text[64];
    snprintf(text, sizeof text, "{\"given\":[%ld]}", pds_member(s));
    size_t count = s->values / (size_t)s->shape[0] * (size_t)s->inputs;
    return pds_say(s, text) && pds_put(s, values, 4 * count);
}

/* One frame of the member in hand, in order from 0 (or pds_first) on. Waits while the buffer is full. */
static inline int pds_send(pds_stream *s, int frame, const float *values) {
    char text[160];
    long slot;
    if (frame < pds_first(s)) return 1;
    if (!pds_say(s, "{\"room\":1}") || !pds_hear(s)) return 0;
    if (pds_list(pds_find(s->answer, "slots"), &slot) != 1) return pds_fail("no slot was given");
    snprintf(text, sizeof text, "{\"frame\":%d,\"members\":[%ld],\"slots\":[%ld]}", frame, pds_member(s), slot);
    return pds_say(s, text) && pds_put(s, values, 4 * s->values);
}

#endif
