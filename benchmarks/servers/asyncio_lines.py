"""An asyncio protocol with one write per read, on asyncio's event loop; with C{uvloop} after the port, on uvloop's."""

import asyncio
import sys
from typing import cast


class Lines(asyncio.Protocol):
    _rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if lines:
            self._transport.write(b"".join([b"server reply:" + line + b"\n" for line in lines]))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Lines, "127.0.0.1", port)
    await server.serve_forever()


if "uvloop" in sys.argv:
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
else:
    asyncio.run(serve(int(sys.argv[1])))
