# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the images of our own, pushes what a registry lacks, and prints the inventory lines with their digests."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from lab import labs, products
from lab.errors import LabError
from lab.progress import Progress


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registry", required=True, help="host[:port][/prefix] that the nodes pull from and skopeo may push to")
    parser.add_argument("--plain-http", action="store_true", help="the registry has no TLS")
    parser.add_argument("--output", type=Path, help="write the inventory lines to this file too")
    options = parser.parse_args()
    progress = Progress()
    registry = options.registry.rstrip("/")
    try:
        catalog = labs.make_artifacts(progress)
        found = products.make_all(registry, registry, catalog, progress, plain_http=options.plain_http)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    lines = yaml.safe_dump({"app_stack_images": found}, width=1000)
    print(f"\n{progress.summary()}\n\n{lines}", end="")
    if options.output:
        options.output.write_text(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
