/* Mutating driver of the native decoder (dtaas/tds). Build with ASan and UBSan: see run.py.
 *
 * An execution is a random result: columns of every kind, rows as a server writes them, packets.
 * It is decoded twice, whole and in random pieces; both must agree in rows, values and end. What
 * was not damaged must decode to its last row. Then bytes are damaged: nothing may crash, and both
 * ways still have to agree unless packet headers were hit. Some batches are let go only later, and
 * mostly another decoder is open, so that memory is used again.
 *
 * Arguments: first seed, executions at most, seconds at most. Prints the executions done; a
 * finding ends the process with its seed on stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decoder.h"

enum { MAX_COLUMNS = 10, MAX_ROWS = 8, DONE_SIZE = 13, TEXTS = 4, MAX_HEADS = 256, HELD = 4 };
enum { END_OF_BYTES = 1, END_TOKEN = 2, END_ERROR = 3 };

static uint64_t state, current;
static size_t heads[MAX_HEADS], head_count; /* where lengths lie in the payload: damaged most */
static uint16_t table[128];
static uint16_t pairs[256 + 128 * 256]; /* of a code page with characters of one or two bytes */

void __sanitizer_set_death_callback(void (*callback)(void));

static void tell_seed(void) { fprintf(stderr, "finding: seed %" PRIu64 "\n", current); }

static void fail(const char *what) {
  fprintf(stderr, "broken promise: %s\n", what);
  tell_seed();
  exit(1);
}

/* --- chance ---------------------------------------------------------------------------------- */

static uint64_t draw(void) { /* splitmix64 */
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static uint64_t below(uint64_t limit) { return draw() % limit; }
static int one_in(uint64_t n) { return below(n) == 0; }

/* --- bytes ----------------------------------------------------------------------------------- */

typedef struct {
  uint8_t *at;
  size_t size, capacity;
} bytes;

static void put(bytes *b, const void *from, size_t size) {
  if (b->size + size > b->capacity) {
    b->capacity = (b->size + size) * 2 + 64;
    b->at = realloc(b->at, b->capacity);
    if (!b->at) exit(2);
  }
  if (size) memcpy(b->at + b->size, from, size);
  b->size += size;
}

static void put_number(bytes *b, uint64_t value, size_t size) { put(b, &value, size); }

static void note_head(const bytes *b) {
  if (head_count < MAX_HEADS) heads[head_count++] = b->size;
}

static void put_noise(bytes *b, size_t size) {
  for (; size >= 8; size -= 8) put_number(b, draw(), 8);
  put_number(b, draw(), size);
}

/* --- columns and values as a server writes them ----------------------------------------------- */

static tds_column random_column(void) {
  static const uint8_t long_lengths[] = {LENGTH_SHORT, LENGTH_PARTIAL, LENGTH_POINTER};
  tds_column c = {0};
  c.as = (uint8_t)below(AS_DOUBLE_BYTE + 1);
  c.length = one_in(2) ? LENGTH_FIXED : LENGTH_BYTE;
  c.table = c.as == AS_DOUBLE_BYTE ? pairs : table;
  switch (c.as) {
    case AS_INT:
      c.wire = (uint8_t)(1u << below(4));
      c.width = c.wire == 1 ? 2 : c.wire;
      break;
    case AS_FLOAT: c.wire = c.width = one_in(2) ? 4 : 8; break;
    case AS_BIT: c.wire = 1; break;
    case AS_DECIMAL: c.length = LENGTH_BYTE, c.width = 16; break;
    case AS_MONEY: c.wire = one_in(2) ? 4 : 8, c.width = 16; break;
    case AS_DATE: c.length = LENGTH_BYTE, c.width = 4; break;
    case AS_DATETIME: c.wire = one_in(2) ? 4 : 8, c.width = 8; break;
    case AS_TIME:
      c.length = LENGTH_BYTE, c.width = 8;
      c.scale = (uint8_t)below(8);
      c.unit = c.scale > 6 || one_in(2) ? 9 : 6;
      break;
    case AS_TIMESTAMP:
      c.length = LENGTH_BYTE, c.width = 8;
      c.scale = (uint8_t)below(7);
      c.unit = c.scale <= 3 && one_in(2) ? 3 : 6;
      break;
    case AS_TIMESTAMP_TEXT:
    case AS_OFFSET_TEXT:
      c.length = LENGTH_BYTE;
      c.scale = (uint8_t)below(8);
      break;
    case AS_GUID_TEXT: c.length = LENGTH_BYTE; break;
    default: c.length = long_lengths[below(3)];
  }
  return c;
}

static size_t random_length(void) { return below(one_in(200) ? 5000 : one_in(8) ? 200 : 20); }

static void put_utf16(bytes *b, size_t units) {
  while (units--) {
    uint64_t kind = below(8);
    if (kind == 0) {
      uint64_t c = below(0xD800);
      put_number(b, c, 2);
    } else if (kind == 1) {
      put_number(b, 0xD800 + below(0x400), 2);
      put_number(b, 0xDC00 + below(0x400), 2);
    } else {
      uint64_t c = below(0x80);
      for (size_t run = 1 + below(20); run; run--) put_number(b, c, 2);
    }
  }
}

static void put_utf8_text(bytes *b, size_t characters) {
  static const char *const samples[TEXTS] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
  while (characters--) {
    const char *s = samples[below(TEXTS)];
    put(b, s, strlen(s));
  }
}

static void put_double_bytes(bytes *b, size_t characters) {
  while (characters--) {
    uint64_t first = below(256);
    put_number(b, first, 1);
    if (pairs[first] == LEAD_BYTE) put_number(b, 0x40 + below(0xC0), 1);
  }
}

static void put_text_bytes(bytes *b, int as, size_t length) {
  if (as == AS_UTF16) put_utf16(b, length);
  else if (as == AS_UTF8) put_utf8_text(b, length);
  else if (as == AS_DOUBLE_BYTE) put_double_bytes(b, length);
  else put_noise(b, length);
}

static void put_chunks(bytes *b, const bytes *value) {
  put_number(b, one_in(2) ? value->size : 0xFFFFFFFFFFFFFFFEu, 8);
  for (size_t at = 0; at < value->size;) {
    size_t left = value->size - at, part = one_in(2) ? left : 1 + below(left);
    note_head(b);
    put_number(b, part, 4);
    put(b, value->at + at, part);
    at += part;
  }
  put_number(b, 0, 4);
}

static void put_moment(bytes *b, const tds_column *c, size_t date, int zone) {
  static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
  size_t time = c->scale <= 2 ? 3 : c->scale <= 4 ? 4 : 5;
  put_number(b, time + date + (zone ? 2 : 0), 1);
  put_number(b, below(86400 * powers[c->scale]), time);
  /* away from both ends of time, so that a zone cannot lead beyond them */
  if (date) put_number(b, 1 + below(3652057), date);
  if (zone) put_number(b, (uint64_t)((int64_t)below(1681) - 840), 2);
}

/* A value that is not NULL; its length in front as the column has it. */
static void put_value(bytes *b, const tds_column *c) {
  static const uint8_t decimal_sizes[] = {5, 9, 13, 17};
  note_head(b);
  switch (c->as) {
    case AS_DECIMAL: {
      size_t size = decimal_sizes[below(4)];
      put_number(b, size, 1);
      put_number(b, below(2), 1);
      put_noise(b, size - 1);
      return;
    }
    case AS_DATE:
      put_number(b, 3, 1);
      put_number(b, below(3652059), 3);
      return;
    case AS_TIME: put_moment(b, c, 0, 0); return;
    case AS_TIMESTAMP:
    case AS_TIMESTAMP_TEXT: put_moment(b, c, 3, 0); return;
    case AS_OFFSET_TEXT: put_moment(b, c, 3, 1); return;
    case AS_GUID_TEXT:
      put_number(b, 16, 1);
      put_noise(b, 16);
      return;
    case AS_DATETIME:
      if (c->length == LENGTH_BYTE) put_number(b, c->wire, 1);
      if (c->wire == 8) {
        put_number(b, below(5000000), 4);
        put_number(b, below(300 * 86400), 4);
      } else {
        put_number(b, below(65536), 2);
        put_number(b, below(1440), 2);
      }
      return;
    case AS_UTF16:
    case AS_CODE_PAGE:
    case AS_UTF8:
    case AS_BYTES:
    case AS_DOUBLE_BYTE: break;
    default:
      if (c->length == LENGTH_BYTE) put_number(b, c->wire, 1);
      put_noise(b, c->wire);
      return;
  }
  bytes value = {0};
  size_t length = random_length();
  put_text_bytes(&value, c->as, c->length == LENGTH_SHORT && length > 1000 ? 1000 : length);
  if (c->length == LENGTH_SHORT) {
    if (value.size > 65534) value.size = 0;
    put_number(b, value.size, 2);
    put(b, value.at, value.size);
  } else if (c->length == LENGTH_PARTIAL) {
    put_chunks(b, &value);
  } else {
    size_t pointer = 1 + below(16);
    put_number(b, pointer, 1);
    put_noise(b, pointer + 8);
    put_number(b, value.size, 4);
    put(b, value.at, value.size);
  }
  free(value.at);
}

static void put_null(bytes *b, const tds_column *c) {
  switch (c->length) {
    case LENGTH_FIXED: put_noise(b, c->wire); break; /* has no NULL */
    case LENGTH_SHORT: put_number(b, 0xFFFF, 2); break;
    case LENGTH_PARTIAL: put_number(b, UINT64_MAX, 8); break;
    default: put_number(b, 0, 1);
  }
}

static void put_done(bytes *b) {
  put_number(b, 0xFD, 1);
  put_noise(b, DONE_SIZE - 1);
}

static void put_row(bytes *b, const tds_column *columns, int count) {
  uint8_t nulls[(MAX_COLUMNS + 7) / 8] = {0};
  int with_bitmap = one_in(2);
  put_number(b, with_bitmap ? 0xD2 : 0xD1, 1);
  if (with_bitmap) {
    for (int i = 0; i < count; i++)
      if (one_in(3)) nulls[i >> 3] |= (uint8_t)(1u << (i & 7));
    put(b, nulls, (size_t)(count + 7) / 8);
  }
  for (int i = 0; i < count; i++) {
    if (nulls[i >> 3] >> (i & 7) & 1) continue;
    if (columns[i].length != LENGTH_FIXED && one_in(6)) put_null(b, &columns[i]);
    else put_value(b, &columns[i]);
  }
}

/* Packets of random sizes around a payload. */
static bytes in_packets(const uint8_t *payload, size_t size) {
  bytes b = {0};
  for (size_t at = 0; at < size;) {
    size_t left = size - at, part = one_in(3) ? left : 1 + below(left);
    if (part > 65527) part = 65527;
    size_t length = part + 8;
    uint8_t header[8] = {4, at + part == size, (uint8_t)(length >> 8), (uint8_t)length, 0, 0, 1, 0};
    put(&b, header, sizeof header);
    put(&b, payload + at, part);
    at += part;
    if (one_in(20)) { /* a packet of nothing */
      uint8_t empty[8] = {4, 0, 0, 8, 0, 0, 1, 0};
      put(&b, empty, sizeof empty);
    }
  }
  return b;
}

/* --- decoding -------------------------------------------------------------------------------- */

typedef struct {
  int end;
  int64_t rows;
  uint64_t hash;
} outcome;

static void mix(outcome *o, const void *from, size_t size) {
  const uint8_t *p = from;
  for (size_t i = 0; i < size; i++) o->hash = (o->hash ^ p[i]) * 0x100000001B3u;
}

static int valid_utf8(const uint8_t *p, size_t size) {
  for (size_t i = 0; i < size;) {
    uint32_t c = p[i++], least = 0;
    int more = 0;
    if (c >= 0xF0) c &= 7, more = 3, least = 0x10000;
    else if (c >= 0xE0) c &= 15, more = 2, least = 0x800;
    else if (c >= 0xC0) c &= 31, more = 1, least = 0x80;
    else if (c >= 0x80) return 0;
    for (; more; more--) {
      if (i == size || (p[i] & 0xC0) != 0x80) return 0;
      c = c << 6 | (p[i++] & 63);
    }
    if (c < least || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
  }
  return 1;
}

static void check_column(const struct ArrowArray *a, const tds_column *how, outcome *o) {
  const uint8_t *valid = a->buffers[0];
  int64_t nulls = 0;
  for (int64_t i = 0; i < a->length; i++) {
    uint8_t there = !valid || valid[i >> 3] >> (i & 7) & 1;
    nulls += !there;
    mix(o, &there, 1);
  }
  if (nulls != a->null_count) fail("the number of NULLs");
  if (a->n_buffers == 2) {
    const uint8_t *data = a->buffers[1];
    if (how->as != AS_BIT) {
      mix(o, data, (size_t)a->length * how->width);
      return;
    }
    for (int64_t i = 0; i < a->length; i++) {
      uint8_t bit = data[i >> 3] >> (i & 7) & 1;
      mix(o, &bit, 1);
    }
    return;
  }
  const int32_t *offsets = a->buffers[1];
  const uint8_t *data = a->buffers[2];
  if (offsets[0]) fail("the first offset");
  for (int64_t i = 0; i < a->length; i++) {
    int32_t size = offsets[i + 1] - offsets[i];
    if (size < 0) fail("offsets fall");
    if (valid && !(valid[i >> 3] >> (i & 7) & 1) && size) fail("a NULL with bytes");
    if (how->as != AS_BYTES && !valid_utf8(data + offsets[i], (size_t)size)) fail("text in UTF-8");
    mix(o, &size, sizeof size);
    mix(o, data + offsets[i], (size_t)size);
  }
}

static struct ArrowArray held[HELD]; /* batches that outlive their decoder */

static void let_go(struct ArrowArray *a) {
  if (!a->release) return;
  a->release(a);
  if (a->release) fail("a released batch");
}

static void take_batch(struct ArrowArray *a, const tds_column *columns, int count, outcome *o) {
  if (a->n_children != count || !a->length) fail("the shape of a batch");
  for (int i = 0; i < count; i++) {
    if (a->children[i]->length != a->length) fail("the length of a column");
    check_column(a->children[i], &columns[i], o);
  }
  o->rows += a->length;
  if (one_in(4)) {
    struct ArrowArray *place = &held[below(HELD)];
    let_go(place);
    *place = *a; /* moved: the interface allows it */
  } else {
    let_go(a);
  }
}

typedef struct {
  const tds_column *columns;
  int count;
  int64_t max_value, max_rows, max_bytes;
} job;

/* Decode what is there; 0 when more bytes are needed. */
static int drain(tds_decoder *d, const job *j, outcome *o) {
  for (;;) {
    struct ArrowArray a = {0};
    int64_t answer = tds_next(d, j->max_rows, j->max_bytes, &a);
    if (answer > 0) {
      if (answer > j->max_rows || answer != a.length) fail("the rows of a batch");
      take_batch(&a, j->columns, j->count, o);
      continue;
    }
    if (answer == NEED_BYTES) return 0;
    if (answer != OTHER_TOKEN) {
      if (tds_bad_column(d) < 0 || tds_bad_column(d) >= j->count) fail("the bad column");
      return END_ERROR;
    }
    size_t size;
    const uint8_t *next = tds_pending(d, &size);
    if (!size) fail("a token of no bytes");
    if (*next == 0xFD) {
      if (size < DONE_SIZE) return 0;
      tds_skip(d, DONE_SIZE);
      continue;
    }
    answer = tds_flush(d, &a);
    if (answer > 0) take_batch(&a, j->columns, j->count, o);
    return END_TOKEN;
  }
}

/* Decode packets that come in pieces of at most `most` bytes, behind `seeded` bytes of payload. */
static outcome decode(const job *j, const uint8_t *seeded, size_t seeded_size, const bytes *raw,
                      size_t most) {
  outcome o = {END_OF_BYTES, 0, 0xCBF29CE484222325u};
  tds_decoder *d = tds_open(j->columns, j->count, j->max_value);
  if (!d || tds_seed(d, seeded, seeded_size)) exit(2);
  int end = seeded_size ? drain(d, j, &o) : 0;
  for (size_t at = 0; !end && at < raw->size;) {
    size_t left = raw->size - at, part = most < left ? 1 + below(most) : left, room;
    uint8_t *to = tds_room(d, part, &room);
    if (!to) exit(2);
    if (room < part) fail("less room than wanted");
    memcpy(to, raw->at + at, part);
    at += part;
    end = tds_fed(d, part) ? END_ERROR : drain(d, j, &o);
  }
  if (end) o.end = end;
  tds_close(d);
  return o;
}

/* --- one execution --------------------------------------------------------------------------- */

static void damage(bytes *b, size_t known) {
  for (uint64_t hits = 1 + below(4); hits && b->size; hits--) {
    size_t at = below(b->size);
    if (known && one_in(2)) at = heads[below(known)];
    if (at >= b->size) continue;
    switch (below(7)) {
      case 0: b->at[at] ^= (uint8_t)(1u << below(8)); break;
      case 1: b->at[at] = (uint8_t)draw(); break;
      case 2: b->at[at] = one_in(2) ? 0xFF : 0; break;
      case 3: b->size = at; break;
      case 4: b->at[at] = (uint8_t)(b->at[at] + below(9) - 4); break;
      case 5: b->at[at] = (uint8_t)below(20); break;
      default: {
        size_t other = below(b->size), size = below(b->size - (at > other ? at : other)) + 1;
        memmove(b->at + at, b->at + other, size);
      }
    }
  }
}

static tds_decoder *another; /* while it is open memory is kept */

static void open_or_close_another(void) {
  static const tds_column bit = {.length = LENGTH_FIXED, .as = AS_BIT, .wire = 1};
  tds_close(another);
  another = another ? NULL : tds_open(&bit, 1, 1);
}

static void execute(void) {
  if (one_in(another ? 64 : 4)) open_or_close_another();
  tds_column columns[MAX_COLUMNS];
  job j = {columns, 1 + (int)below(MAX_COLUMNS), INT32_MAX, 1 + (int64_t)below(8),
           1 + (int64_t)below(one_in(4) ? 400 : 100000)};
  for (int i = 0; i < j.count; i++) columns[i] = random_column();
  bytes payload = {0};
  int64_t rows = (int64_t)below(MAX_ROWS);
  head_count = 0;
  for (int64_t i = 0; i < rows; i++) {
    put_row(&payload, columns, j.count);
    if (one_in(8)) put_done(&payload);
  }
  put_number(&payload, 0xFE, 1);
  int whole = one_in(3);
  if (!whole) damage(&payload, head_count);
  if (!whole && one_in(4)) j.max_value = (int64_t)below(100);
  bytes raw = in_packets(payload.at, payload.size);
  if (!whole && one_in(4)) { /* hits headers too: only has to end well */
    damage(&raw, 0);
    decode(&j, NULL, 0, &raw, 1 + below(64));
  } else {
    outcome at_once = decode(&j, NULL, 0, &raw, raw.size);
    size_t seeded = one_in(3) ? below(payload.size + 1) : 0;
    bytes rest = in_packets(payload.at + seeded, payload.size - seeded);
    outcome pieces = decode(&j, payload.at, seeded, &rest, one_in(4) ? 1 : 1 + below(300));
    if (at_once.end != pieces.end) fail("whole and in pieces end differently");
    if (at_once.rows != pieces.rows || at_once.hash != pieces.hash)
      fail("whole and in pieces give different rows");
    if (whole && (at_once.end != END_TOKEN || at_once.rows != rows)) fail("not all rows came");
    free(rest.at);
  }
  free(raw.at);
  free(payload.at);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  __sanitizer_set_death_callback(tell_seed);
  for (int i = 0; i < 256; i++) pairs[i] = i < 0xA0 ? (uint16_t)i : LEAD_BYTE;
  for (int i = 0; i < 128 * 256; i++)
    pairs[256 + i] = i % 256 < 0x40 ? NO_CHARACTER : (uint16_t)(0x100 + i);
  for (int i = 0; i < 128; i++) table[i] = (uint16_t)(0xA0 + i * 67 % 0xD000);
  uint64_t first = strtoull(argv[1], NULL, 10), most = strtoull(argv[2], NULL, 10), n = 0;
  double seconds = atof(argv[3]);
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  for (; n < most; n++) {
    if (n % 256 == 0) {
      clock_gettime(CLOCK_MONOTONIC, &now);
      if ((double)(now.tv_sec - begun.tv_sec) + (double)(now.tv_nsec - begun.tv_nsec) * 1e-9 >= seconds)
        break;
    }
    current = state = first + n;
    execute();
  }
  for (int i = 0; i < HELD; i++) let_go(&held[i]);
  tds_close(another);
  printf("%" PRIu64 "\n", n);
  return 0;
}
