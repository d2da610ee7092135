/// A real browser uses the demo page with many threads, and at the limit of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answers,
  ask,
  idle,
  leave,
  picture,
  question,
  server,
  sign_in,
  visit,
  visit_with,
} from "./demo_page.mjs";

test("three threads answer at the same time, each in its own place", async () => {
  const page = await visit();
  await sign_in(page, "three");
  for (const number of [1, 2, 3]) {
    if (number > 1) await page.locator("#new_thread").click();
    await ask(page, `/stream ${number * 30} 20`);
    await page.locator("#stop").waitFor();
  }
  await page.locator('.mark[data-state="answering"]').nth(1).waitFor();
  await picture(page, "threads");
  for (const number of [1, 2, 3]) {
    await page.getByRole("button", { name: `/stream ${number * 30} 20,` }).click();
    await idle(page);
    assert.equal(await answers(page).count(), 1);
    assert.equal(await page.locator(".log .user p").innerText(), `/stream ${number * 30} 20`);
  }
  await page.locator("#managers_text", { hasText: "3 of 20" }).waitFor();
  await leave(page);
});

test("threads have addresses: Back and Forward go from one to the other, and an address opens its thread", async () => {
  const page = await visit();
  await sign_in(page, "addresses");
  await ask(page, "what is 1000+1?");
  await answers(page).filter({ hasText: "1001" }).waitFor();
  await idle(page);
  const first = new URL(page.url()).hash;
  await page.locator("#new_thread").click();
  await ask(page, "what is 2000+2?");
  await answers(page).filter({ hasText: "2002" }).waitFor();
  const second = new URL(page.url()).hash;
  assert.notEqual(first, second);
  await page.goBack();
  await answers(page).filter({ hasText: "1001" }).waitFor();
  assert.equal(new URL(page.url()).hash, first);
  await page.goForward();
  await answers(page).filter({ hasText: "2002" }).waitFor();
  await page.goto(server.url + first);
  await page.reload();
  await answers(page).filter({ hasText: "1001" }).waitFor();
  await leave(page);
});

test("the twenty-first thread is refused in its own place, and a closed one makes room", async () => {
  const page = await visit();
  await sign_in(page, "limit");
  const first = page.locator("#thread_list li").first();
  for (let number = 2; number <= 21; ++number) await page.locator("#new_thread").click();
  await page.locator(".failure:visible", { hasText: "manager_limit" }).waitFor();
  await page.locator("#managers_text", { hasText: "20 of 20" }).waitFor();
  await page.locator("#limit", { hasText: "At the limit" }).waitFor();
  assert.match(await page.locator(".failure:visible").innerText(), /maximum number of WebSocket managers \(20\)/);
  await picture(page, "limit");
  await page.locator("#thread_list li").last().getByRole("button", { name: "Close" }).click();
  await page.locator("#managers_text", { hasText: "19 of 20" }).waitFor();
  await page.locator("#limit", { hasText: "Close to the limit" }).waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator("#managers_text", { hasText: "20 of 20" }).waitFor();
  await page.locator(".failure:visible").waitFor({ state: "hidden" });
  await ask(page, question);
  await answers(page).filter({ hasText: "84" }).waitFor();
  assert.equal(await first.count(), 1);
  await leave(page);
});

test("one thread more than the limit closes the one that was used longest ago, which says so and comes back", () =>
  visit_with({ limits: ["managers_per_user = 3"] }, async (page) => {
    await sign_in(page, "evicted");
    await ask(page, question);
    await answers(page).filter({ hasText: "84" }).waitFor();
    await idle(page);
    for (let number = 2; number <= 4; ++number) {
      await page.locator("#new_thread").click();
      await page.locator(`#thread_list li:nth-child(1) .mark[data-state="open"]`).waitFor();
    }
    await page.getByRole("button", { name: /12\*\(3\+4\).*, (closed|not live)/ }).waitFor();
    assert.equal(await page.locator(".failure:visible").count(), 0);
    assert.equal(await page.locator("#managers_text").innerText(), "3 of 3");
    const went = page.locator("#thread_list li").last().locator("button").first();
    await picture(page, "evicted");
    await went.click();
    await page.locator(".log .note", { hasText: "closed to make room for another (it was used longest ago)" }).waitFor();
    await answers(page).filter({ hasText: "84" }).waitFor();
  }));

test("beyond the limit the page says that it is exceeded, then which place in the queue a thread has", () =>
  visit_with(
    {
      limits: ["managers_per_user = 2"],
      cleanup: ['max_level = "conservative"'],
      grace: ["extra = 1"],
      queue: ["max = 4"],
    },
    async (page) => {
      await sign_in(page, "queued");
      for (let number = 2; number <= 4; ++number) await page.locator("#new_thread").click();
      await page.locator(".log .note", { hasText: "number 1 in the queue" }).waitFor();
      await picture(page, "queued");
      await page.locator("#limit", { hasText: "Beyond the limit" }).waitFor();
      await page.locator("#thread_list li").last().getByRole("button", { name: "Close" }).click();
      await page.locator("#thread_list li").first().locator("button").first().click();
      await page.locator('#thread_list li:nth-child(1) .mark[data-state="open"]').waitFor();
      await ask(page, question);
      await answers(page).filter({ hasText: "84" }).waitFor();
    },
  ));
