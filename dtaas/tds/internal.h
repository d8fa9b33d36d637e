/* What the decoder's parts share. See decoder.h and stream.c. */
#ifndef DTAAS_TDS_INTERNAL_H
#define DTAAS_TDS_INTERNAL_H

#include <stdlib.h>
#include <string.h>

#include "decoder.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the decoder is written for little-endian machines"
#endif

enum { SLACK = 64 }; /* bytes behind every buffer, for reads and writes of whole vectors */
#define MAX_TEXT 0x7FFFFFFF

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
  int64_t usual_rows; /* of a batch, by the last one; 0 before */
  /* The row being read. */
  int in_row, with_bitmap, bitmap_size;
  int32_t at;
  uint8_t *bitmap;
  /* The long value being read, in chunks. */
  int in_value, in_chunk, carried;
  uint64_t left; /* bytes of the chunk */
  int64_t value_start, wire_size;
  uint8_t carry[4 + SLACK]; /* of a character cut between two chunks */
};

static inline int is_text(const tds_column *how) { return how->as >= AS_TIMESTAMP_TEXT; }

static inline uint16_t u16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint32_t u32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint64_t u64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* Of 1 to 8 bytes; reads 8, for there is SLACK behind them. */
static inline uint64_t little_endian(const uint8_t *p, size_t size) {
  return u64(p) & UINT64_MAX >> (64 - 8 * size);
}

/* blocks.c */
void blocks_open(void);
void blocks_close(void);
void *block_take(size_t size);
void *block_grow(void *block, size_t size); /* NULL, the block as it was, when out of memory */
void block_give(void *block);

/* batch.c */
int begin_batch(tds_decoder *d, int64_t most_rows);
void drop_batch(tds_decoder *d);
int reserve(column *c, int64_t more); /* 0, VALUE_TOO_LARGE or OUT_OF_MEMORY */
int set_null(tds_decoder *d, column *c);

/* text.c */
int64_t utf16_to_utf8(uint8_t **out, const uint8_t *s, size_t size, int last);
uint8_t *code_page_to_utf8(uint8_t *to, const uint8_t *p, size_t size, const uint16_t *table);
int64_t double_byte_to_utf8(uint8_t **out, const uint8_t *p, size_t size, int last,
                            const uint16_t *table);
int is_utf8(const uint8_t *p, size_t size);
int64_t put_text(column *c, const uint8_t *p, size_t size, int last);

/* values.c */
int put_value(tds_decoder *d, column *c, const uint8_t *p, size_t size);

#endif
