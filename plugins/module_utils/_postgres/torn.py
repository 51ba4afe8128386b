# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would be dumped without what it needs."""

from __future__ import annotations

from typing import Any

from .._errors import OpsError
from .cut import Cut
from .selection import few

# What stays and cannot be made without what goes. Objects of an extension come with that.
_TORN = """
WITH gone AS (
  SELECT 'pg_class'::regclass AS classid, oid AS objid FROM unnest(%(gone)s::oid[]) oid
  UNION SELECT 'pg_type'::regclass, unnest(ARRAY[t.oid, t.typarray]) FROM pg_type t
    WHERE t.typrelid = ANY(%(gone)s::oid[]) OR t.typnamespace = ANY(%(schemas)s::oid[])
  UNION SELECT 'pg_namespace'::regclass, unnest(%(schemas)s::oid[])
  UNION SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = ANY(%(schemas)s::oid[])
  UNION SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = ANY(%(schemas)s::oid[])
  UNION SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE opcnamespace = ANY(%(schemas)s::oid[])
  UNION SELECT 'pg_collation'::regclass, oid FROM pg_collation WHERE collnamespace = ANY(%(schemas)s::oid[])
), staying AS (
  SELECT h.* FROM (
    SELECT 'pg_class'::regclass AS classid, c.oid AS objid, coalesce(i.indrelid, c.oid) AS relation
      FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
    UNION ALL SELECT 'pg_constraint'::regclass, oid, conrelid FROM pg_constraint WHERE conparentid = 0
    UNION ALL SELECT 'pg_attrdef'::regclass, oid, adrelid FROM pg_attrdef
    UNION ALL SELECT 'pg_rewrite'::regclass, oid, ev_class FROM pg_rewrite
    UNION ALL SELECT 'pg_trigger'::regclass, oid, tgrelid FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'pg_policy'::regclass, oid, polrelid FROM pg_policy
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxrelid FROM pg_statistic_ext
  ) h WHERE h.relation = ANY(%(stays)s::oid[])
  UNION ALL SELECT 'pg_proc'::regclass, oid, 0 FROM pg_proc WHERE pronamespace <> ALL(%(schemas)s::oid[])
  UNION ALL SELECT 'pg_type'::regclass, oid, 0 FROM pg_type WHERE typrelid = 0 AND typnamespace <> ALL(%(schemas)s::oid[])
  UNION ALL SELECT 'pg_extension'::regclass, oid, 0 FROM pg_extension
  UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 0 FROM pg_event_trigger
)
SELECT DISTINCT pg_describe_object(d.refclassid, d.refobjid, 0) AS needed, CASE
    WHEN d.classid = 'pg_rewrite'::regclass THEN pg_describe_object('pg_class'::regclass, s.relation, 0)
    ELSE pg_describe_object(d.classid, d.objid, 0) END AS what
FROM gone g JOIN pg_depend d ON (d.refclassid, d.refobjid) = (g.classid, g.objid)
JOIN staying s ON (s.classid, s.objid) = (d.classid, d.objid)
WHERE d.deptype IN ('n', 'a')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE (e.classid, e.objid, e.deptype) = (d.classid, d.objid, 'e'))
ORDER BY 2, 1
"""
_KEYS = """
SELECT pg_describe_object('pg_constraint'::regclass, k.oid, 0) AS what, pg_describe_object('pg_class'::regclass, k.confrelid, 0) AS needed
FROM pg_constraint k WHERE k.contype = 'f' AND k.convalidated AND k.confrelid = ANY(%(empty)s::oid[])
  AND k.conrelid = ANY(%(stays)s::oid[]) AND k.conrelid <> ALL(%(empty)s::oid[]) ORDER BY k.conparentid <> 0, 1
"""


def refuse_torn(connection: Any, chosen: Cut, where: str) -> None:
    """What would be dumped without what it needs, so that no restore would end well."""
    if chosen.selected is None:
        return
    torn = [f"{row['what']} needs {row['needed']}" for row in connection.execute(_TORN, chosen.oids)]
    if torn:
        remedy = "Leave out what is named first as well, or leave the other in; of a table also without its rows (exclude_table_data)."
        raise OpsError(
            "The backup would lack what a part of it needs, and could not be restored", where=where, cause=few(torn), remedy=remedy
        )
    keys = [f"{row['what']} needs the rows of {row['needed']}" for row in connection.execute(_KEYS, chosen.oids)]
    if keys:
        remedy = "Leave out the rows of both tables, or of neither."
        raise OpsError(
            "Foreign keys of the backup would miss their rows, and could not be restored", where=where, cause=few(keys), remedy=remedy
        )
