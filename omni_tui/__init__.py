"""The branching terminal for LLM agents."""
