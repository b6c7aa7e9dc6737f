"""Traffic whose every byte is known: a server that echoes, and a client that checks what comes back.

  traffic.py serve PORT [ADDRESS]
  traffic.py drive PORT CONNECTIONS BYTES [COUNT SECONDS]
  traffic.py knock PORT COUNT [ADDRESS]
  traffic.py talk PORT CONNECTIONS [ADDRESS [PAUSE]]

`drive` opens all connections, then sends BYTES on each and compares the echo as it comes. Before it sends the second
half it prints `half`, and it prints one line of JSON at the end: how many connections ended in which way. The
first COUNT connections stop reading for SECONDS in the midst of it. `knock` opens, uses and closes
connections one after the other. `talk` keeps its connections busy, a small block at a time and PAUSE seconds (0.01)
between two, until a line comes on standard input, or it is closed; then it prints the same line of JSON.
"""
import asyncio
import json
import sys

# A prime length, so that a piece that is lost, doubled or out of place never fits.
BLOCK = (b"".join(bytes([(i * 167 + (i >> 8) * 59 + (i >> 16)) & 255]) for i in range(1048583))) * 2
PERIOD = len(BLOCK) // 2
CHUNK = 65536


def expected(number, offset, count):
    start = (offset + number * 7919) % PERIOD
    return BLOCK[start:start + count]


async def echo(reader, writer):
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()


async def serve(port, address):
    server = await asyncio.start_server(echo, address, port, backlog=4096)
    print("listening", flush=True)
    await server.serve_forever()


class Connection:
    def __init__(self, number, total, stall):
        self.number, self.total, self.stall = number, total, stall
        self.received = 0
        self.outcome = None

    async def open(self, port, address="127.0.0.1"):
        self.reader, self.writer = await asyncio.open_connection(address, port)
        # One round trip proves that it is through.
        await self.exchange(1)

    async def exchange(self, count):
        self.writer.write(expected(self.number, self.received, count))
        await self.writer.drain()
        await self.take(self.received + count)

    async def take(self, until):
        while self.received < until:
            data = await self.reader.read(CHUNK)
            if not data:
                raise EOFError
            if data != expected(self.number, self.received, len(data)):
                raise ValueError("wrong byte")
            self.received += len(data)

    async def send(self, begin, until, gate):
        half = begin + (until - begin) // 2
        offset = begin
        while offset < until:
            if offset >= half:
                await gate.wait()
            count = min(CHUNK, until - offset, half - offset if offset < half else CHUNK)
            self.writer.write(expected(self.number, offset, count))
            await self.writer.drain()
            offset += count
        self.writer.write_eof()

    async def run(self, gate, arrived):
        """Sends and receives at once; both ends must see the end after the last byte."""
        sender = asyncio.create_task(self.send(self.received, self.total, gate))
        try:
            half = self.received + (self.total - self.received) // 2
            if self.stall:
                await asyncio.sleep(self.stall)
            await self.take(half)
            arrived()
            await self.take(self.total)
            await sender
            extra = await self.reader.read(1)
            self.outcome = "surplus" if extra else "whole"
        except ValueError:
            self.outcome = "corrupt"
        except EOFError:
            self.outcome = "truncated"
        except OSError:
            self.outcome = "reset"
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            self.writer.close()
            if self.outcome != "whole":
                arrived()


async def drive(port, count, total, stalled, seconds):
    connections = [Connection(n, total, seconds if n < stalled else 0) for n in range(count)]
    for start in range(0, count, 100):
        await asyncio.gather(*(c.open(port) for c in connections[start:start + 100]))
    print("open", flush=True)
    gate, pending = asyncio.Event(), set(range(stalled, count))
    said = False

    def arrive(number):
        nonlocal said
        pending.discard(number)
        if not pending and not said:
            said = True
            print("half", flush=True)

    tasks = [asyncio.create_task(c.run(gate, lambda n=c.number: arrive(n))) for c in connections]
    # The second half begins when the one who watches says so, or closes our input.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    gate.set()
    await asyncio.gather(*tasks)
    outcomes = {}
    for connection in connections:
        outcomes[connection.outcome] = outcomes.get(connection.outcome, 0) + 1
    print(json.dumps({
        "outcomes": outcomes, "received": sum(c.received for c in connections)}), flush=True)


async def talk(port, count, address, pause):
    connections = [Connection(n, 0, 0) for n in range(count)]
    await asyncio.gather(*(c.open(port, address) for c in connections))
    print("open", flush=True)
    ended = asyncio.Event()

    async def chat(connection):
        try:
            while not ended.is_set():
                await connection.exchange(1000)
                await asyncio.sleep(pause)
            connection.writer.write_eof()
            connection.outcome = "surplus" if await connection.reader.read(1) else "whole"
        except ValueError:
            connection.outcome = "corrupt"
        except EOFError:
            connection.outcome = "truncated"
        except OSError:
            connection.outcome = "reset"

    tasks = [asyncio.create_task(chat(c)) for c in connections]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    ended.set()
    await asyncio.gather(*tasks)
    outcomes = {}
    for connection in connections:
        outcomes[connection.outcome] = outcomes.get(connection.outcome, 0) + 1
    print(json.dumps({
        "outcomes": outcomes, "received": sum(c.received for c in connections)}), flush=True)


async def knock(port, count, address):
    good = 0
    for number in range(count):
        connection = Connection(number, 0, 0)
        try:
            await connection.open(port, address)
            connection.writer.write_eof()
            good += 1 if not await connection.reader.read(1) else 0
            connection.writer.close()
        except (OSError, EOFError, ValueError):
            pass
    print(json.dumps({"good": good}), flush=True)


def main():
    words = sys.argv[1:]
    if words[0] == "serve":
        asyncio.run(serve(int(words[1]), (words[2:] or ["127.0.0.1"])[0]))
    elif words[0] == "drive":
        stall = [int(w) for w in words[4:6]] if len(words) > 4 else [0, 0]
        asyncio.run(drive(int(words[1]), int(words[2]), int(words[3]), *stall))
    elif words[0] == "talk":
        address, pause = (words[3:] + ["127.0.0.1", "0.01"][len(words[3:]):])[:2]
        asyncio.run(talk(int(words[1]), int(words[2]), address, float(pause)))
    elif words[0] == "knock":
        asyncio.run(knock(int(words[1]), int(words[2]), (words[3:] or ["127.0.0.1"])[0]))


main()
