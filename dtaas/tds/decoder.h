/* Rows of a TDS answer to Arrow columns: what Python sees of it. See stream.c. */
#ifndef DTAAS_TDS_DECODER_H
#define DTAAS_TDS_DECODER_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TDS_API __attribute__((visibility("default")))
#else
#define TDS_API
#endif

/* Arrow's C data interface: https://arrow.apache.org/docs/format/CDataInterface.html */
struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

/* How long a value is on the wire. */
enum { LENGTH_FIXED, LENGTH_BYTE, LENGTH_SHORT, LENGTH_PARTIAL, LENGTH_POINTER };

/* What becomes of it. */
enum {
  AS_INT,       /* little-endian integer of 1 (unsigned), 2, 4 or 8 bytes, to `width` bytes */
  AS_FLOAT,     /* 4 or 8 bytes, copied */
  AS_BIT,
  AS_DECIMAL,   /* sign and magnitude to 16 bytes of two's complement */
  AS_MONEY,     /* 4 or 8 bytes to a decimal of scale 4 */
  AS_DATE,      /* days since year 1 to days since 1970 */
  AS_TIME,      /* 10^-scale seconds to 10^-unit seconds */
  AS_TIMESTAMP, /* datetime2 to 10^-unit seconds since 1970 */
  AS_DATETIME,  /* datetime (8 bytes) or smalldatetime (4) to milliseconds since 1970 */
  AS_TIMESTAMP_TEXT,
  AS_OFFSET_TEXT, /* datetimeoffset */
  AS_GUID_TEXT,
  AS_UTF16,
  AS_CODE_PAGE, /* one byte a character, through `table` */
  AS_UTF8,
  AS_BYTES,
  AS_DOUBLE_BYTE /* one or two bytes a character, through `table` */
};

/* Answers of tds_next; more than 0 is the number of rows of a full batch. */
enum {
  NEED_BYTES = 0,
  OTHER_TOKEN = -1,   /* what comes next is no row: see tds_pending */
  BAD_STREAM = -2,    /* a length or token that cannot be; the stream is of no use any more */
  LONE_SURROGATE = -3,
  VALUE_TOO_LARGE = -4,
  OUT_OF_MEMORY = -5,
  BAD_UTF8 = -6,
  BAD_TEXT = -7, /* bytes that are no character of their code page */
  /* Of tds_receive only. */
  SOCKET_CLOSED = -8, /* by the other side */
  TIMED_OUT = -9,
  SOCKET_FAILED = -10 /* see errno */
};

enum { NO_CHARACTER = 0xFFFF, LEAD_BYTE = 0xFFFE };

typedef struct {
  uint8_t length, as;
  uint8_t width; /* bytes of a fixed-length value in Arrow; 0 for bits, text and bytes */
  uint8_t scale, unit;
  uint8_t wire;            /* bytes of a value on the wire where that is fixed */
  uint8_t reserved[2];
  /* UTF-16 units, the caller's. Of a code page of one byte: for the bytes from 128 on. Of one of
   * two: for every byte, LEAD_BYTE where another follows, then for every byte behind a first one
   * from 128 on; NO_CHARACTER where there is none. */
  const uint16_t *table;
} tds_column;

typedef struct tds_decoder tds_decoder;

TDS_API tds_decoder *tds_open(const tds_column *columns, int32_t count, int64_t max_value);
TDS_API void tds_close(tds_decoder *decoder);
/* Payload of whole packets, read before the decoder took over. 0, or OUT_OF_MEMORY. */
TDS_API int32_t tds_seed(tds_decoder *decoder, const uint8_t *payload, size_t size);
/* Where the next bytes from the network go, at least `wanted` of them; NULL when out of memory. */
TDS_API uint8_t *tds_room(tds_decoder *decoder, size_t wanted, size_t *room);
TDS_API int32_t tds_fed(tds_decoder *decoder, size_t size); /* 0, or BAD_STREAM */
TDS_API int64_t tds_next(tds_decoder *d, int64_t max_rows, int64_t max_bytes, struct ArrowArray *o);
/* The same, and receives what is missing, with room for at least `wanted` bytes each time. Each wait
 * for the server lasts `timeout_ms` at most, negative for no limit. The socket stays the caller's. */
TDS_API int64_t tds_receive(tds_decoder *d, int fd, int timeout_ms, size_t wanted, int64_t max_rows,
                            int64_t max_bytes, struct ArrowArray *o);
TDS_API int64_t tds_flush(tds_decoder *decoder, struct ArrowArray *out); /* rows; what is there */
TDS_API const uint8_t *tds_pending(const tds_decoder *decoder, size_t *size);
TDS_API void tds_skip(tds_decoder *decoder, size_t size);
TDS_API int32_t tds_bad_column(const tds_decoder *decoder);

#endif
