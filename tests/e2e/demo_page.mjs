/// What the tests of the demo page share: a server, a real browser, and what a person does with the page. Pictures of it are
/// left in the folder that DEMO_PAGE_PICTURES names.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { launch_chromium } from "./chromium.mjs";
import { Server } from "./gangway.mjs";

const pictures = process.env.DEMO_PAGE_PICTURES;
export const question = "what is 12*(3+4)?";
const desktop = { width: 1280, height: 800 };
export const phone = { width: 360, height: 740 };

export let server;
let browser;
before(async () => {
  if (pictures) await mkdir(pictures, { recursive: true });
  server = await Server.start({
    client: ['reconnect_jitter_max = "300ms"'],
    // So that nobody living goes, and a refusal can be seen on the page.
    cleanup: ['max_level = "conservative"'],
    grace: ["extra = 0"],
    queue: ["max = 0"],
  });
  browser = await launch_chromium();
});
after(async () => {
  await browser?.close();
  await server?.clean_up();
});

/// Opens the page in a context of its own and gathers what must not happen there.
export async function visit(options = {}, of = server) {
  const context = await browser.newContext({ viewport: desktop, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    // Chromium itself writes these while the server or the network is away.
    const expected = /WebSocket connection to|Failed to load resource: net::ERR_(CONNECTION_REFUSED|INTERNET_DISCONNECTED)/;
    if (message.type() === "error" && !expected.test(message.text())) page.complaints.push(message.text());
  });
  await page.addInitScript(() => {
    window.violations = [];
    window.layout_shift = 0;
    addEventListener("securitypolicyviolation", (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.layout_shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(of.url);
  return page;
}

export async function sign_in(page, user) {
  await page.getByLabel("User").fill(user);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator('#connection[data-state="connected"]').waitFor();
  await page.locator(".log").waitFor();
}

export async function ask(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

export const answers = (page) => page.locator(".log .assistant p");
export const idle = (page) => page.locator("#stop").waitFor({ state: "hidden" });
export const picture = (page, name) => pictures && page.screenshot({ path: join(pictures, `${name}.png`) });

/// Ends a visit; nothing may have gone wrong in it.
export async function leave(page) {
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  await page.context().close();
}

export async function assert_fits(page) {
  const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(needed <= there, `the page is ${needed} px wide on ${there} px`);
}

/// Lets a page use a server of its own, whose limit is not the others'.
export async function visit_with(rules, use) {
  const other = await Server.start(rules);
  try {
    const page = await visit({}, other);
    await use(page);
    await leave(page);
  } finally {
    await other.clean_up();
  }
}
