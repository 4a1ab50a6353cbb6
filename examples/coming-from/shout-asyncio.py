# A line server: python3 shout-asyncio.py [port]. Every line returns in capitals.
#
# A client has ten seconds for each line. After Ctrl-C, connections have five seconds to finish.
import asyncio
import signal
import sys

handlers = set()


async def shout(reader, writer):
    handlers.add(asyncio.current_task())
    try:
        while True:
            async with asyncio.timeout(10):
                line = await reader.readline()
            if not line:
                return
            writer.write(line.upper())
            await writer.drain()
    except (TimeoutError, ConnectionError, ValueError):
        pass  # too late, reset, or a line of more than 1000 bytes
    finally:
        handlers.discard(asyncio.current_task())
        writer.close()


async def main(port):
    server = await asyncio.start_server(shout, "127.0.0.1", port, limit=1000)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
    server.close()
    if handlers:
        await asyncio.wait(handlers, timeout=5)


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 25000))
