"""Floor 1: the stateless LLM API."""
