"""Floor 2: a stateful conversation with tools."""
