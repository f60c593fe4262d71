"""The window on a conversation: one virtualised line-API widget."""
