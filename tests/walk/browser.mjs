// Walks through the bundled server and its client in a real browser: `npm install && node browser.mjs`.
// Both must be running and freshly started: the walk expects that no consent is remembered yet.
// SCREENSHOTS names a folder for one picture a step; ISSUER and CLIENT say where the two programs are.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const SERVER = process.env.ISSUER ?? 'http://localhost:9000';
const CLIENT = process.env.CLIENT ?? 'http://localhost:8000';
const USER = 'id001';
const PASSWORD = 'mypassword';

let steps = 0;

/** A fresh browser profile with one page, and what went wrong behind the page's back. */
class Visitor {
  problems = [];

  static async arrive(browser, name, options = {}) {
    const visitor = new Visitor();
    visitor.name = name;
    const context = await browser.newContext(options);
    context.setDefaultTimeout(10_000);
    context.on('weberror', (event) => visitor.problems.push(event.error().message));
    context.on('console', (message) => {
      // Chromium also logs each error status: a page's is checked by its step, any other one below.
      const isStatus = message.text().startsWith('Failed to load resource: the server responded');
      if (message.type() === 'error' && !isStatus) visitor.problems.push(message.text());
    });
    context.on('response', (response) => {
      if (response.request().isNavigationRequest()) visitor.response = response;
      else if (!response.ok()) visitor.problems.push(`${response.status()} ${response.url()}`);
    });
    visitor.page = await context.newPage();
    return visitor;
  }

  async step(what, action) {
    try {
      await action();
      assert.deepEqual(this.problems, [], 'the browser has nothing to complain about');
    } catch (cause) {
      throw new Error(`${this.name}: ${what}`, { cause });
    }
    steps += 1;
    console.log(`ok ${steps} - ${this.name}: ${what}`);
    if (process.env.SCREENSHOTS) {
      const file = `${String(steps).padStart(2, '0')}-${what.replace(/\W+/g, '-')}.png`;
      await this.page.screenshot({ path: `${process.env.SCREENSHOTS}/${file}`, fullPage: true });
    }
  }

  /** Does `action` and waits for the page it leads to, past all redirects. */
  async follow(action, { status = 200 } = {}) {
    const loaded = this.page.waitForEvent('load');
    await Promise.all([loaded, action()]);
    assert.equal(this.response.status(), status, `status of ${this.page.url()}`);
  }

  open(url) {
    return this.follow(() => this.page.goto(url));
  }

  press(button, expected) {
    return this.follow(() => this.page.getByRole('button', { name: button, exact: true }).click(), expected);
  }

  async logIn(password, expected) {
    await this.page.getByLabel('User ID').fill(USER);
    await this.page.getByLabel('Password').fill(password);
    await this.press('Log in', expected);
  }

  /** What the login form carries on to. */
  next() {
    return this.page.locator('input[name=next]').inputValue();
  }

  async tabTo(button) {
    for (let presses = 0; presses < 20; presses += 1) {
      await this.page.keyboard.press('Tab');
      const focused = this.page.locator('button:focus');
      if ((await focused.count()) && (await focused.textContent()) === button) return;
    }
    assert.fail(`Tab never reaches ${button}`);
  }

  async expectLoginPage() {
    assert.equal(new URL(this.page.url()).origin, SERVER);
    assert.equal(await this.page.locator('input[name=user_id]').count(), 1, 'a user_id field');
    assert.equal(await this.page.locator('input[name=password]').count(), 1, 'a password field');
    await this.expectGuardedPage();
  }

  async expectConsentPage() {
    assert.equal(new URL(this.page.url()).origin, SERVER);
    assert.notEqual((await this.page.locator('h1 bdi').textContent()).trim(), '', 'the client is named');
    await this.expectText('profile');
    await this.expectText(new URL(CLIENT).hostname);
    await this.expectGuardedPage();

    const session = (await this.page.context().cookies(SERVER)).find(({ name }) => name === 'grantwell_as');
    assert.ok(session, 'a session cookie');
    assert.deepEqual([session.httpOnly, session.sameSite], [true, 'Lax']);
  }

  async expectGuardedPage() {
    const headers = await this.response.allHeaders();
    const policy = (headers['content-security-policy'] ?? '').split(';').map((directive) => directive.trim());
    assert.ok(policy.includes("frame-ancestors 'none'"), 'no other site may frame the page');
    // Chromium holds form-action against redirects too, so it would block the way back to the client.
    assert.ok(!policy.some((directive) => directive.startsWith('form-action')), 'no form-action');
    assert.match(headers['cache-control'] ?? '', /\bno-store\b/);
  }

  async expectLoggedInAtClient() {
    assert.equal(this.page.url(), `${CLIENT}/`);
    await this.expectText(USER);
  }

  async expectText(text) {
    const shown = await this.page.locator('body').innerText();
    assert.ok(shown.includes(text), `${this.page.url()} shows ${text}, not:\n${shown}`);
  }

  /** Every address the last page's request went through. */
  trail() {
    const urls = [];
    for (let request = this.response.request(); request; request = request.redirectedFrom()) urls.unshift(request.url());
    return urls;
  }
}

async function wholeWalk(browser) {
  const visitor = await Visitor.arrive(browser, 'browser');
  const { page } = visitor;

  await visitor.step('the client sends its visitor to the login page', async () => {
    await visitor.open(`${CLIENT}/`);
    await visitor.follow(() => page.getByRole('link', { name: 'Log in', exact: true }).click());
    await visitor.expectLoginPage();
  });
  await visitor.step('a wrong password is told, and the request is kept', async () => {
    const next = await visitor.next();
    assert.notEqual(next, '');
    await visitor.logIn('wrong', { status: 401 });
    await visitor.expectLoginPage();
    assert.notEqual((await page.getByRole('alert').innerText()).trim(), '');
    assert.equal(await visitor.next(), next);
    assert.equal(new URL(page.url()).searchParams.get('next'), next, 'the address leads on to the same request');
  });
  await visitor.step('the right password leads to consent', async () => {
    await visitor.logIn(PASSWORD);
    await visitor.expectConsentPage();
  });
  await visitor.step('Deny takes access_denied to the client', async () => {
    await visitor.press('Deny', { status: 400 });
    assert.equal(new URL(page.url()).origin, CLIENT);
    await visitor.expectText('access_denied');
  });
  await visitor.step('the next request asks for consent, not for the password', async () => {
    await visitor.open(`${CLIENT}/login`);
    await visitor.expectConsentPage();
  });
  await visitor.step('Allow by keyboard logs in at the client', async () => {
    await visitor.tabTo('Allow');
    await visitor.follow(() => page.keyboard.press('Enter'));
    await visitor.expectLoggedInAtClient();
  });
  await visitor.step('the client reads the profile', async () => {
    await visitor.open(`${CLIENT}/profile`);
    for (const text of ['user_id', USER, 'client_id', 'client_1', 'scope', 'profile']) await visitor.expectText(text);
  });
  await visitor.step('a second login passes straight through', async () => {
    await visitor.open(`${CLIENT}/login`);
    await visitor.expectLoggedInAtClient();
    assert.ok(visitor.trail().some((url) => url.startsWith(`${SERVER}/`)), 'by way of the server');
  });
  await visitor.step('prompt=consent asks again', async () => {
    await visitor.open(`${CLIENT}/login?prompt=consent`);
    await visitor.expectConsentPage();
  });
  await visitor.step('logging out takes a button', async () => {
    await visitor.open(`${SERVER}/logout`);
    await visitor.press('Log out');
    await visitor.expectText('logged out');
  });
  await visitor.step('after that a login asks for the password', async () => {
    await visitor.open(`${CLIENT}/login`);
    await visitor.expectLoginPage();
  });
}

async function walkWithoutScripts(browser) {
  const visitor = await Visitor.arrive(browser, 'no JavaScript', { javaScriptEnabled: false });

  await visitor.step('login page', async () => {
    // The whole walk's consent is remembered by now.
    await visitor.open(`${CLIENT}/login?prompt=consent`);
    await visitor.expectLoginPage();
  });
  await visitor.step('wrong password', async () => {
    await visitor.logIn('wrong', { status: 401 });
    await visitor.expectLoginPage();
  });
  await visitor.step('right password', async () => {
    await visitor.logIn(PASSWORD);
    await visitor.expectConsentPage();
  });
  await visitor.step('Allow', async () => {
    await visitor.press('Allow');
    await visitor.expectLoggedInAtClient();
  });
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
try {
  await wholeWalk(browser);
  await walkWithoutScripts(browser);
  console.log(`${steps} passed, 0 failed`);
} catch (error) {
  console.error(error);
  console.log(`${steps} passed, 1 failed`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
