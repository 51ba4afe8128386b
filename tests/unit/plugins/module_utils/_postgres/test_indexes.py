# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a dump rows can break, and what is made on an empty copy of its table alone."""

from __future__ import annotations

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.indexes import Following, divided

PLAIN = [
    "CREATE INDEX i ON public.t USING btree (a);",
    "CREATE INDEX i ON ONLY public.t USING btree (a DESC NULLS LAST, b text_pattern_ops) INCLUDE (c) WITH (fillfactor='50');",
    'CREATE INDEX "i ""x" ON public."T" USING hash ("A b");',
    "CREATE INDEX i ON public.t USING gin (a);",
    'CREATE INDEX i ON public.t USING btree (a COLLATE pg_catalog."C");',
    "CREATE INDEX i ON public.t USING btree (a);\n\nALTER TABLE public.t CLUSTER ON i;",
]
BUILT = [
    "CREATE UNIQUE INDEX i ON public.t USING btree (a);",
    "CREATE INDEX i ON public.t USING btree (lower(a));",
    "CREATE INDEX i ON public.t USING btree (((1 / a)));",
    "CREATE INDEX i ON public.t USING btree (a) WHERE (b > 1);",
    "CREATE INDEX i ON public.t USING btree (a public.odd_ops);",
    "CREATE INDEX i ON public.t USING btree (a COLLATE public.german);",
    "CREATE INDEX i ON public.t USING btree (a);\n\nALTER TABLE ONLY public.t REPLICA IDENTITY USING INDEX i;",
]


def printed(*entries: tuple[int, str, str, str, str]) -> str:
    """As pg_restore prints entries: number, what they need, name, kind and statement."""
    heads = (
        f"--\n-- TOC entry {number} (class 1259 OID {number})\n"
        + (f"-- Dependencies: {needed}\n" if needed else "")
        + f"-- Name: {name}; Type: {kind}; Schema: public; Owner: o\n--\n\n{statement}\n\n\n"
        for number, needed, name, kind, statement in entries
    )
    return "SET x = 1;\n\n" + "".join(heads) + "-- Completed on 2026-11-26\n"


def numbers(following: Following) -> tuple[list[str], list[str]]:
    return [line.split(";")[0] for line in following.built], [line.split(";")[0] for line in following.parsed]


def lines(*wanted: int) -> list[str]:
    return [f"{number}; 1259 {number} SOME public thing o" for number in wanted]


@pytest.mark.parametrize("statement", PLAIN)
def test_an_index_of_plain_columns_takes_any_rows(statement: str) -> None:
    found = divided(lines(7), printed((7, "3 3", "i", "INDEX", statement)))
    assert (len(found.built), found.parsed_indexes, sorted(found.parsed_entries)) == (0, 1, ["INDEX public.i"])
    assert found.parsed == lines(7)


@pytest.mark.parametrize("statement", BUILT)
def test_an_index_that_rows_can_break_is_built(statement: str) -> None:
    found = divided(lines(7), printed((7, "3 3", "i", "INDEX", statement)))
    assert (found.built, found.parsed_indexes, found.parsed_entries) == (lines(7), 0, frozenset())
    assert list(found.parsed) == []


def test_comments_and_ties_go_along_and_views_are_not_filled() -> None:
    said = printed(
        (1, "50", "parent", "INDEX", PLAIN[0]),
        (2, "51 1", "child", "INDEX", PLAIN[0]),
        (3, "1 2", "child", "INDEX ATTACH", "ALTER INDEX public.parent ATTACH PARTITION public.child;"),
        (4, "1", "INDEX parent", "COMMENT", "COMMENT ON INDEX public.parent IS 'x';"),
        (5, "50", "key", "CONSTRAINT", "ALTER TABLE ONLY public.t ADD CONSTRAINT key PRIMARY KEY (a);"),
        (6, "60", "seen", "MATERIALIZED VIEW DATA", "REFRESH MATERIALIZED VIEW public.seen;"),
    )
    found = divided(lines(1, 2, 3, 4, 5, 6), said)
    assert (numbers(found), found.parsed_indexes) == ((["5"], ["1", "2", "3", "4"]), 2)
    assert found.parsed_entries == {"INDEX public.parent", "INDEX public.child", "INDEX ATTACH public.child", "COMMENT public.INDEX parent"}


def test_what_something_else_needs_is_built_and_so_is_what_is_tied_to_it() -> None:
    said = printed(
        (1, "50", "parent", "INDEX", PLAIN[0]),
        (2, "51 1", "child", "INDEX", PLAIN[0]),
        (3, "1 2", "child", "INDEX ATTACH", "ALTER INDEX public.parent ATTACH PARTITION public.child;"),
        (4, "1", "rule", "RULE", "CREATE RULE needs AS ON INSERT TO public.t DO NOTHING;"),
    )
    assert numbers(divided(lines(1, 2, 3, 4), said)) == (["1", "2", "3", "4"], [])


def test_a_database_of_bare_tables_has_no_index_and_no_key() -> None:
    """What pg_restore prints then has a head alone."""
    found = divided(
        [], "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n\n--\n-- PostgreSQL database dump complete\n--\n"
    )
    assert (numbers(found), found.parsed_indexes) == (([], []), 0)


def test_indexes_that_readers_do_not_mind_come_first() -> None:
    kinds = [
        "CONSTRAINT public t key o",
        "INDEX public one o",
        "INDEX ATTACH public one o",
        "INDEX public two o",
        "FK CONSTRAINT public t f o",
    ]
    made = [f"{number}; 1259 {number} {kind}" for number, kind in enumerate(kinds)]
    first, then = Following(made).stages
    assert (first, then) == ([made[1], made[3]], [made[0], made[2], made[4]])
