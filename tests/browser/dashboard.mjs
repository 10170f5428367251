// The dashboard in Chromium, as its users see it. `node dashboard.mjs URL` takes the URL of `transom demo`. A line that begins
// with `key ` is for whoever types to the demo, and has been done when a line comes back.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const { chromium } = createRequire(path.join(root, ".node/"))("playwright-core");

const gateway = process.argv[2].replace(/\/$/, "");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const problems = [];

const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function key(text) {
  console.log(`key ${text}`);
  assert.equal((await answers.next()).done, false);
}

const patience = { timeout: 30_000 };
const page = await (await browser.newContext()).newPage();
page.on("console", (message) => {
  if (message.type() === "error") problems.push(message.text());
});
page.on("pageerror", (error) => problems.push(String(error)));
page.on("request", (request) => {
  if (!request.url().startsWith(gateway)) problems.push(`the page asks for ${request.url()}`);
});

const texts = (selector) => page.locator(selector).allTextContents();
const shows = (selector, text) =>
  page.waitForFunction(
    ([selector, text]) => [...document.querySelectorAll(selector)].some((one) => one.textContent.includes(text)),
    [selector, text],
    patience,
  );
const state = (part) => page.locator(`#${part}-state`);

async function arrived(...parts) {
  for (const part of parts) await shows("#arrivals li", `${part} after`);
  return (await texts("#arrivals li")).map((line) => line.split(" ")[0]);
}

// How often prices have changed, all together.
const changes = async () => (await texts("#offers-shown td:nth-child(3)")).reduce((sum, text) => sum + Number(text), 0);
const moves = async () => {
  const before = await changes();
  await page.waitForFunction(
    (before) => [...document.querySelectorAll("#offers-shown td:nth-child(3)")].reduce((sum, one) => sum + Number(one.textContent), 0) > before,
    before,
    patience,
  );
};

try {
  // The orders hang: all else is there, and they come when they can.
  await key("h orders");
  const answer = await page.goto(`${gateway}/dashboard?user=ada`);
  assert.equal(answer.headers()["content-type"], "text/html; charset=utf-8");
  const first = await arrived("user", "offers");
  assert.deepEqual(first.slice(0, 2), ["user", "offers"], "offers are for the segment of the user");
  assert.deepEqual(await texts("#user-shown"), ["Ada Lovelace, premium, segment gold"]);
  assert.deepEqual(await texts("#offers-shown td:first-child"), ["Atlas of the Moon", "Reading lamp", "Opera, first row"]);
  await moves();
  assert.deepEqual(await texts("#orders-shown tr"), []);
  await key("r orders");
  await arrived("orders", "details");
  const order = await arrived("prices");
  assert.ok(order.indexOf("orders") < order.indexOf("details"), `${order}`);
  await shows("#orders-shown tr", "1007open1 × Frankenstein, 6 × Candle18.20");
  assert.equal(await page.locator("#orders-shown tr").count(), 3);
  await shows("#state", "Connected.");

  // The offers are stopped: their error is where they were, and what does not need them goes on.
  await key("k offers");
  await shows("#prices-state.failed", "");
  await shows("#offers-state.failed", "No backend of this service can be reached at the moment; try again shortly.");
  await shows("#prices-state.failed", "It needs the part \"offers\", which failed.");
  assert.deepEqual(await texts("#user-shown"), ["Ada Lovelace, premium, segment gold"]);
  assert.equal(await page.locator("#orders-shown tr").count(), 3);

  // They are back, and the page finds out by itself.
  await key("r offers");
  await page.waitForFunction(() => document.querySelectorAll(".failed").length === 0, undefined, patience);
  await moves();
  await shows("#state", "Connected.");

  // Who is not premium has no offers. There is an end, after which nothing is asked for again.
  await page.getByRole("combobox", { name: "User" }).selectOption("bob");
  await shows("#offers-state", "Nothing for this user.");
  await shows("#state", "All is told.");
  assert.deepEqual(await texts("#user-shown"), ["Bob Cratchit, not premium, segment basic"]);
  assert.deepEqual(await texts("#offers-shown tr"), []);
  assert.equal(await page.locator("#orders-shown tr").count(), 1);

  // Without the user there is no answer, and an error in its place.
  await key("k users");
  await page.getByRole("combobox", { name: "User" }).selectOption("ada");
  await shows("#user-state.failed", "No backend of this service can be reached at the moment; try again shortly.");
  await key("r users");
  await shows("#user-shown", "Ada Lovelace");
  assert.equal(await state("user").textContent(), "");

  assert.deepEqual(problems, []);
  console.log("the page was served");
} finally {
  await browser.close();
}
process.exit(0);
