# A line server: python3 shout-trio.py. Every line returns in capitals.
#
# A client has ten seconds for each line. After Ctrl-C, connections have five seconds to finish.
import signal

import trio


async def lines(stream, limit=1000):
    buffered = b""
    async for chunk in stream:
        buffered += chunk
        *complete, buffered = buffered.split(b"\n")
        for line in complete:
            yield line
        if len(buffered) > limit:
            return


async def shout(stream):
    try:
        received = lines(stream)
        while True:
            with trio.move_on_after(10) as limit:
                line = await anext(received, None)
            if limit.cancelled_caught or line is None:
                return
            await stream.send_all(line.upper() + b"\n")
    except trio.BrokenResourceError:
        pass  # without this, one reset ends the server


async def main():
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as handlers, trio.open_nursery() as acceptor:
            serve = trio.serve_tcp
            acceptor.start_soon(
                lambda: serve(shout, 25000, host="127.0.0.1", handler_nursery=handlers)
            )
            async for _ in signals:
                acceptor.cancel_scope.cancel()
                handlers.cancel_scope.deadline = trio.current_time() + 5
                break


trio.run(main)
