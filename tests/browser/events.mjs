// Server-sent events in Chromium, by its own EventSource. `node events.mjs URL` takes the URL of the gateway.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const { chromium } = createRequire(path.join(root, ".node/"))("playwright-core");

const gateway = process.argv[2].replace(/\/$/, "");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

// What an EventSource for this path sees until it has `last` as event, or gives up.
function listen([url, last]) {
  return new Promise((resolve) => {
    const seen = [];
    const source = new EventSource(url);
    const note = (event) => {
      seen.push([event.type, event.lastEventId ?? "", event.data ?? "", source.readyState]);
      if (event.type === last || source.readyState === EventSource.CLOSED) {
        source.close();
        resolve(seen);
      }
    };
    for (const type of ["open", "message", "status", "end", "error"]) source.addEventListener(type, note);
  });
}

const OPEN = 1, CONNECTING = 0, CLOSED = 2;

try {
  const page = await browser.newPage();
  // Any page of the gateway, so that its origin is the same.
  await page.goto(`${gateway}/v1/echo/page`);
  const statuses = [];
  page.on("response", (response) => statuses.push(response.status()));

  // An end, after which the browser comes back once and is sent away.
  assert.deepEqual(await page.evaluate(listen, ["/v1/watch/browser?count=3", "never"]), [
    ["open", "", "", OPEN],
    ["message", "1", '{"number":1}', OPEN],
    ["message", "2", '{"number":2}', OPEN],
    ["message", "3", '{"number":3}', OPEN],
    ["end", "end", "{}", OPEN],
    ["error", "", "", CONNECTING],
    ["error", "", "", CLOSED],
  ]);
  assert.deepEqual(statuses, [200, 204]);

  // A failure is an event of its own: `error` is what the browser says of the connection.
  for (const count of [0, 1]) {
    const seen = await page.evaluate(listen, [`/v1/watch/browser?count=${count}&code=5`, "status"]);
    assert.deepEqual(seen.map(([type]) => type), ["open", ...Array(count).fill("message"), "status"]);
    const { error } = JSON.parse(seen.at(-1)[2]);
    assert.deepEqual([error.code, error.message], [5, "Told to fail."]);
  }

  // Messages come while the call goes on, and a browser that closes ends it.
  const first = await page.evaluate(listen, ["/v1/watch/left?count=1&hang=true", "message"]);
  assert.deepEqual(first.at(-1), ["message", "1", '{"number":1}', OPEN]);
  const left = await page.evaluate(async () => (await fetch("/v1/await/CANCELLED/left")).json());
  assert.equal(left.reached, true);

  // What is refused is not tried again.
  statuses.length = 0;
  assert.deepEqual(await page.evaluate(listen, ["/v1/watch/browser?nothing=1", "never"]), [["error", "", "", CLOSED]]);
  assert.deepEqual(statuses, [400]);

  // Without EventSource: the answer of fetch is read as it comes.
  const pieces = await page.evaluate(async () => {
    const answer = await fetch("/v1/watch/fetch?count=1&hang=true", { headers: { accept: "application/x-ndjson" } });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return value;
  });
  assert.equal(pieces, '{"number":1}\n');
  console.log("the browser was served");
} finally {
  await browser.close();
}
