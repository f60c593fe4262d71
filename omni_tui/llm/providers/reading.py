"""Reads one answer: bytes in, stream events out, and a typed ending whatever came."""

from __future__ import annotations

from omni_tui.core.errors import BrokenStreamError
from omni_tui.core.stream import Failed, StreamEvent
from omni_tui.llm.providers.assembly import Assembly
from omni_tui.llm.providers.faults import Origin, ReportedError, answer_instead_of_stream, to_error
from omni_tui.llm.providers.sse import EventDecoder, decode


class Reading:
    """An answer on its way through the event decoder and the assembly of a dialect."""

    def __init__(self, assembly: Assembly) -> None:
        self.finished = False
        """The answer is over: nothing more needs to be read."""
        self._assembly = assembly
        self._decoder = EventDecoder()

    def take(self, chunk: bytes) -> list[StreamEvent]:
        """The events that `chunk` completes.

        Raises anything when it makes no sense; what came before the fault is kept for `ending`.
        """
        for name, data in self._decoder.feed(chunk):
            self._feed(name, data)
            if self.finished:
                break
        return self._assembly.take()

    def over(self) -> None:
        """No more bytes come: take a last event that only lacks its blank line."""
        for name, data in self._decoder.finish():
            try:
                decode(data)
            except (ValueError, RecursionError):
                return
            self._feed(name, data)

    def ending(
        self, fault: Exception | None, origin: Origin, *, answered: bool
    ) -> list[StreamEvent]:
        """What is left to say: open words closed, then the terminal event.

        A fault after the provider said why it stopped changes nothing: the answer is whole.
        """
        assembly = self._assembly
        try:
            done = assembly.conclude()
        except BrokenStreamError as broken:
            assembly.end_words()
            if fault is None and not self._decoder.found:
                fault = answer_instead_of_stream(self._decoder.stray, origin)
            error = to_error(fault or broken, origin, answered=answered)
            return [*assembly.take(), Failed(error=error, usage=assembly.usage)]
        return [*assembly.take(), done]

    def _feed(self, name: bytes, data: bytes) -> None:
        if data.startswith(b"[DONE]"):
            self.finished = True
            return
        try:
            value = decode(data)
        except ValueError:
            if name == b"error":
                raise ReportedError(data.decode("utf-8", "replace")) from None
            raise
        if name == b"error" or (isinstance(value, dict) and value.get("error")):
            raise ReportedError(value)
        self._assembly.feed(value)
        self.finished = self._assembly.finished
