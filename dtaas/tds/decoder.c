/* Rows of a TDS answer to Arrow columns, in one pass.
 *
 * The caller owns the socket and pushes bytes in; full batches come out through Arrow's C data
 * interface. Everything is resumable: bytes may end anywhere, also within a value of gigabytes,
 * and nothing is decoded twice. No length is trusted: a value is touched only when all of it, or
 * for a long one the part being copied, lies in the buffer.
 *
 * Source of the formats: MS-TDS 2.2.5.4, 2.2.5.5 and 2.2.7.
 */
#include "decoder.h"

#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the decoder is written for little-endian machines"
#endif
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { TOKEN_ROW = 0xD1, TOKEN_NBCROW = 0xD2, PACKET_HEADER = 8, SLACK = 64 };
#define DAYS_TO_1970 719162 /* from 0001-01-01 */
#define DAYS_1900_TO_1970 25567
#define DAY_TICKS 864000000000ULL /* 10^-7 s */
#define MAX_DAYS 3652058          /* 9999-12-31 from 0001-01-01 */
#define MAX_TEXT 0x7FFFFFFF
#define NULL_PARTIAL 0xFFFFFFFFFFFFFFFFULL

typedef struct {
  tds_column how;
  uint8_t *valid; /* bitmap; NULL until the first NULL of a batch */
  int64_t nulls;
  uint8_t *data;
  int64_t used, capacity; /* bytes of `data` of text and bytes */
  int64_t usual;          /* bytes the last batch used */
  int32_t *offsets;
} column;

struct tds_decoder {
  column *columns;
  int32_t count, bad;
  int64_t max_value, fixed_bytes;
  /* Token bytes [begin, end) without packet headers, then `raw` bytes of an incomplete header. */
  uint8_t *buffer;
  size_t capacity, begin, end, raw, packet_left;
  /* The batch being filled. */
  int64_t rows, row_capacity, text_bytes;
  /* The row being read. */
  int in_row, with_bitmap, bitmap_size;
  int32_t at;
  uint8_t *bitmap;
  /* The long value being read, in chunks. */
  int in_value, in_chunk, carried;
  uint64_t left; /* bytes of the chunk */
  int64_t value_start, wire_size;
  uint8_t carry[4]; /* of a character cut between two chunks */
};

static const uint64_t POWERS[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
                                  1000000000};

static int is_text(const tds_column *how) { return how->as >= AS_TIMESTAMP_TEXT; }

static uint16_t u16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static uint32_t u32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static uint64_t little_endian(const uint8_t *p, size_t size) {
  uint64_t v = 0;
  memcpy(&v, p, size);
  return v;
}

/* --- life ------------------------------------------------------------------------------------ */

tds_decoder *tds_open(const tds_column *columns, int32_t count, int64_t max_value) {
  if (count <= 0) return NULL;
  tds_decoder *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->count = count;
  d->bad = -1;
  d->max_value = max_value < MAX_TEXT ? max_value : MAX_TEXT;
  d->bitmap_size = (count + 7) / 8;
  d->columns = calloc((size_t)count, sizeof *d->columns);
  d->bitmap = calloc((size_t)d->bitmap_size, 1);
  if (!d->columns || !d->bitmap) {
    tds_close(d);
    return NULL;
  }
  for (int32_t i = 0; i < count; i++) {
    d->columns[i].how = columns[i];
    d->fixed_bytes += is_text(&columns[i]) ? 4 : columns[i].width;
  }
  return d;
}

static void drop_batch(tds_decoder *d) {
  for (int32_t i = 0; i < d->count; i++) {
    column *c = &d->columns[i];
    free(c->valid);
    free(c->data);
    free(c->offsets);
    c->valid = c->data = NULL;
    c->offsets = NULL;
    c->nulls = c->used = c->capacity = 0;
  }
  d->rows = d->row_capacity = d->text_bytes = 0;
}

void tds_close(tds_decoder *d) {
  if (!d) return;
  if (d->columns) drop_batch(d);
  free(d->columns);
  free(d->bitmap);
  free(d->buffer);
  free(d);
}

/* --- bytes in -------------------------------------------------------------------------------- */

uint8_t *tds_room(tds_decoder *d, size_t wanted, size_t *room) {
  size_t held = d->end - d->begin + d->raw;
  if (d->begin) {
    memmove(d->buffer, d->buffer + d->begin, held);
    d->end -= d->begin;
    d->begin = 0;
  }
  if (d->capacity < held + wanted) {
    size_t capacity = held + wanted + SLACK;
    uint8_t *grown = realloc(d->buffer, capacity);
    if (!grown) return NULL;
    d->buffer = grown;
    d->capacity = capacity;
  }
  *room = d->capacity - held;
  return d->buffer + held;
}

int32_t tds_seed(tds_decoder *d, const uint8_t *payload, size_t size) {
  size_t room;
  uint8_t *tail = tds_room(d, size, &room);
  if (!tail) return OUT_OF_MEMORY;
  if (size) memcpy(tail, payload, size);
  d->end += size;
  return 0;
}

int32_t tds_fed(tds_decoder *d, size_t size) {
  uint8_t *from = d->buffer + d->end, *to = from, *stop = from + d->raw + size;
  while (from < stop) {
    if (!d->packet_left) {
      if (stop - from < PACKET_HEADER) break;
      size_t length = (size_t)from[2] << 8 | from[3];
      if (length < PACKET_HEADER) return BAD_STREAM;
      d->packet_left = length - PACKET_HEADER;
      from += PACKET_HEADER;
      continue;
    }
    size_t part = (size_t)(stop - from) < d->packet_left ? (size_t)(stop - from) : d->packet_left;
    if (to != from) memmove(to, from, part);
    to += part;
    from += part;
    d->packet_left -= part;
  }
  d->end = (size_t)(to - d->buffer);
  d->raw = (size_t)(stop - from);
  if (d->raw && to != from) memmove(to, from, d->raw);
  return 0;
}

const uint8_t *tds_pending(const tds_decoder *d, size_t *size) {
  *size = d->end - d->begin;
  return d->buffer ? d->buffer + d->begin : NULL;
}

void tds_skip(tds_decoder *d, size_t size) {
  size_t held = d->end - d->begin;
  d->begin += size < held ? size : held;
}

int32_t tds_bad_column(const tds_decoder *d) { return d->bad; }

/* --- a batch --------------------------------------------------------------------------------- */

static size_t bitmap_bytes(int64_t rows) { return (size_t)((rows + 7) / 8) + SLACK; }

static int begin_batch(tds_decoder *d, int64_t rows) {
  for (int32_t i = 0; i < d->count; i++) {
    column *c = &d->columns[i];
    if (is_text(&c->how)) {
      c->capacity = c->usual + c->usual / 16 + 1024;
      c->offsets = malloc((size_t)(rows + 1) * 4 + SLACK);
      if (!c->offsets) return OUT_OF_MEMORY;
      c->offsets[0] = 0;
      c->data = malloc((size_t)c->capacity + SLACK);
    } else if (c->how.as == AS_BIT) {
      c->data = calloc(1, bitmap_bytes(rows));
    } else {
      c->data = malloc((size_t)rows * c->how.width + SLACK);
    }
    if (!c->data) return OUT_OF_MEMORY;
  }
  d->row_capacity = rows;
  return 0;
}

static int reserve(column *c, int64_t more) {
  if (c->used + more <= c->capacity) return 0;
  if (c->used + more > MAX_TEXT) return VALUE_TOO_LARGE;
  int64_t capacity = c->capacity + c->capacity / 2;
  if (capacity < c->used + more) capacity = c->used + more;
  uint8_t *grown = realloc(c->data, (size_t)capacity + SLACK);
  if (!grown) return OUT_OF_MEMORY;
  c->data = grown;
  c->capacity = capacity;
  return 0;
}

static int set_null(tds_decoder *d, column *c) {
  int64_t row = d->rows;
  if (!c->valid) {
    size_t size = bitmap_bytes(d->row_capacity);
    c->valid = malloc(size);
    if (!c->valid) return OUT_OF_MEMORY;
    memset(c->valid, 0xFF, size);
  }
  c->valid[row >> 3] &= (uint8_t)~(1u << (row & 7));
  c->nulls++;
  if (c->offsets) c->offsets[row + 1] = (int32_t)c->used;
  else if (c->how.width) memset(c->data + row * c->how.width, 0, c->how.width);
  return 0;
}

typedef struct {
  void *owned[3];
  const void *shown[3];
} buffers;

static void release_column(struct ArrowArray *array) {
  buffers *b = array->private_data;
  for (int i = 0; i < 3; i++) free(b->owned[i]);
  free(b);
  array->release = NULL;
}

static void release_batch(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    struct ArrowArray *child = array->children[i];
    if (child->release) child->release(child);
    free(child);
  }
  free(array->children);
  free(array->buffers);
  array->release = NULL;
}

/* Give back what was reserved and not used, when it is worth a call. */
static uint8_t *fitting(uint8_t *data, int64_t used, int64_t capacity) {
  if (capacity - used < 65536 || capacity - used < capacity / 4) return data;
  uint8_t *shrunk = realloc(data, (size_t)used + SLACK);
  return shrunk ? shrunk : data;
}

static void move_column(column *c, int64_t rows, int64_t capacity, struct ArrowArray *out,
                        buffers *b) {
  if (c->offsets) {
    c->data = fitting(c->data, c->used, c->capacity);
    c->usual = c->used;
  } else if (c->how.width) {
    c->data = fitting(c->data, rows * c->how.width, capacity * c->how.width);
  }
  b->owned[0] = c->valid;
  b->owned[1] = c->offsets ? (void *)c->offsets : c->data;
  b->owned[2] = c->offsets ? c->data : NULL;
  for (int k = 0; k < 3; k++) b->shown[k] = b->owned[k];
  out->length = rows;
  out->null_count = c->nulls;
  out->n_buffers = c->offsets ? 3 : 2;
  out->buffers = b->shown;
  out->private_data = b;
  out->release = release_column;
  c->valid = c->data = NULL;
  c->offsets = NULL;
  c->nulls = c->used = c->capacity = 0;
}

int64_t tds_flush(tds_decoder *d, struct ArrowArray *out) {
  int64_t rows = d->rows;
  memset(out, 0, sizeof *out);
  if (!rows) return 0;
  out->children = calloc((size_t)d->count, sizeof *out->children);
  out->buffers = calloc(1, sizeof *out->buffers);
  out->release = release_batch;
  if (!out->children || !out->buffers) goto failed;
  for (int32_t i = 0; i < d->count; i++) {
    struct ArrowArray *child = calloc(1, sizeof *child);
    buffers *b = calloc(1, sizeof *b);
    if (!child || !b) {
      free(child);
      free(b);
      goto failed;
    }
    move_column(&d->columns[i], rows, d->row_capacity, child, b);
    out->children[out->n_children++] = child;
  }
  out->length = rows;
  out->n_buffers = 1;
  d->rows = d->row_capacity = d->text_bytes = 0;
  return rows;
failed:
  release_batch(out);
  drop_batch(d);
  return OUT_OF_MEMORY;
}

/* --- text ------------------------------------------------------------------------------------ */

static uint8_t *put_utf8(uint8_t *to, uint32_t u) {
  if (u < 0x80) {
    *to++ = (uint8_t)u;
  } else if (u < 0x800) {
    *to++ = (uint8_t)(0xC0 | u >> 6);
    *to++ = (uint8_t)(0x80 | (u & 63));
  } else if (u < 0x10000) {
    *to++ = (uint8_t)(0xE0 | u >> 12);
    *to++ = (uint8_t)(0x80 | (u >> 6 & 63));
    *to++ = (uint8_t)(0x80 | (u & 63));
  } else {
    *to++ = (uint8_t)(0xF0 | u >> 18);
    *to++ = (uint8_t)(0x80 | (u >> 12 & 63));
    *to++ = (uint8_t)(0x80 | (u >> 6 & 63));
    *to++ = (uint8_t)(0x80 | (u & 63));
  }
  return to;
}

/* Bytes of `size` taken; fewer when the rest is half of a character and `last` is not set.
 * LONE_SURROGATE when a surrogate has no partner. `to` needs 3 bytes for 2, and SLACK. */
static int64_t utf16_to_utf8(uint8_t **out, const uint8_t *s, size_t size, int last) {
  const uint8_t *p = s, *stop = s + (size & ~(size_t)1);
  uint8_t *to = *out;
  while (p < stop) {
#if defined(__SSE2__)
    const __m128i high = _mm_set1_epi16((short)0xFF80);
    while (stop - p >= 16) {
      __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
      __m128i ascii = _mm_cmpeq_epi16(_mm_and_si128(v, high), _mm_setzero_si128());
      if (_mm_movemask_epi8(ascii) != 0xFFFF) break;
      _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(v, v));
      to += 8;
      p += 16;
    }
#endif
    for (int k = 0; k < 8 && p < stop; k++) {
      uint32_t u = u16(p);
      if (u < 0xD800 || u >= 0xE000) {
        to = put_utf8(to, u);
        p += 2;
        continue;
      }
      if (u >= 0xDC00) return LONE_SURROGATE;
      if (stop - p < 4) {
        if (last) return LONE_SURROGATE;
        stop = p;
        break;
      }
      uint32_t low = u16(p + 2);
      if (low < 0xDC00 || low >= 0xE000) return LONE_SURROGATE;
      to = put_utf8(to, 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00));
      p += 4;
    }
  }
  *out = to;
  return p - s;
}

static uint8_t *code_page_to_utf8(uint8_t *to, const uint8_t *p, size_t size,
                                  const uint16_t *table) {
  const uint8_t *stop = p + size;
  while (p < stop) {
#if defined(__SSE2__)
    while (stop - p >= 16) {
      __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
      if (_mm_movemask_epi8(v)) break;
      _mm_storeu_si128((__m128i *)(void *)to, v);
      to += 16;
      p += 16;
    }
#endif
    for (int k = 0; k < 16 && p < stop; k++, p++)
      to = *p < 0x80 ? (*to = *p, to + 1) : put_utf8(to, table[*p - 0x80]);
  }
  return to;
}

static int is_utf8(const uint8_t *p, size_t size) {
  const uint8_t *stop = p + size;
  while (p < stop) {
    uint32_t u = *p;
    int more = u < 0x80 ? 0 : u >= 0xC2 && u < 0xE0 ? 1 : u >= 0xE0 && u < 0xF0 ? 2
               : u >= 0xF0 && u < 0xF5            ? 3
                                                  : -1;
    if (more < 0 || stop - p <= more) return 0;
    for (int k = 1; k <= more; k++)
      if ((p[k] & 0xC0) != 0x80) return 0;
    if ((u == 0xE0 && p[1] < 0xA0) || (u == 0xED && p[1] > 0x9F) || (u == 0xF0 && p[1] < 0x90) ||
        (u == 0xF4 && p[1] > 0x8F))
      return 0;
    p += more + 1;
  }
  return 1;
}

static void put_digits(uint8_t *to, uint32_t value, int width) {
  for (int k = width - 1; k >= 0; k--) {
    to[k] = (uint8_t)('0' + value % 10);
    value /= 10;
  }
}

/* Civil date of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static void put_date(uint8_t *to, int64_t day) {
  int64_t z = day + 719468, era = z / 146097;
  uint32_t of_era = (uint32_t)(z - era * 146097);
  uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  uint32_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
  uint32_t month = m < 10 ? m + 3 : m - 9;
  put_digits(to, (uint32_t)(year + era * 400 + (month <= 2)), 4);
  to[4] = '-';
  put_digits(to + 5, month, 2);
  to[7] = '-';
  put_digits(to + 8, of_year - (153 * m + 2) / 5 + 1, 2);
}

/* `YYYY-MM-DD HH:MM:SS[.fffffff]`; returns its length. `ticks` are 10^-scale seconds of the day. */
static int put_moment(uint8_t *to, int64_t day, uint64_t ticks, int scale) {
  uint32_t seconds = (uint32_t)(ticks / POWERS[scale]);
  put_date(to, day);
  to[10] = ' ';
  put_digits(to + 11, seconds / 3600, 2);
  to[13] = ':';
  put_digits(to + 14, seconds / 60 % 60, 2);
  to[16] = ':';
  put_digits(to + 17, seconds % 60, 2);
  if (!scale) return 19;
  to[19] = '.';
  put_digits(to + 20, (uint32_t)(ticks % POWERS[scale]), scale);
  return 20 + scale;
}

static void put_guid(uint8_t *to, const uint8_t *p) {
  static const uint8_t order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  static const char hex[] = "0123456789abcdef";
  for (int k = 0; k < 16; k++) {
    if (k == 4 || k == 6 || k == 8 || k == 10) *to++ = '-';
    *to++ = (uint8_t)hex[p[order[k]] >> 4];
    *to++ = (uint8_t)hex[p[order[k]] & 15];
  }
}

/* --- values of a known length ---------------------------------------------------------------- */

static int time_bytes(int scale) { return scale <= 2 ? 3 : scale <= 4 ? 4 : 5; }

static int put_decimal(uint8_t *to, const uint8_t *p, size_t size) {
  if (size != 5 && size != 9 && size != 13 && size != 17) return BAD_STREAM;
  uint64_t words[2] = {0, 0};
  memcpy(words, p + 1, size - 1);
  if (!p[0]) {
    words[0] = ~words[0] + 1;
    words[1] = ~words[1] + (words[0] == 0);
  }
  memcpy(to, words, 16);
  return 0;
}

static int put_money(uint8_t *to, const uint8_t *p, size_t size) {
  int64_t value;
  if (size == 8) {
    value = (int64_t)((uint64_t)u32(p) << 32 | u32(p + 4)); /* high half first */
  } else if (size == 4) {
    int32_t small;
    memcpy(&small, p, 4);
    value = small;
  } else {
    return BAD_STREAM;
  }
  int64_t high = value < 0 ? -1 : 0;
  memcpy(to, &value, 8);
  memcpy(to + 8, &high, 8);
  return 0;
}

static int put_int(const column *c, uint8_t *to, const uint8_t *p, size_t size) {
  if (size == 1 && c->how.width == 2) {
    uint16_t widened = *p;
    memcpy(to, &widened, 2);
    return 0;
  }
  if (size != c->how.width) return BAD_STREAM;
  memcpy(to, p, size);
  return 0;
}

/* Day and ticks of a datetime2 or datetimeoffset, whose time is in front of its date. */
static int read_moment(const column *c, const uint8_t *p, size_t size, size_t extra, int64_t *day,
                       uint64_t *ticks) {
  size_t time = (size_t)time_bytes(c->how.scale);
  if (c->how.scale > 7 || size != time + 3 + extra) return BAD_STREAM;
  *ticks = little_endian(p, time);
  int64_t days = (int64_t)little_endian(p + time, 3);
  if (days > MAX_DAYS || *ticks >= 86400 * POWERS[c->how.scale]) return BAD_STREAM;
  *day = days - DAYS_TO_1970;
  return 0;
}

static int put_time(const column *c, uint8_t *to, const uint8_t *p, size_t size) {
  if (c->how.scale > 7 || size != (size_t)time_bytes(c->how.scale)) return BAD_STREAM;
  uint64_t ticks = little_endian(p, size);
  if (ticks >= 86400 * POWERS[c->how.scale]) return BAD_STREAM;
  ticks *= POWERS[c->how.unit - c->how.scale];
  memcpy(to, &ticks, 8);
  return 0;
}

static int put_timestamp(const column *c, uint8_t *to, const uint8_t *p, size_t size) {
  int64_t day;
  uint64_t ticks;
  int status = read_moment(c, p, size, 0, &day, &ticks);
  if (status) return status;
  int64_t value = day * (int64_t)(86400 * POWERS[c->how.unit]) +
                  (int64_t)(ticks * POWERS[c->how.unit - c->how.scale]);
  memcpy(to, &value, 8);
  return 0;
}

static int put_datetime(uint8_t *to, const uint8_t *p, size_t size) {
  int64_t value;
  if (size == 8) {
    int32_t days;
    memcpy(&days, p, 4);
    uint32_t ticks = u32(p + 4); /* 1/300 s; the server shows them rounded to milliseconds */
    if (ticks >= 300u * 86400u) return BAD_STREAM;
    value = ((int64_t)days - DAYS_1900_TO_1970) * 86400000 + ((int64_t)ticks * 10 + 1) / 3;
  } else if (size == 4) {
    value = ((int64_t)u16(p) - DAYS_1900_TO_1970) * 86400000 + (int64_t)u16(p + 2) * 60000;
  } else {
    return BAD_STREAM;
  }
  memcpy(to, &value, 8);
  return 0;
}

static int put_offset_text(column *c, const uint8_t *p, size_t size) {
  int64_t day;
  uint64_t ticks;
  int status = read_moment(c, p, size, 2, &day, &ticks);
  if (status) return status;
  int16_t minutes;
  memcpy(&minutes, p + size - 2, 2);
  if (minutes < -840 || minutes > 840) return BAD_STREAM;
  /* Date and time are in UTC; people see local time. */
  int64_t day_ticks = (int64_t)(86400 * POWERS[c->how.scale]);
  int64_t local = (int64_t)ticks + minutes * 60 * (int64_t)POWERS[c->how.scale];
  if (local < 0) {
    local += day_ticks;
    day--;
  } else if (local >= day_ticks) {
    local -= day_ticks;
    day++;
  }
  if (day < -DAYS_TO_1970 || day > MAX_DAYS - DAYS_TO_1970) return BAD_STREAM;
  uint8_t *to = c->data + c->used;
  int length = put_moment(to, day, (uint64_t)local, c->how.scale);
  uint32_t distance = (uint32_t)(minutes < 0 ? -minutes : minutes);
  to[length++] = ' ';
  to[length++] = minutes < 0 ? '-' : '+';
  put_digits(to + length, distance / 60, 2);
  to[length + 2] = ':';
  put_digits(to + length + 3, distance % 60, 2);
  c->used += length + 5;
  return 0;
}

static int put_timestamp_text(column *c, const uint8_t *p, size_t size) {
  int64_t day;
  uint64_t ticks;
  int status = read_moment(c, p, size, 0, &day, &ticks);
  if (status) return status;
  c->used += put_moment(c->data + c->used, day, ticks, c->how.scale);
  return 0;
}

/* Append bytes of a text or binary value. Returns how many were taken, or an answer < 0. */
static int64_t put_text(column *c, const uint8_t *p, size_t size, int last) {
  int64_t most = c->how.as == AS_BYTES || c->how.as == AS_UTF8 ? (int64_t)size
                 : c->how.as == AS_UTF16                       ? (int64_t)(size / 2 * 3)
                                                               : (int64_t)size * 3;
  int status = reserve(c, most);
  if (status) return status;
  uint8_t *to = c->data + c->used;
  int64_t taken = (int64_t)size;
  switch (c->how.as) {
    case AS_UTF16:
      if (last && size & 1) return BAD_STREAM;
      taken = utf16_to_utf8(&to, p, size, last);
      if (taken < 0) return taken;
      break;
    case AS_CODE_PAGE:
      to = code_page_to_utf8(to, p, size, c->how.table);
      break;
    default:
      memcpy(to, p, size);
      to += size;
  }
  c->used = to - c->data;
  return taken;
}

/* One value that lies whole in the buffer and is not NULL. */
static int put_value(tds_decoder *d, column *c, const uint8_t *p, size_t size) {
  int64_t row = d->rows;
  uint8_t *to = c->data + row * c->how.width;
  int status = 0;
  switch (c->how.as) {
    case AS_INT: return put_int(c, to, p, size);
    case AS_FLOAT:
      if (size != c->how.width) return BAD_STREAM;
      memcpy(to, p, size);
      return 0;
    case AS_BIT:
      if (size != 1) return BAD_STREAM;
      if (*p) c->data[row >> 3] |= (uint8_t)(1u << (row & 7));
      return 0;
    case AS_DECIMAL: return put_decimal(to, p, size);
    case AS_MONEY: return put_money(to, p, size);
    case AS_DATE: {
      if (size != 3) return BAD_STREAM;
      int32_t days = (int32_t)little_endian(p, 3);
      if (days > MAX_DAYS) return BAD_STREAM;
      days -= DAYS_TO_1970;
      memcpy(to, &days, 4);
      return 0;
    }
    case AS_TIME: return put_time(c, to, p, size);
    case AS_TIMESTAMP: return put_timestamp(c, to, p, size);
    case AS_DATETIME: return put_datetime(to, p, size);
    case AS_TIMESTAMP_TEXT:
      status = reserve(c, 32);
      if (!status) status = put_timestamp_text(c, p, size);
      break;
    case AS_OFFSET_TEXT:
      status = reserve(c, 40);
      if (!status) status = put_offset_text(c, p, size);
      break;
    case AS_GUID_TEXT:
      if (size != 16) return BAD_STREAM;
      status = reserve(c, 36);
      if (status) break;
      put_guid(c->data + c->used, p);
      c->used += 36;
      break;
    default: {
      if (c->how.as == AS_UTF8 && !is_utf8(p, size)) return BAD_UTF8;
      int64_t taken = put_text(c, p, size, 1);
      if (taken < 0) status = (int)taken;
    }
  }
  return status;
}

/* --- values in pieces ------------------------------------------------------------------------ */

static void begin_long(tds_decoder *d, const column *c, int in_chunk, uint64_t left) {
  d->in_value = 1;
  d->in_chunk = in_chunk;
  d->left = left;
  d->value_start = c->used;
  d->wire_size = 0;
  d->carried = 0;
}

/* End a long value: some text can be checked only now that it is whole. */
static int end_long(tds_decoder *d, column *c) {
  int64_t size = c->used - d->value_start;
  d->in_value = 0;
  if (d->carried) return d->carried & 1 ? BAD_STREAM : LONE_SURROGATE;
  if (c->how.as == AS_UTF8 && !is_utf8(c->data + d->value_start, (size_t)size)) return BAD_UTF8;
  c->offsets[d->rows + 1] = (int32_t)c->used;
  d->text_bytes += size;
  return 1;
}

/* Complete a character that was cut between two chunks, a byte at a time. */
static int carry(tds_decoder *d, column *c, uint8_t byte) {
  d->carry[d->carried++] = byte;
  if (d->carried & 1) return 0;
  int64_t taken = put_text(c, d->carry, (size_t)d->carried, 0);
  if (taken < 0) return (int)taken;
  if (taken) d->carried = 0;
  return 0;
}

/* Copy a piece of a chunk. The bytes taken may be fewer than `size`, by half of a character that
 * goes on in bytes still to come. */
static int64_t put_piece(tds_decoder *d, column *c, const uint8_t *p, size_t size) {
  int64_t units = c->how.as == AS_UTF16 ? 2 : 1;
  if ((d->wire_size + (int64_t)size) / units > d->max_value) return VALUE_TOO_LARGE;
  if (d->carried) {
    int status = carry(d, c, *p);
    return status ? status : 1;
  }
  int64_t taken = put_text(c, p, size, 0);
  if (taken < 0 || (size_t)taken == size || size < d->left) return taken;
  while ((size_t)taken < size) d->carry[d->carried++] = p[taken++];
  return taken;
}

/* 1 when the value is whole, NEED_BYTES, or what is wrong. */
static int read_long(tds_decoder *d, column *c, const uint8_t **from, const uint8_t *stop) {
  for (;;) {
    if (!d->in_chunk) {
      if (c->how.length == LENGTH_POINTER) return end_long(d, c);
      if (stop - *from < 4) return NEED_BYTES;
      d->left = u32(*from);
      *from += 4;
      if (!d->left) return end_long(d, c);
      d->in_chunk = 1;
    }
    while (d->left) {
      size_t size = (size_t)(stop - *from);
      if (size > d->left) size = (size_t)d->left;
      if (!size) return NEED_BYTES;
      int64_t taken = put_piece(d, c, *from, size);
      if (taken <= 0) return (int)taken;
      *from += taken;
      d->left -= (uint64_t)taken;
      d->wire_size += taken;
    }
    d->in_chunk = 0;
  }
}

/* --- rows ------------------------------------------------------------------------------------ */

/* Find the next value. 1: it is [*value, *value + *size); 2: it is NULL; 3: it is long and begins
 * at *from; or NEED_BYTES. */
static int find_value(tds_decoder *d, const column *c, const uint8_t **from, const uint8_t *stop,
                      const uint8_t **value, size_t *size) {
  const uint8_t *p = *from;
  size_t there = (size_t)(stop - p), head = 0;
  switch (c->how.length) {
    case LENGTH_FIXED:
      *size = c->how.wire;
      break;
    case LENGTH_BYTE:
      if (there < 1) return NEED_BYTES;
      head = 1;
      *size = *p;
      if (!*size) {
        *from = p + 1;
        return 2;
      }
      break;
    case LENGTH_SHORT:
      if (there < 2) return NEED_BYTES;
      head = 2;
      *size = u16(p);
      if (*size == 0xFFFF) {
        *from = p + 2;
        return 2;
      }
      break;
    case LENGTH_PARTIAL:
      if (there < 8) return NEED_BYTES;
      *from = p + 8;
      if (little_endian(p, 8) == NULL_PARTIAL) return 2;
      begin_long(d, c, 0, 0);
      return 3;
    default: /* LENGTH_POINTER: a text pointer, a timestamp, a length */
      if (there < 1) return NEED_BYTES;
      if (!*p) {
        *from = p + 1;
        return 2;
      }
      head = 1 + (size_t)*p + 8 + 4;
      if (there < head) return NEED_BYTES;
      *from = p + head;
      begin_long(d, c, 1, u32(p + head - 4));
      return 3;
  }
  if (there < head + *size) return NEED_BYTES;
  *value = p + head;
  *from = p + head + *size;
  return 1;
}

/* 1 when the row is whole, NEED_BYTES, or what is wrong. */
static int read_row(tds_decoder *d) {
  const uint8_t *p = d->buffer + d->begin, *stop = d->buffer + d->end, *value = NULL;
  size_t size = 0;
  int status = 1;
  while (d->at < d->count) {
    column *c = &d->columns[d->at];
    if (d->in_value) {
      status = read_long(d, c, &p, stop);
    } else if (d->with_bitmap && d->bitmap[d->at >> 3] >> (d->at & 7) & 1) {
      status = set_null(d, c) ? OUT_OF_MEMORY : 1;
    } else {
      const uint8_t *start = p;
      int64_t before = c->used;
      status = find_value(d, c, &p, stop, &value, &size);
      if (status == 3) continue;
      if (status == 2) {
        status = set_null(d, c) ? OUT_OF_MEMORY : 1;
      } else if (status == 1) {
        int wrong = put_value(d, c, value, size);
        if (wrong) {
          status = wrong;
          p = start; /* so that the caller can show it */
        } else if (c->offsets) {
          c->offsets[d->rows + 1] = (int32_t)c->used;
          d->text_bytes += c->used - before;
        }
      }
    }
    if (status != 1) break;
    d->at++;
  }
  d->begin = (size_t)(p - d->buffer);
  if (status < 0) d->bad = d->at;
  return status;
}

/* 1 when a row begins, NEED_BYTES, or OTHER_TOKEN. */
static int begin_row(tds_decoder *d) {
  size_t there = d->end - d->begin;
  if (!there) return NEED_BYTES;
  const uint8_t *p = d->buffer + d->begin;
  d->with_bitmap = *p == TOKEN_NBCROW;
  if (d->with_bitmap) {
    if (there < 1 + (size_t)d->bitmap_size) return NEED_BYTES;
    memcpy(d->bitmap, p + 1, (size_t)d->bitmap_size);
    d->begin += (size_t)d->bitmap_size;
  } else if (*p != TOKEN_ROW) {
    return OTHER_TOKEN;
  }
  d->begin++;
  d->in_row = 1;
  d->at = 0;
  return 1;
}

int64_t tds_next(tds_decoder *d, int64_t max_rows, int64_t max_bytes, struct ArrowArray *out) {
  if (max_rows <= 0 || max_rows > MAX_TEXT - 1) return BAD_STREAM;
  for (;;) {
    if (!d->in_row) {
      int64_t bytes = d->rows * d->fixed_bytes + d->text_bytes;
      if (d->rows && (d->rows >= d->row_capacity || bytes + bytes / d->rows >= max_bytes))
        return tds_flush(d, out); /* one more row like these would be too much */
      int status = begin_row(d);
      if (status != 1) return status;
      if (!d->row_capacity && begin_batch(d, max_rows)) {
        drop_batch(d);
        return OUT_OF_MEMORY;
      }
    }
    int status = read_row(d);
    if (status != 1) return status;
    d->in_row = 0;
    d->rows++;
  }
}
