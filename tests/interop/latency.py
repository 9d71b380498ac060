"""A TCP proxy that delays both directions, as a network does."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

__all__ = ["LatencyProxy"]


class LatencyProxy:
    """Forwards to a local port; what is sent arrives ``delay`` seconds later.

    Args:
        port: Where to.
        delay: Seconds, each way.
    """

    def __init__(self, port: int, delay: float) -> None:
        self._target = port
        self._delay = delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LatencyProxy:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        self._server.close()
        # What was accepted at the last moment has a task that has not begun.
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Transports close in the next round.
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            upstream, onward = await asyncio.open_connection("127.0.0.1", self._target)
            writers.append(onward)
            await asyncio.gather(self._pipe(reader, onward), self._pipe(upstream, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in writers:
                each.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Each chunk has its own timer: a delay, and no limit of what is on its way.
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(self._delay, writer.write, data)
        await asyncio.sleep(self._delay)
        if writer.can_write_eof():
            writer.write_eof()
