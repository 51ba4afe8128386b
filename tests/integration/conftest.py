# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests import the collection as Ansible does."""

from __future__ import annotations

import os

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader(os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep))
