-- Domains that carry T-SQL types: the result columns of the system views are declared with them,
-- and the catalog reads the T-SQL type back from the domain's name.

CREATE SCHEMA t;
CREATE DOMAIN t.bit AS smallint;
CREATE DOMAIN t.tinyint AS smallint;
CREATE DOMAIN t.datetime AS bigint;
CREATE DOMAIN t.sysname AS text;
CREATE DOMAIN t.char_1 AS text;
CREATE DOMAIN t.char_2 AS text;
CREATE DOMAIN t.char_5 AS text;
CREATE DOMAIN t.varchar_3 AS text;
CREATE DOMAIN t.varchar_10 AS text;
CREATE DOMAIN t.varchar_11 AS text;
CREATE DOMAIN t.varchar_20 AS text;
CREATE DOMAIN t.nvarchar_10 AS text;
CREATE DOMAIN t.nvarchar_20 AS text;
CREATE DOMAIN t.nvarchar_30 AS text;
CREATE DOMAIN t.nvarchar_23 AS text;
CREATE DOMAIN t.nvarchar_1024 AS text;
CREATE DOMAIN t.nvarchar_60 AS text;
CREATE DOMAIN t.nvarchar_128 AS text;
CREATE DOMAIN t.nvarchar_256 AS text;
CREATE DOMAIN t.nvarchar_4000 AS text;
CREATE DOMAIN t.nvarchar_max AS text;
CREATE DOMAIN t.binary_10 AS bytea;
CREATE DOMAIN t.varbinary_10 AS bytea;
CREATE DOMAIN t.varbinary_85 AS bytea;
CREATE DOMAIN t.varbinary_8000 AS bytea;
CREATE DOMAIN t.sql_variant AS bytea;
CREATE DOMAIN t.numeric_38 AS numeric(38);
CREATE DOMAIN t.uniqueidentifier AS uuid;
