# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a value of each type is hashed, so that two values are the same exactly where a dump of them is.

PostgreSQL's own hash of a type is one of equality: 1.0 and 1.00, 0 and -0 or '1 month' and '30 days' are the same to it, so are 1.5 and
-1.5, and an enum or a C(regclass) is hashed by its OID, which a restore gives anew. It is used where equal values are the same ones;
of everything else the text is hashed that a dump has of it. Each column has a seed of its own, so that values of two columns do not
stand for one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_DIRECT = {
    "bool": "hashint4extended({0}::int4, {1})",
    "int2": "hashint2extended({0}, {1})",
    "int4": "hashint4extended({0}, {1})",
    # It folds 64 bits to 32, so that 1 and 2^32 are the same to it.
    "int8": "hashint8extended({0}, {1}) # hashint8extended({0} >> 32, -{1})",
    "oid": "hashoidextended({0}, {1})",
    "uuid": "uuid_hash_extended({0}, {1})",
    "time": "time_hash_extended({0}, {1})",
    "timestamp": "timestamp_hash_extended({0}, {1})",
    "timestamptz": "timestamp_hash_extended(timezone('UTC', {0}), {1})",
    # Their own hash functions cannot be called by SQL.
    "date": "hash_array_extended(ARRAY[{0}], {1})",
    "bytea": "hash_array_extended(ARRAY[{0}], {1})",
    "text": 'hashtextextended({0} COLLATE "C", {1})',
    "varchar": 'hashtextextended({0} COLLATE "C", {1})',
    "float4": 'CASE WHEN {0} = 0 THEN hashtextextended(textin(float4out({0})) COLLATE "C", {1}) ELSE hashfloat4extended({0}, {1}) END',
    "float8": 'CASE WHEN {0} = 0 THEN hashtextextended(textin(float8out({0})) COLLATE "C", {1}) ELSE hashfloat8extended({0}, {1}) END',
}
_WRITTEN = 'hashtextextended({0} COLLATE "C", {1})'

TYPES = """
WITH RECURSIVE used(oid) AS (
  SELECT atttypid FROM pg_attribute WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped
  UNION SELECT unnest('{int8,text,bytea}'::regtype[])::oid
  UNION
  SELECT t.typbasetype FROM used JOIN pg_type t USING (oid) WHERE t.typbasetype <> 0
)
SELECT t.oid::int8 AS oid, t.typname AS name,
       t.oid < 16384 AND t.typnamespace = 'pg_catalog'::regnamespace AS is_built_in,
       t.typbasetype::int8 AS base, p.proname AS output
FROM used JOIN pg_type t USING (oid) JOIN pg_proc p ON p.oid = t.typoutput
"""

# A value of each type of PostgreSQL that is looked at in a hash, of which every bit matters.
_SAMPLES = {
    "bool": "true",
    "int2": "-2",
    "int4": "-70000",
    "int8": "-9007199254740993",
    "oid": "4294967295",
    "date": "infinity",
    "time": "23:59:59.999999",
    "timetz": "23:59:59.999999-11:30",
    "timestamp": "1999-12-31 23:59:59.999999",
    "timestamptz": "1999-12-31 23:59:59.999999-11:30",
    "interval": "1 year -2 months 3 days -04:05:06.000007",
    "uuid": "0b4f9c1e-6a53-4d6e-8e3d-1f7c9a2b5d60",
    "bytea": "\\x00ff10",
    "text": "Az 09~",
    "varchar": "Az 09~",
    "bpchar": "ab  ",
    "name": "Az 09~",
    "char": "x",
    "numeric": "-1234567890.12300",
    "float4": "-0.1",
    "float8": "-0.1",
    "money": "-12.34",
    "json": '{"b": 1.0, "a": [null]}',
    "jsonb": '{"b": 1.00, "a": [null]}',
    "jsonpath": "$.a[*] ? (@ > 1)",
    "xml": "<a b='c'/>",
    "bit": "101",
    "varbit": "10110",
    "inet": "192.0.2.1/24",
    "cidr": "2001:db8::/32",
    "macaddr": "08:00:2b:01:02:03",
    "macaddr8": "08:00:2b:01:02:03:04:05",
    "point": "(0.1,-2)",
    "box": "(1,1),(0,0.1)",
    "circle": "<(0.1,2),3>",
    "line": "{1,-1,0.1}",
    "lseg": "[(0.1,2),(3,4)]",
    "path": "((0.1,2),(3,4))",
    "polygon": "((0.1,2),(3,4),(5,6))",
    "tsvector": "'fat':2A,4 'rat':5B",
    "tsquery": "'fat' & !'rat':*",
    "int4range": "[1,5)",
    "int8range": "[1,5)",
    "numrange": "(1.0,2.00]",
    "daterange": "[2026-01-01,infinity)",
    "tsrange": "[2026-01-01,2026-01-02)",
    "tstzrange": "[2026-01-01Z,2026-01-02Z)",
    "int4multirange": "{[1,5),[7,9)}",
    "int8multirange": "{[1,5),[7,9)}",
    "nummultirange": "{(1.0,2.00]}",
    "datemultirange": "{[2026-01-01,2026-01-02)}",
    "tsmultirange": "{[2026-01-01,2026-01-02)}",
    "tstzmultirange": "{[2026-01-01Z,2026-01-02Z)}",
    "pg_lsn": "16/B374D848",
    "regtype": "pg_catalog.int4",
    "tid": "(7,9)",
    "_int4": "[-1:0]={1,NULL}",
    "_int8": "{1,NULL}",
    "_text": '{Az 09~,NULL,"NULL"}',
    "_numeric": "{1.0,1.00}",
    "_float8": "{-0,NaN}",
}


@dataclass(frozen=True)
class Type:
    """One type as the catalog has it; C(base) is that of a domain, 0 where there is none, C(output) the function that writes its text."""

    oid: int
    name: str
    is_built_in: bool
    base: int
    output: str


class Types:
    """The types that some tables use, with those that their domains restrict."""

    def __init__(self, types: Iterable[Type]) -> None:
        self._types = {one.oid: one for one in types}

    def hashed(self, oid: int, operand: str, seed: int) -> str:
        """SQL for the hash of a value of a type; NULL has one too."""
        one = self._unrestricted(oid)
        form = _DIRECT.get(one.name) if one.is_built_in else None
        if form is None:
            # Never a cast, which anybody can define; format also takes types and their functions whatever schema they are in.
            form, operand = _WRITTEN, f"textin({one.output}({operand}))" if one.is_built_in else f"format('%L', {operand})"
        return f"coalesce({form.format(operand, seed)}, {seed})"

    def plain(self, oid: int) -> str:
        """The name of a type of PostgreSQL itself, also where a domain restricts it; empty for another one."""
        one = self._unrestricted(oid)
        return one.name if one.is_built_in else ""

    def _unrestricted(self, oid: int) -> Type:
        one = self._types[oid]
        while one.base:
            one = self._types[one.base]
        return one

    def samples(self) -> Iterator[tuple[str, str]]:
        """Each type of PostgreSQL itself among them that there is a sample of, and the SQL for the hash of that."""
        for one in sorted(self._types.values(), key=lambda one: one.name):
            if one.is_built_in and one.name in _SAMPLES:
                literal = _SAMPLES[one.name].replace("'", "''")
                yield one.name, self.hashed(one.oid, f"'{literal}'::\"{one.name}\"", 1)


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
