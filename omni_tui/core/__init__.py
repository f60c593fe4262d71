"""The shared vocabulary of every floor: messages, stream events, usage, tools and errors.

Imports msgspec and the standard library only.
"""
