// Calls by WebSocket, with the library `ws` for Node.js and with Chromium's own. `node websocket.mjs URL` takes the URL of
// the gateway in front of the echo server.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(path.join(root, ".node/"));
const { chromium } = require("playwright-core");
const { WebSocket: NodeSocket } = require("ws");

const gateway = process.argv[2].replace(/\/$/, "");

// A call: sends messages, each when the one before has been answered if `inTurn`, then says that there are no more, and
// returns all that comes. It runs in Node.js and in the browser, so it knows nothing of this file.
function call({ url, protocols, messages = [], inTurn = false, end = false, Socket }) {
  return new Promise((resolve) => {
    const seen = [], left = [...messages];
    const socket = new (Socket ?? WebSocket)(url, protocols);
    socket.binaryType = "arraybuffer";
    const next = () => {
      do {
        if (!left.length) return void (end && (socket.send(""), (end = false)));
        const message = left.shift();
        socket.send(message instanceof Array ? new Uint8Array(message) : message);
      } while (!inTurn);
    };
    socket.onopen = next;
    socket.onmessage = ({ data }) => {
      seen.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
      if (inTurn) next();
    };
    socket.onerror = () => {};
    socket.onclose = ({ code, reason, wasClean }) => {
      resolve({ seen, code, reason, wasClean, protocol: socket.protocol });
    };
  });
}

const url = (target) => `${gateway.replace(/^http/, "ws")}${target}`;

async function scenario(run) {
  const texts = Array.from({ length: 50 }, (_, at) => `message ${at} ü☺😀`);
  const answers = texts.map((text, at) => JSON.stringify({ number: at + 1, text }));
  const sent = texts.map((text) => JSON.stringify({ text }));

  for (const inTurn of [true, false]) {
    const chat = await run({ url: url("/v1/chat/js"), protocols: ["transom.json"], messages: sent, inTurn, end: true });
    assert.deepEqual(chat, { seen: answers, code: 1000, reason: "", wasClean: true, protocol: "transom.json" });
  }
  // JSON is what is spoken if nothing is offered.
  const plain = await run({ url: url("/v1/watch/js?count=2") });
  assert.deepEqual(plain, { seen: ['{"number":1}', '{"number":2}'], code: 1000, reason: "", wasClean: true, protocol: "" });

  const failed = await run({ url: url("/v1/watch/js?count=1&code=9"), protocols: "transom.json" });
  assert.deepEqual([failed.code, failed.reason, failed.wasClean], [4009, "Told to fail.", true]);
  const { error } = JSON.parse(failed.seen.at(-1));
  assert.deepEqual([error["@type"], error.code], ["type.googleapis.com/google.rpc.Status", 9]);

  // Protobuf: {"number": 1} in an envelope, and the end in another.
  const binary = await run({ url: url("/v1/watch/js?count=1"), protocols: "transom.proto" });
  assert.deepEqual([binary.code, binary.protocol], [1000, "transom.proto"]);
  assert.deepEqual(binary.seen[0], [0, 0, 0, 0, 2, 0x10, 1]);
  assert.equal(binary.seen[1][0], 2);
  const gathered = await run({
    url: url("/v1/gather/js"),
    protocols: "transom.proto",
    // {"text": "ab"} and the end.
    messages: [[0, 0, 0, 0, 4, 0x1a, 2, 0x61, 0x62], [2, 0, 0, 0, 0]],
  });
  // {"count": 1, "size": 2} stands first.
  assert.deepEqual([gathered.code, gathered.seen[0].slice(5, 9)], [1000, [8, 1, 0x10, 2]]);

  // A token beside the subprotocol arrives as a header; alone it is refused.
  const metadata = await run({ url: url("/v1/metadata"), protocols: ["bearer.tok-en_1", "transom.json"], messages: ["{}"] });
  const received = Object.fromEntries(JSON.parse(metadata.seen[0]).received.map((one) => [one.key, one.text]));
  assert.deepEqual([metadata.protocol, received.authorization], ["transom.json", "Bearer tok-en_1"]);
  const alone = await run({ url: url("/v1/metadata"), protocols: ["bearer.tok-en_1"] });
  assert.deepEqual([alone.code, alone.seen], [1006, []]);
}

await scenario((options) => call({ ...options, Socket: NodeSocket }));

// What only this library shows: a ping of the client, and handshakes that are refused.
await new Promise((resolve, reject) => {
  const socket = new NodeSocket(url("/v1/chat/ping"), "transom.json", { perMessageDeflate: true });
  socket.on("error", reject);
  socket.on("open", () => {
    assert.equal(socket.extensions, "", "no extension is spoken");
    socket.ping("are you there?");
  });
  socket.on("pong", (data) => {
    assert.equal(data.toString(), "are you there?");
    socket.close(4001, "enough");
  });
  socket.on("close", (code) => resolve(assert.equal(code, 4001)));
});

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  // Any page of the gateway, so that its origin is the same.
  await page.goto(`${gateway}/v1/echo/page`);
  await scenario((options) => page.evaluate(call, options));

  // A page that is left has left its calls.
  await page.evaluate((to) => {
    return new Promise((resolve) => (new WebSocket(to).onmessage = resolve));
  }, url("/v1/watch/js-left?count=1&hang=true"));
  await page.goto("about:blank");
  const left = await fetch(`${gateway}/v1/await/CANCELLED/js-left`);
  assert.equal((await left.json()).reached, true);
  // And one of another origin is kept out: this one has none.
  const other = await page.evaluate(call, { url: url("/v1/watch/js?count=1") });
  assert.deepEqual([other.code, other.seen], [1006, []]);
  console.log("ws and Chromium were served");
} finally {
  await browser.close();
}
