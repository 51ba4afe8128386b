# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import guide
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.guide import Roles

from tests.unit.plugins.module_utils._postgres import backups

DATABASE = backups.manifest().database


def test_it_names_the_database_and_the_moment() -> None:
    text = guide.text(DATABASE, "15.18", "2026-11-25T21:17:01Z", 4, 1_234_567, roles=Roles())
    assert "the database `endpoint_stats` of PostgreSQL 15.18 as it was at 2026-11-25T21:17:01Z" in text
    assert "programs of PostgreSQL 15 or newer" in text
    assert 'pg_restore --exit-on-error --create --jobs=4 --dbname=postgres "$DUMP"' in text
    assert "1,234,567 bytes in a directory" in text
    assert "--owner=owner --encoding=UTF8 --lc-collate=C.UTF-8 --lc-ctype=C.UTF-8" in text
    assert "$" not in text.replace('"$DATABASE"', "").replace('"$DUMP"', "").replace('"${DUMP:-', "")


def test_odd_names_are_quoted_for_the_shell_and_for_sql() -> None:
    text = guide.text(replace(DATABASE, name='a"b; rm $x', owner="o o"), "15.18", "", 1, 0, roles=Roles())
    assert "export DATABASE='a\"b; rm $x'\n" in text
    assert "export DATABASE='a\"b; rm $x__by_hand'\n" in text
    assert "'--owner=o o'" in text
    assert 'ALTER DATABASE "a""b; rm $x" RENAME TO "a""b; rm $x__before";' in text


@pytest.mark.parametrize(
    ("provider", "options"),
    [("icu", "--locale-provider=icu --icu-locale=de-DE"), ("builtin", "--locale-provider=builtin --builtin-locale=de-DE")],
)
def test_other_providers_of_locales_are_named(provider: str, options: str) -> None:
    assert options in guide.text(replace(DATABASE, locale_provider=provider, locale="de-DE"), "17.1", "", 1, 0, roles=Roles())


def test_encrypted_roles_are_decrypted_on_the_way() -> None:
    text = guide.text(DATABASE, "15.18", "", 1, 0, roles=Roles("globals.sql.age"))
    assert 'age --decrypt --identity "$IDENTITY" globals.sql.age | psql --no-psqlrc --dbname=postgres\n' in text
    assert ("no passwords afterwards" in text, "--file=globals.sql" in text) == (True, False)
    assert "have their passwords" in guide.text(DATABASE, "15.18", "", 1, 0, roles=Roles("globals.sql.age", passwords=True))
