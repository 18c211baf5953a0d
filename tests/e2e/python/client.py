"""A python-socketio client of one vault, for the end-to-end tests. It prints what happens to it as lines of JSON.

usage: client.py sync|async recovery|contract URL TRANSPORTS VAULT_ID TOKEN...

The client joins the vault after each connect, with `since` once it knows a sequence number, and is otherwise left to the
library: it reconnects if the library does. The n-th connection uses the n-th token, and later ones the last.

With `contract`, each handler takes the one payload of the contract, and the auth payload turns recovery off.
"""

import asyncio
import json
import sys
import threading

import engineio
import socketio

# By default a poll with more than 16 packets counts as an error of the transport.
engineio.payload.Payload.max_decode_packets = 16_384

# By default a request that is not answered within five seconds fails, and a CONNECT within one: too short for a busy machine.
TIMEOUT = 60
OPTIONS = {"reconnection_delay": 0.05, "reconnection_delay_max": 0.2, "request_timeout": TIMEOUT}


class VaultReader:
    """Decides what a client sends, and records what it receives."""

    def __init__(self, vault, tokens, handlers):
        self.vault = vault
        self.handlers = handlers
        self.tokens = tokens
        self.last_seq = None
        # The synchronous client runs each handler in a thread of its own, so events may overtake each other.
        self.lock = threading.Lock()

    def auth(self):
        """Returns the auth payload of the next connection."""
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return {"token": token} if self.handlers == "recovery" else {"token": token, "recovery": False}

    def join(self):
        """Returns the payload of `vault:join`."""
        since = {} if self.last_seq is None else {"since": self.last_seq}
        return {"vaultId": self.vault, **since}

    def record(self, event, payload=None, *_offset):
        """Prints an event. Connection state recovery adds an offset as a last argument."""
        with self.lock:
            if isinstance(payload, dict) and "seq" in payload and event != "vault:joined":
                self.last_seq = max(self.last_seq or 0, payload["seq"])
            print(json.dumps({"event": event, "payload": payload}), flush=True)

    def register(self, client):
        """Registers the handlers of the server's events."""
        if self.handlers == "recovery":
            client.on("*", self.record)
            return
        for event in ("vault:joined", "source:created", "source:updated", "source:deleted", "error"):
            client.on(event, self.contract_handler(event))

    def contract_handler(self, event):
        """Returns a handler with exactly one argument."""
        return lambda payload: self.record(event, payload)


def run(url, transports, reader):
    """Runs the synchronous client until the library gives up."""
    client = socketio.Client(**OPTIONS)

    def connected():
        reader.record("connect")
        client.emit("vault:join", reader.join())

    client.on("connect", connected)
    client.on("disconnect", lambda reason: reader.record("disconnect", reason))
    reader.register(client)
    client.connect(url, auth=reader.auth, transports=transports, wait_timeout=TIMEOUT)
    client.wait()
    reader.record("stays away")


async def run_async(url, transports, reader):
    """Runs the asynchronous client until the library gives up."""
    client = socketio.AsyncClient(**OPTIONS)

    async def connected():
        reader.record("connect")
        await client.emit("vault:join", reader.join())

    client.on("connect", connected)
    client.on("disconnect", lambda reason: reader.record("disconnect", reason))
    reader.register(client)
    await client.connect(url, auth=reader.auth, transports=transports, wait_timeout=TIMEOUT)
    await client.wait()
    reader.record("stays away")


def main(kind, handlers, url, transports, vault, *tokens):
    reader = VaultReader(vault, list(tokens), handlers)
    transports = transports.split(",")
    if kind == "async":
        asyncio.run(run_async(url, transports, reader))
    else:
        run(url, transports, reader)


main(*sys.argv[1:])
