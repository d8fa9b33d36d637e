/* Rows of a TDS answer to Arrow columns, in one pass.
 *
 * The caller owns the socket and pushes bytes in; full batches come out through Arrow's C data
 * interface. Everything is resumable: bytes may end anywhere, also within a value of gigabytes,
 * and nothing is decoded twice. No length is trusted: a value is touched only when all of it, or
 * for a long one the part being copied, lies in the buffer.
 *
 * Source of the formats: MS-TDS 2.2.5.4, 2.2.5.5 and 2.2.7.
 */
#include "internal.h"

enum { TOKEN_ROW = 0xD1, TOKEN_NBCROW = 0xD2, PACKET_HEADER = 8 };
#define NULL_PARTIAL 0xFFFFFFFFFFFFFFFFULL

/* --- life ------------------------------------------------------------------------------------ */

tds_decoder *tds_open(const tds_column *columns, int32_t count, int64_t max_value) {
  if (count <= 0) return NULL;
  tds_decoder *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  blocks_open();
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

void tds_close(tds_decoder *d) {
  if (!d) return;
  if (d->columns) drop_batch(d);
  free(d->columns);
  free(d->bitmap);
  free(d->buffer);
  free(d);
  blocks_close();
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
    size_t capacity = held + wanted;
    uint8_t *grown = realloc(d->buffer, capacity + SLACK);
    if (!grown) return NULL;
    d->buffer = grown;
    d->capacity = capacity;
  }
  *room = d->capacity - held;
  return d->buffer + held;
}

int32_t tds_seed(tds_decoder *d, const uint8_t *payload, size_t size) {
  size_t room;
  if (!size) return 0; /* the metadata filled its packets */
  uint8_t *tail = tds_room(d, size, &room);
  if (!tail) return OUT_OF_MEMORY;
  memcpy(tail, payload, size);
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
  if (d->carried && c->how.as == AS_DOUBLE_BYTE) return BAD_TEXT;
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

/* Put a value that was found, and note where the next text of its column begins. */
static int take_value(tds_decoder *d, column *c, const uint8_t *value, size_t size) {
  int64_t before = c->used;
  int wrong = put_value(d, c, value, size);
  if (wrong || !c->offsets) return wrong;
  c->offsets[d->rows + 1] = (int32_t)c->used;
  d->text_bytes += c->used - before;
  return 0;
}

/* 1 when the row is whole, NEED_BYTES, or what is wrong. */
static int read_row(tds_decoder *d) {
  const uint8_t *p = d->buffer + d->begin, *const stop = d->buffer + d->end;
  const int32_t count = d->count;
  const int with_bitmap = d->with_bitmap;
  int32_t at = d->at;
  int status = 1;
  for (column *c = d->columns + at; at < count; at++, c++) {
    const uint8_t *start = p, *value = NULL;
    size_t size = 0;
    if (d->in_value) status = 3;
    else if (with_bitmap && d->bitmap[at >> 3] >> (at & 7) & 1) status = 2;
    else status = find_value(d, c, &p, stop, &value, &size);
    if (status == 1) {
      int wrong = take_value(d, c, value, size);
      if (!wrong) continue;
      status = wrong;
      p = start; /* so that the caller can show it */
    } else if (status == 2) {
      status = set_null(d, c) ? OUT_OF_MEMORY : 1;
    } else if (status == 3) {
      status = read_long(d, c, &p, stop);
    }
    if (status != 1) break;
  }
  d->at = at;
  d->begin = (size_t)(p - d->buffer);
  if (status < 0) d->bad = at;
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

/* Whether one more row like those there would be too much. */
static int is_full(const tds_decoder *d, int64_t max_bytes) {
  int64_t bytes = d->rows * d->fixed_bytes + d->text_bytes;
  return bytes >= max_bytes / 2 && bytes + bytes / d->rows >= max_bytes;
}

int64_t tds_next(tds_decoder *d, int64_t max_rows, int64_t max_bytes, struct ArrowArray *out) {
  if (max_rows <= 0 || max_rows > MAX_TEXT - 1) return BAD_STREAM;
  for (;;) {
    if (!d->in_row) {
      if (d->rows && (d->rows >= d->row_capacity || is_full(d, max_bytes)))
        return tds_flush(d, out);
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
