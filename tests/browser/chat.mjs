// The page of the chat in Chromium, as its users see it. `node chat.mjs URL` takes the URL of `transom demo`. When all is
// shown it prints `ready` and waits for the gateway to end, which the page has to say.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const { chromium } = createRequire(path.join(root, ".node/"))("playwright-core");

const gateway = process.argv[2].replace(/\/$/, "");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const problems = [];

// A visitor with a browser of their own.
async function visit() {
  const page = await (await browser.newContext()).newPage();
  page.on("console", (message) => {
    // What a connection that fails is told there is the browser's, and meant so at the end.
    if (message.type() === "error" && !message.text().includes("WebSocket connection")) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(gateway)) problems.push(`the page asks for ${request.url()}`);
  });
  const answer = await page.goto(`${gateway}/chat`);
  assert.equal(answer.headers()["content-type"], "text/html; charset=utf-8");
  await shows(page, "#feed-state", "Connected.", true);
  return page;
}

const shows = (page, selector, text) =>
  page.waitForFunction(
    ([selector, text]) => [...document.querySelectorAll(selector)].some((one) => one.textContent.includes(text)),
    [selector, text],
    { timeout: 30_000 },
  );

async function enter(page, room, name) {
  await page.getByRole("textbox", { name: "Room" }).fill(room);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
}

async function say(page, text) {
  await page.getByLabel("Message").fill(text);
  await page.getByLabel("Message").press("Enter");
}

const feed = (page, room) => page.locator(`tr[data-room="${room}"] td`).allTextContents();
const feedIs = (page, room, members, messages) =>
  page.waitForFunction(
    ([room, expected]) => {
      const row = document.querySelector(`tr[data-room="${room}"]`);
      return row && [...row.cells].map((cell) => cell.textContent).join() === expected;
    },
    [room, [room, members, messages].join()],
    { timeout: 30_000 },
  );

try {
  // The feed has a state to show before anybody sees it.
  const body = '{"name": "Somebody"}\n{"text": "First!"}\n';
  const first = await fetch(`${gateway}/v1/rooms/lobby:join`, { method: "POST", body, headers: { "content-type": "application/x-ndjson" } });
  assert.equal((await first.json()).length, 2);

  const [ada, bob] = [await visit(), await visit()];
  await feedIs(ada, "lobby", 0, 1);
  await enter(ada, "lobby", "Ada");
  await shows(ada, "#state", "In the room lobby.");
  await shows(ada, "#log p", "Somebody: First!");
  await enter(bob, "lobby", "Bob");
  await shows(bob, "#members", "Here: Ada, Bob");
  await shows(ada, "#log p", "Bob is here.");
  await say(ada, "Is <b>anybody</b> here? <img src=x onerror=alert(1)>");
  await shows(bob, "#log p", "Ada: Is <b>anybody</b> here? <img src=x onerror=alert(1)>");
  await say(bob, "I am. ü☺😀");
  await shows(ada, "#log p", "Bob: I am. ü☺😀");
  for (const page of [ada, bob]) {
    await feedIs(page, "lobby", 2, 3);
    assert.equal(await page.locator("#log b, #log img").count(), 0, "what others say is text");
  }
  // Each line once.
  assert.equal(await ada.locator("#log p", { hasText: "I am." }).count(), 1);

  // A name that is taken: the error of the call, the code of the close, and no further try.
  const eve = await visit();
  await enter(eve, "lobby", "Ada");
  await shows(eve, "#state", "Closed with 4006: There is a Member rooms/lobby/members/Ada already.");
  assert.equal(await eve.getByRole("button", { name: "Enter" }).isEnabled(), true);
  // Another room is in the feed of all, and not in the talk.
  await enter(eve, "attic", "Eve");
  await shows(eve, "#state", "In the room attic.");
  await feedIs(ada, "attic", 1, 0);
  await say(eve, "Only for the attic");
  await feedIs(bob, "attic", 1, 1);
  assert.equal(await bob.locator("#log p", { hasText: "attic" }).count(), 0);

  // Leaving in order, and with the page.
  await eve.getByRole("button", { name: "Leave" }).click();
  await shows(eve, "#state", "Closed with 1000");
  await feedIs(ada, "attic", 0, 1);
  await bob.close();
  await shows(ada, "#log p", "Bob has left.");
  await feedIs(ada, "lobby", 1, 3);

  // Everything that can be operated has a name.
  for (const page of [ada, eve]) {
    for (const control of await page.locator("input, button").all()) {
      const name = await control.evaluate((one) => one.labels?.[0]?.textContent.trim() || one.textContent.trim());
      assert.notEqual(name, "", await control.evaluate((one) => one.outerHTML));
    }
    assert.deepEqual(problems, []);
  }
  assert.deepEqual(await feed(ada, "lobby"), ["lobby", "1", "3"]);

  console.log("ready");
  // The gateway stops, and the page says so and that it tries again.
  await shows(ada, "#state", "Closed with 1012");
  await shows(ada, "#state", "Connecting");
  assert.equal(await ada.getByRole("button", { name: "Leave" }).isEnabled(), true);
  console.log("the page was served");
} finally {
  await browser.close();
}
