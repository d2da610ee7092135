/// A real browser uses the demo page: conversations, and what the page is like to use.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answers,
  ask,
  assert_fits,
  idle,
  leave,
  phone,
  picture,
  question,
  server,
  sign_in,
  visit,
  visit_with,
} from "./demo_page.mjs";

test("the page's own policy forbids everything that it does not need", async () => {
  const policy = (await fetch(server.url)).headers.get("content-security-policy");
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]) {
    assert.ok(policy?.includes(rule), `${rule} is not in ${policy}`);
  }
});

test("a question is answered, with its steps in sight, and nothing on the page jumps", async () => {
  const page = await visit();
  await picture(page, "sign-in");
  await sign_in(page, "ada");
  await ask(page, question);
  await answers(page).filter({ hasText: "84" }).waitFor();
  await idle(page);
  const step = page.locator(".step.done");
  assert.match(await step.locator("summary").innerText(), /calculator.*12\*\(3\+4\).*84/s);
  assert.equal(await page.locator(".log .user").count(), 1);
  assert.equal(await page.locator("#managers_text").innerText(), "1 of 20");
  await ask(page, "what is 1/0?");
  await page.locator(".step.failed").waitFor();
  await idle(page);
  await step.locator("summary").click();
  await picture(page, "desktop");

  await page.evaluate(() => (window.layout_shift = 0));
  await ask(page, "/stream 200 200");
  await page.locator("#stop").waitFor();
  await picture(page, "streaming");
  await idle(page);
  const shift = await page.evaluate(() => window.layout_shift);
  assert.ok(shift < 0.05, `the layout shifted by ${shift} while an answer streamed in`);
  await leave(page);
});

test("a reload finds the user, the threads and the conversation", async () => {
  const page = await visit();
  await sign_in(page, "reload");
  await ask(page, question);
  await answers(page).filter({ hasText: "84" }).waitFor();
  await idle(page);
  const answer = await answers(page).innerText();
  await page.getByLabel("Message", { exact: true }).fill("not sent so far");
  await page.reload();
  await answers(page).filter({ hasText: "84" }).waitFor();
  assert.equal(await answers(page).innerText(), answer);
  assert.equal(await page.locator(".log .user p").innerText(), question);
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "not sent so far");
  assert.match(await page.locator("#title").innerText(), /12\*\(3\+4\)/);
  await leave(page);
});

test("a reload in the middle of an answer shows all of it in the end", async () => {
  const page = await visit();
  await sign_in(page, "middle");
  await ask(page, "/stream 300 60");
  await answers(page).waitFor();
  await page.reload();
  await page.locator("#stop").waitFor();
  await idle(page);
  const text = await answers(page).innerText();
  await page.reload();
  await answers(page).waitFor();
  assert.equal(await answers(page).innerText(), text);
  await leave(page);
});

test("the page comes back by itself when the server does, with what was written meanwhile", async () => {
  const page = await visit();
  await sign_in(page, "patient");
  await ask(page, question);
  await answers(page).filter({ hasText: "84" }).waitFor();
  await idle(page);
  await server.end("SIGKILL");
  await page.locator('#connection[data-state="waiting"]').waitFor();
  await ask(page, "what is 2+3?");
  await page.locator(".user.pending").waitFor();
  await picture(page, "reconnecting");
  await server.run();
  await page.locator('#connection[data-state="connected"]').waitFor();
  await answers(page).filter({ hasText: "5" }).waitFor();
  await idle(page);
  assert.equal(await page.locator(".log .user").count(), 2, "each message is there once");
  assert.equal(await page.locator(".log .pending").count(), 0);
  assert.equal(await answers(page).count(), 2);
  await leave(page);
});

test("two users with two browsers do not see each other", async () => {
  const [one, other] = [await visit(), await visit()];
  await sign_in(one, "bonnie");
  await sign_in(other, "clyde");
  await ask(one, "what is 1000+1?");
  await ask(other, "what is 2000+2?");
  await answers(one).filter({ hasText: "1001" }).waitFor();
  await answers(other).filter({ hasText: "2002" }).waitFor();
  assert.doesNotMatch(await one.locator("body").innerText(), /2002|2000|clyde/);
  assert.doesNotMatch(await other.locator("body").innerText(), /1001|1000|bonnie/);
  assert.equal(await one.locator("#thread_list li").count(), 1);
  assert.equal(await other.locator("#thread_list li").count(), 1);
  await leave(one);
  await leave(other);
});

test("an answer can be stopped, and what is asked meanwhile waits for its end", async () => {
  const page = await visit();
  await sign_in(page, "busy");
  await ask(page, "/stream 400 20");
  await ask(page, "what is 1+1?");
  await ask(page, "what is 20+20?");
  assert.equal(await page.locator(".user.pending", { hasText: "waits until the answer is complete" }).count(), 2);
  await answers(page).waitFor();
  const order = await page.locator(".log .user p, .log .assistant p").allInnerTexts();
  assert.deepEqual([order[0], ...order.slice(2)], ["/stream 400 20", "what is 1+1?", "what is 20+20?"]);
  await picture(page, "busy");
  await page.keyboard.press("Escape");
  await page.locator(".note", { hasText: "Stopped." }).waitFor();
  await answers(page).filter({ hasText: "40" }).waitFor();
  await idle(page);
  const said = await page.locator(".log .user p, .log .assistant p").allInnerTexts();
  assert.deepEqual([said[0], said[2], said[4]], ["/stream 400 20", "what is 1+1?", "what is 20+20?"]);
  assert.equal(said.length, 6);
  assert.equal(await page.locator(".user.pending, .user.failed").count(), 0);
  await leave(page);
});

test("what waits when its thread is closed is not sent, and is not lost", async () => {
  const page = await visit();
  await sign_in(page, "closing");
  await ask(page, "/stream 400 20");
  await answers(page).waitFor();
  await ask(page, "are you there?");
  await page.getByRole("button", { name: "Close /stream 400 20" }).click();
  await page.getByRole("button", { name: /^\/stream 400 20,/ }).click();
  await page.locator(".user.failed", { hasText: "are you there?" }).waitFor();
  await page.getByRole("button", { name: "Edit" }).click();
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "are you there?");
  await leave(page);
});

test("whoever reads back stays there while an answer grows, and at the end follows it again", async () => {
  const page = await visit();
  await sign_in(page, "reader");
  await ask(page, "/stream 300 2000");
  await idle(page);
  await ask(page, "/stream 2000 200");
  await answers(page).nth(1).waitFor();
  const place = () =>
    page.locator(".log").evaluate(({ scrollTop, scrollHeight, clientHeight }) => ({
      top: scrollTop,
      left: scrollHeight - scrollTop - clientHeight,
    }));
  const grown = async () => {
    const length_of = () => document.querySelectorAll(".log .assistant p")[1].innerText.length;
    await page.evaluate(`window.length_of = ${length_of}; window.known = length_of()`);
    await page.waitForFunction(() => window.length_of() > window.known + 500);
  };
  await grown();
  assert.ok((await place()).left < 60, "it follows");
  await page.locator(".log").hover();
  await page.mouse.wheel(0, -150);
  await page.waitForFunction(() => {
    const { scrollTop, scrollHeight, clientHeight } = document.querySelector(".log");
    return scrollHeight - scrollTop - clientHeight > 100;
  });
  const { top } = await place();
  await grown();
  await grown();
  assert.equal((await place()).top, top);
  await page.mouse.wheel(0, 100_000);
  await grown();
  assert.ok((await place()).left < 60, "it follows again");
  await page.keyboard.press("Escape");
  await leave(page);
});

test("text that runs from right to left is set so, in messages, titles and while it is written", async () => {
  const page = await visit();
  await sign_in(page, "directions");
  const hebrew = "\u05e9\u05dc\u05d5\u05dd";
  await page.getByLabel("Message", { exact: true }).fill(hebrew);
  const direction = (selector) => page.locator(selector).first().evaluate((one) => getComputedStyle(one).direction);
  assert.equal(await direction("#text"), "rtl");
  await page.keyboard.press("Enter");
  await page.locator(".log .user:not(.pending) p").waitFor();
  await page.locator("#title", { hasText: hebrew }).waitFor();
  for (const selector of [".log .user p", "#title", "#thread_list .name"])
    assert.equal(await direction(selector), "rtl", selector);
  await idle(page);
  await leave(page);
});

test("a device that goes offline is noticed before the server is missed, and comes back at once", () =>
  visit_with({ client: ['reconnect_jitter_max = "300ms"'] }, async (page) => {
    await sign_in(page, "offline");
    const state = page.locator("#connection_state");
    // The device says so, but the server can be reached: on the same machine, say.
    await page.evaluate(() => {
      window.states = [];
      const shown = document.getElementById("connection_state");
      new MutationObserver(() => window.states.push(shown.textContent)).observe(shown, { childList: true });
      dispatchEvent(new Event("offline"));
    });
    await page.waitForFunction(() => window.states.at(-1) === "Connected");
    assert.equal(await page.evaluate(() => window.states[0]), "Offline? Asking the server…");
    await page.context().setOffline(true);
    await state.filter({ hasText: /^Offline$/ }).waitFor();
    await picture(page, "offline");
    await page.context().setOffline(false);
    await state.filter({ hasText: "Connected" }).waitFor();
    await ask(page, question);
    await answers(page).filter({ hasText: "84" }).waitFor();
  }));

test("everything can be done with the keyboard alone, and is seen to have the focus", async () => {
  const page = await visit();
  await page.keyboard.type("keys");
  await page.keyboard.press("Enter");
  await page.locator('#connection[data-state="connected"]').waitFor();
  await page.locator(".log").waitFor();
  await page.keyboard.type("two");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("lines");
  await page.keyboard.press("Enter");
  await page.locator(".log .user p").waitFor();
  assert.equal(await page.locator(".log .user p").innerText(), "two\nlines");
  await idle(page);

  const focused = () =>
    page.evaluate(() => {
      const { id, ariaLabel, textContent } = document.activeElement;
      return id || ariaLabel || textContent;
    });
  const go_to = async (name, key = "Shift+Tab") => {
    const passed = [];
    while (!name.test(passed.at(-1) ?? (await focused()))) {
      await page.keyboard.press(key);
      passed.push(await focused());
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.ok(passed.at(-1) === "" || outline !== "none", `nothing shows that ${passed.at(-1)} has the focus`);
      assert.ok(passed.length < 20, `${name} is not reached, only ${passed}`);
    }
  };
  await go_to(/^new_thread$/);
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "text");
  await page.keyboard.type(question);
  await page.keyboard.press("Enter");
  await answers(page).filter({ hasText: "84" }).waitFor();
  await idle(page);
  await go_to(/^two/);
  await page.keyboard.press("Enter");
  await page.locator(".log .user p", { hasText: "two" }).waitFor();
  assert.equal(await focused(), "text");
  await leave(page);
});

test("a phone's width is enough", async () => {
  const page = await visit({ viewport: phone, hasTouch: true });
  await assert_fits(page);
  await picture(page, "phone-sign-in");
  await sign_in(page, "a-user-whose-name-is-really-rather-long@example.org");
  await ask(page, question);
  await answers(page).filter({ hasText: "84" }).waitFor();
  await ask(page, `a word that does not end: ${"x".repeat(300)}`);
  await answers(page).nth(1).waitFor();
  await idle(page);
  await assert_fits(page);
  await picture(page, "phone");
  await page.getByRole("button", { name: "Threads", exact: true }).click();
  await page.locator("#new_thread").waitFor();
  await assert_fits(page);
  await picture(page, "phone-threads");
  await page.locator("#new_thread").click();
  await page.locator("#new_thread").waitFor({ state: "hidden" });
  await leave(page);
});

test("the page is dark for who likes it dark, and still for who likes it still", async () => {
  const page = await visit({ colorScheme: "dark", reducedMotion: "reduce" });
  await sign_in(page, "night");
  await ask(page, question);
  await answers(page).filter({ hasText: "84" }).waitFor();
  await ask(page, "/stream 40 40");
  await page.locator("#stop").waitFor();
  const moving = await page.evaluate(() =>
    document.getAnimations().map(({ animationName, effect }) => `${animationName} of ${effect.target.id}`),
  );
  assert.deepEqual(moving, []);
  await picture(page, "dark");
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
  assert.ok(Math.max(...ground) < 80, `the ground is ${ground}`);
  await idle(page);
  await leave(page);
});
