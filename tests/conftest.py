"""Snapshot baselines are SVG files whatever the version of the snapshot library."""

from pytest_textual_snapshot import SVGImageExtension

SVGImageExtension.file_extension = "svg"
