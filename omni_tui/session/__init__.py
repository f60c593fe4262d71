"""Floor 3: branching sessions that survive."""
