"""How a SQL Server value lies in the storage, and how it gets from there to the wire form.

| base type | PostgreSQL type | value |
|---|---|---|
| bit, tinyint, smallint | smallint | the number; bit is 0 or 1 |
| int / bigint | integer / bigint | the number |
| decimal(p,s), numeric(p,s) | numeric(p,s) | the number |
| money / smallmoney | numeric(19,4) / numeric(10,4) | the number |
| real / float | real / double precision | the number |
| date | date | the date |
| time(n) | bigint | 100 ns ticks since midnight, rounded to n digits |
| datetime2(n) | bigint | 100 ns ticks since 0001-01-01, rounded to n digits |
| smalldatetime | bigint | 100 ns ticks since 0001-01-01, rounded to the minute |
| datetime | bigint | 1/300 s since 1900-01-01 |
| datetimeoffset(n) | bytea | u64 big-endian UTC ticks, u16 big-endian offset minutes + 840 |
| (n)char, (n)varchar, (n)text | text with the collation's twin | see `escape_text` |
| sysname | as nvarchar(128) | |
| xml | text | |
| binary, varbinary, image | bytea | |
| rowversion | bytea | 8 bytes |
| uniqueidentifier | uuid | bytes permuted so that uuid order is SqlGuid order |
| sql_variant | bytea | a header that says the type, then the value in an orderable form |
| hierarchyid, geometry, geography | bytea | the CLR serialisation |

PostgreSQL text holds neither U+0000 nor lone surrogates: `escape_text` moves them to private use
characters of plane 16, and a text that already holds those is refused.
"""
