"""Floor 4 for programs: agents behind a protocol instead of a screen."""
