# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.contents import Entry, differences, entries

HEADER = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET row_security = off;\n\n"
TRAILER = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n"
FUNCTION = "--\n-- Name: f(); Type: FUNCTION; Schema: public; Owner: o\n--\n\nCREATE FUNCTION public.f() RETURNS int;\n\n\n"
STATE = "SET default_tablespace = '';\n\nSET default_table_access_method = heap;\n\n"
TABLE = "--\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\n\nCREATE TABLE public.t (\n    id integer\n);\n\n\n"
INDEX = "--\n-- Name: i; Type: INDEX; Schema: public; Owner: o\n--\n\nCREATE INDEX i ON public.t USING btree (id);\n\n\n"


def test_entries_are_named_and_sorted() -> None:
    found = entries(HEADER + FUNCTION + STATE + TABLE + INDEX + TRAILER)
    assert [entry.identity for entry in found] == ["FUNCTION public.f()", "INDEX public.i", "TABLE public.t"]


def test_an_empty_database_has_none() -> None:
    assert entries(HEADER + TRAILER) == []


def test_an_entry_does_not_depend_on_its_neighbours() -> None:
    whole = entries(HEADER + FUNCTION + STATE + TABLE + INDEX + TRAILER)
    without = entries(HEADER + STATE + TABLE + INDEX + TRAILER)
    assert [(found.kind, found.subject) for found in differences(whole, without)] == [("entry_missing", "FUNCTION public.f()")]


def test_the_access_method_belongs_to_what_is_stored_by_it() -> None:
    whole = entries(HEADER + FUNCTION + STATE + TABLE + INDEX + TRAILER)
    other = entries(HEADER + FUNCTION + STATE.replace("heap", "columnar") + TABLE + INDEX + TRAILER)
    assert [(found.kind, found.subject) for found in differences(whole, other)] == [("entry_changed", "TABLE public.t")]


def test_a_tablespace_is_part_of_what_lies_in_it() -> None:
    usual = entries(HEADER + TABLE + INDEX + TRAILER)
    elsewhere = entries(HEADER + TABLE + INDEX.replace("Owner: o", "Owner: o; Tablespace: fast") + TRAILER)
    assert {entry.owner for entry in elsewhere} == {"o"}
    assert [(found.kind, found.subject) for found in differences(usual, elsewhere)] == [("entry_changed", "INDEX public.i")]


def test_what_is_random_in_a_dump_is_no_difference() -> None:
    one = entries(HEADER + TABLE + TRAILER)
    other = entries((HEADER + TABLE + TRAILER).replace("abc", "xyz"))
    assert differences(one, other) == []


def written(name: str) -> str:
    """A constraint as PostgreSQL writes it first, and again after it was read back."""
    check = {
        "first": "((name)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
        "again": "((name)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))",
        "other": "((name)::text = ANY (ARRAY[('a'::character varying)::text, ('c'::character varying)::text]))",
    }[name]
    return HEADER + TABLE.replace("id integer", f"CONSTRAINT k CHECK ({check})") + TRAILER


def test_casts_and_brackets_can_be_left_out_of_the_comparison() -> None:
    assert differences(entries(written("first")), entries(written("again"))) != []
    assert differences(entries(written("first"), exact=False), entries(written("again"), exact=False)) == []
    assert differences(entries(written("first"), exact=False), entries(written("other"), exact=False)) != []


def test_types_of_casts_are_recognised_whole() -> None:
    types = [
        "text",
        "numeric(10,2)",
        "character varying(20)[]",
        "timestamp without time zone",
        'public."Odd type"',
        "time(3) with time zone",
    ]
    sql = "DEFAULT " + ", ".join(f"'x'::{name}" for name in types)
    plain = "DEFAULT " + ", ".join("'x'" for _ in types)
    with_casts, without = (HEADER + TABLE.replace("id integer", text) + TRAILER for text in (sql, plain))
    assert entries(with_casts, exact=False) == entries(without, exact=False)


def test_a_child_may_have_its_columns_in_the_order_of_its_parents() -> None:
    def child(columns: str) -> list[Entry]:
        return entries(HEADER + TABLE.replace("    id integer\n)", f"{columns}\n)\nINHERITS (public.p)") + TRAILER, exact=False)

    assert child("    b text,\n    a integer") == child("    a integer,\n    b text")
    assert child("    b text,\n    a integer") != child("    a bigint,\n    b text")


def test_a_table_without_storage_does_not_depend_on_its_neighbours() -> None:
    """No access method is chosen for a partitioned table, so what is in force there is that of whatever came before."""
    partitioned = TABLE.replace(");", ")\nPARTITION BY RANGE (id);")
    after_another = entries(HEADER + STATE + TABLE.replace("public.t", "public.s").replace("Name: t", "Name: s") + partitioned + TRAILER)
    assert entries(HEADER + partitioned + TRAILER)[0] in after_another


def test_an_owner_is_given_alike_by_all_releases() -> None:
    """Before 17 pg_restore calls all of these tables."""
    head = "--\n-- Name: s; Type: SEQUENCE; Schema: public; Owner: o\n--\n\n"
    before = f"{head}CREATE SEQUENCE public.s;\n\n\nALTER TABLE public.s OWNER TO o;\n"
    assert entries(before) == entries(before.replace("ALTER TABLE", "ALTER SEQUENCE"))
    assert entries(before) != entries(before.replace("OWNER TO o", "OWNER TO p"))
