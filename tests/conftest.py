"""What holds for every test: SVG baselines, and no property judged by how fast the machine is."""

from hypothesis import HealthCheck, settings
from pytest_textual_snapshot import SVGImageExtension

# Whatever the version of the snapshot library.
SVGImageExtension.file_extension = "svg"

settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")
