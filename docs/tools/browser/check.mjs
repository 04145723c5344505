// Looks at the built book with a real browser, as its readers do.
//
//     node check.mjs FOLDER [NAME [PAGES]]
//
// NAME is one of the checks at the end of this file; PAGES is a regular
// expression for the names of the pages to look at.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { launch } from './browser.mjs';

const require = createRequire(import.meta.url);
const axePath = require.resolve('axe-core/axe.min.js');

const [book, wantedCheck, wantedPages = ''] = process.argv.slice(2);
const folder = resolve(book);
const wanted = new RegExp(wantedPages);

const WIDTHS = [1280, 390];
const THEMES = ['light', 'dark'];

// What is wrong, each once; and the lines that each page has with nothing
// folded.
const wrong = new Set();
const linesOf = new Map();

function expect(isTrue, what) {
  if (!isTrue) {
    wrong.add(what);
  }
}

// Python's own server takes any free port, and its first line names it.
const server = spawn(
  'python3',
  ['-um', 'http.server', '--bind', '127.0.0.1', '--directory', folder, '0'],
  { stdio: ['ignore', 'pipe', 'ignore'] },
);
process.on('exit', () => server.kill());
const [firstLine] = await once(server.stdout, 'data');
const origin = /http:\/\/[\d.:]+/.exec(firstLine)[0];
const browser = await launch(
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
);

// The pages that are read, without those that only carry others.
async function pagesOf(language) {
  const root = join(folder, language);
  const names = await readdir(root, { recursive: true });
  return names
    .filter((name) => name.endsWith('.html'))
    .filter((name) => !['toc.html', 'print.html'].includes(name))
    .filter((name) => language !== '' || !name.startsWith('es/'))
    .map((name) => join(language, name))
    .filter((name) => wanted.test(name))
    .sort();
}

// These pages of both languages.
async function inBoth(pages) {
  return [...(await pages('')), ...(await pages('es'))];
}

// A tab of a reader who visits for the first time. Each error in it is
// reported.
async function tab({ width = 1280, theme = 'light' } = {}) {
  const context = await browser.newContext({
    baseURL: origin,
    colorScheme: theme,
    viewport: { width, height: width < 500 ? 844 : 800 },
  });
  const page = await context.newPage();
  // Generous: the machine may be busy.
  page.setDefaultTimeout(60_000);
  const must = (isTrue, what) => expect(isTrue, `${page.url()}: ${what}`);
  page.on('pageerror', (error) => must(false, error));
  page.on('requestfailed', (request) => {
    const { errorText } = request.failure();
    // Aborted: the reader has gone on to the next page.
    const isAborted = errorText === 'net::ERR_ABORTED';
    must(isAborted, `${errorText} ${request.url()}`);
  });
  page.on('response', (response) => {
    const status = response.status();
    must(status < 400, `${status} ${response.url()}`);
  });
  // No network while reading: the browser finds no other host than this one.
  page.on('request', (request) => {
    const { protocol, origin: from, href } = new URL(request.url());
    const isHere = from === origin || !/^https?:$/.test(protocol);
    must(isHere, `fetches ${href}`);
  });
  return page;
}

// Every page fits this width, and its code is whole and highlighted.
async function fit(visit, width) {
  // Not resized: the table of contents is open or not from the beginning.
  const page = await visit({ width });
  for (const name of await inBoth(pagesOf)) {
    await page.goto(`/${name}`);
    const over = await page.evaluate(overflowing);
    expect(!over, `${name}: at ${width} px too wide: ${over}`);
    const plain = await page.evaluate(unhighlighted);
    expect(!plain, `${name}: not highlighted: ${plain}`);
    const broken = await page.evaluate(brokenWord);
    expect(!broken, `${name}: at ${width} px on two lines: ${broken}`);
    if (width === 1280) {
      const high = await page.evaluate(height);
      expect(high <= 6000, `${name}: ${high} px high, more than 6000`);
      linesOf.set(name, await unfoldedLines(page));
    }
  }
}

// How high a page is when a reader opens it: what is folded stays folded.
function height() {
  return document.querySelector('main').scrollHeight;
}

// What makes the page wider than the screen. A part of the text may scroll by
// itself, the whole text may not: mdBook would let it.
function overflowing() {
  const width = document.documentElement.clientWidth;
  const describe = (element) =>
    `${element.tagName}.${element.className}: ` +
    `${(element.textContent ?? '').trim().slice(0, 50)}`;
  const scrolls = (element) => {
    for (let at = element; at.tagName !== 'MAIN'; at = at.parentElement) {
      if (['auto', 'scroll'].includes(getComputedStyle(at).overflowX)) {
        return true;
      }
    }
    return false;
  };
  for (const element of document.querySelectorAll('main, main *')) {
    const box = element.getBoundingClientRect();
    if (box.width > 0 && box.right > width + 1 && !scrolls(element)) {
      return describe(element);
    }
  }
  const around = [document.documentElement, document.body];
  for (let at = document.querySelector('main'); at; at = at.parentElement) {
    around.push(at);
  }
  const wide = around.find((at) => at.scrollWidth > at.clientWidth + 1);
  return wide ? describe(wide) : null;
}

// A word of a command, such as `-N`, of which a part is on the next line.
function brokenWord() {
  const range = document.createRange();
  const inline = 'main code:not(pre code, .line code, h1 code)';
  for (const code of document.querySelectorAll(inline)) {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.data.matchAll(/[^ ]+/g)) {
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        const tops = [...range.getClientRects()].map((it) => it.top);
        if (word[0].length <= 24 && new Set(tops).size > 1) {
          return word[0];
        }
      }
    }
  }
  return null;
}

// Code of a programming language in which nothing has a colour.
function unhighlighted() {
  const blocks = document.querySelectorAll('main .code, main pre');
  for (const block of blocks) {
    const codes = [...block.querySelectorAll('code')].filter((code) =>
      /language-(rust|python|c|bash)\b/.test(code.className),
    );
    const text = codes.map((code) => code.textContent).join('\n');
    const keyword = /^\s*(fn|let|use|pub|def|import|if|for|while|match)\b/m;
    if (!codes.every((code) => code.classList.contains('hljs'))) {
      return text.slice(0, 60);
    }
    if (keyword.test(text) && !block.querySelector('.hljs-keyword')) {
      return text.slice(0, 60);
    }
  }
  return null;
}

// Every link leads somewhere, and a page has the same places in both languages:
// only then does the link to the other language keep the place. The pages are
// looked at as they were written, before a script has run. What one of them
// fetches from elsewhere each tab reports.
async function links(visit) {
  const page = await visit();
  await page.goto('/index.html');
  const files = new Set(await readdir(folder, { recursive: true }));
  const pages = new Map();
  const idsOf = new Map();
  for (const name of [...files].filter((it) => it.endsWith('.html'))) {
    const parts = await page.evaluate(partsOf, `/${name}`);
    pages.set(name, parts);
    idsOf.set(name, new Set(parts.ids));
  }
  for (const [name, { targets, ids, places }] of pages) {
    const must = (isTrue, what) => expect(isTrue, `${name}: ${what}`);
    const urls = targets.map((target) => new URL(target));
    for (const url of urls.filter((it) => it.origin === origin)) {
      const path = decodeURI(url.pathname.slice(1));
      const id = decodeURIComponent(url.hash.slice(1));
      must(files.has(path), `leads nowhere: ${url}`);
      const isPlace = !id || idsOf.get(path)?.has(id) !== false;
      must(isPlace, `leads to no place of that page: ${url}`);
    }
    const twice = ids.sort().find((id, index) => id === ids[index + 1]);
    must(!twice, `two elements are #${twice}`);
    const hasLanguage = ids.includes('language') || name.endsWith('toc.html');
    must(hasLanguage, 'has no link to the other language');
    const other = name.startsWith('es/') ? name.slice(3) : `es/${name}`;
    must(files.has(other), `${other} is missing`);
    const single = places.find((id) => idsOf.get(other)?.has(id) === false);
    must(!single, `#${single} is in one language only`);
  }
}

// Where a page leads, what can be linked on it, and what of that is the text.
async function partsOf(address) {
  const text = await (await fetch(address)).text();
  const html = new DOMParser().parseFromString(text, 'text/html');
  const idsOf = (query) => [...html.querySelectorAll(query)].map((it) => it.id);
  const link = (it) => it.getAttribute('href') ?? it.getAttribute('src');
  return {
    ids: idsOf('[id]'),
    places: idsOf('main [id]'),
    targets: [...html.querySelectorAll('[href], [src]')].map(
      (it) => new URL(link(it), new URL(address, window.location)).href,
    ),
  };
}

// The pages of each kind: the first chapter, one with questions or tables,
// annotated source in both languages of programming.
async function representatives(language) {
  const names = await pagesOf(language);
  const kinds = [
    'introduction',
    'threads',
    'side-by-side',
    'claims',
    'exercises',
    'annotated/threads-main',
    'annotated/python-mux',
    'threads-steps',
    'teacher',
    'slides',
  ].map((name) => join(language, `${name}.html`));
  const found = names.filter((name) => kinds.includes(name));
  return found.length > 0 ? found : names.slice(0, 1);
}

// No accessibility violation that axe-core knows of.
async function accessible(visit, theme, width) {
  const page = await visit({ theme, width });
  for (const name of await inBoth(representatives)) {
    await page.goto(`/${name}`);
    // What is folded is looked at as well.
    await page.evaluate(unfold);
    await page.addScriptTag({ path: axePath });
    for (const { id, help, nodes } of await page.evaluate(violations, theme)) {
      const where = nodes.map(({ target }) => target.join(' '));
      wrong.add(
        `${name} (${theme}, ${width} px): ${id}: ${help}: ` +
          where.slice(0, 5).join('; '),
      );
    }
  }
}

// Between the themes only colours differ.
async function violations(theme) {
  const colours = { runOnly: ['color-contrast', 'link-in-text-block'] };
  const rules = theme === 'dark' ? colours : {};
  const found = await window.axe.run({ resultTypes: ['violations'], ...rules });
  return found.violations;
}

function unfold() {
  for (const details of document.querySelectorAll('main details')) {
    details.open = true;
  }
}

// The link to the other language leads to the same place, there and back.
async function language(visit) {
  const page = await visit();
  const at = () => {
    const url = new URL(page.url());
    return url.pathname + url.hash;
  };
  const follow = async (expected) => {
    await page.locator('#language').click();
    await page.waitForURL((url) => url.pathname !== from);
    const there = at();
    const message = `the language link leads to ${there}, not to ${expected}`;
    expect(there === expected, message);
  };
  let from = '/annotated/threads-main.html';
  await page.goto(`${from}#step-3`);
  await follow(`/es${from}#step-3`);
  from = `/es${from}`;
  await follow('/annotated/threads-main.html#step-3');
  // Also where the reader has only scrolled.
  from = '/annotated/threads-main.html';
  await page.goto('about:blank');
  await page.goto(from);
  const line = page.locator('.line').nth(40);
  await line.evaluate((element) => element.scrollIntoView());
  await page.locator('#language').click();
  await page.waitForURL(/\/es\//);
  const isPlace = /#(L|step-)\d/.test(page.url());
  expect(isPlace, `the language link has lost the place: ${at()}`);
}

// The search finds a word of the source and a word of the translation.
async function search(visit) {
  for (const [start, word] of [
    ['/index.html', 'fork'],
    ['/es/index.html', 'núcleo'],
    // Readers type no accents in a search.
    ['/es/index.html', 'multiplexacion'],
  ]) {
    const page = await visit();
    await page.goto(start);
    await page.keyboard.press('s');
    await page.locator('#mdbook-searchbar').pressSequentially(word);
    // Results for a part of a word come while the reader types.
    const header = page.locator('#mdbook-searchresults-header');
    await header.filter({ hasText: `'${word}'` }).waitFor();
    const results = page.locator('#mdbook-searchresults a');
    const crumbs = await results.allInnerTexts();
    if (crumbs.length === 0) {
      wrong.add(`${start}: the search does not find ${word}`);
      continue;
    }
    // In a book whose own contents are English, no answer can be Spanish.
    const english = (text) => /\bThe |\band\b/.test(text);
    const contents = await page.locator('.sidebar').textContent();
    expect(
      !start.startsWith('/es/') ||
        !english(crumbs.join('\n')) ||
        english(contents),
      `${start}: the search answers in English: ${crumbs[0]}`,
    );
    await results.first().click();
    await page.waitForLoadState();
    const plain = (text) =>
      text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '');
    const text = plain(await page.locator('main').innerText());
    const found = text.includes(plain(word));
    expect(found, `${page.url()}: found for ${word}, but it is not there`);
  }
}

// The print view has every page, all of it, with nothing folded.
async function print(visit, language) {
  const page = await visit();
  // The first page is there under two names, and the slides are made of other
  // pages.
  const apart = ['index.html', 'slides.html'].map((name) =>
    join(language, name),
  );
  const names = (await pagesOf(language)).filter((it) => !apart.includes(it));
  for (const name of names.filter((it) => !linesOf.has(it))) {
    await page.goto(`/${name}`);
    linesOf.set(name, await unfoldedLines(page));
  }
  if (names.length > 0) {
    await page.goto(`/${join(language, 'print.html')}?teacher`);
    await page.emulateMedia({ media: 'print' });
    const there = new Set(await textLines(page));
    for (const name of names) {
      const missing = linesOf.get(name).find((line) => !there.has(line));
      const message = `print view: of ${name} there is no: ${missing}`;
      expect(missing === undefined, message);
    }
  }
}

// The lines of a page with nothing folded, as the teacher sees it.
async function unfoldedLines(page) {
  await page.evaluate(unfold);
  await page.evaluate(() => {
    document.documentElement.classList.add('with-teacher');
  });
  return textLines(page);
}

// What a class gets on paper has no answers and no notes for the teacher, and
// all else unfolded; afterwards the page is as it was. With `?teacher` they are
// there.
async function withoutAnswers(visit) {
  const page = await visit();
  await page.emulateMedia({ media: 'print' });
  const state = async (event) => {
    await page.evaluate((name) => window.dispatchEvent(new Event(name)), event);
    return page.evaluate(() => {
      const seen = (part) =>
        [...document.querySelectorAll(part)].filter(
          (element) => element.checkVisibility(),
        ).length;
      return {
        answers: seen('.answer p'),
        notes: seen('.teacher p'),
        questions: seen('.question p'),
        folded: seen('main .tests .line, main .part .line'),
        open: document.querySelectorAll('main details[open]').length,
      };
    });
  };
  const must = (isTrue, what) => expect(isTrue, `print: ${what}`);
  const printed = async (address) => {
    await page.goto(address);
    return state('beforeprint');
  };
  let there = await printed('/threads-steps.html');
  must(there.answers === 0, 'an answer is printed');
  must(there.questions > 0, 'no question is printed');
  there = await printed('/threads.html');
  must(there.notes === 0, 'a note for the teacher is printed');
  there = await printed('/annotated/console-log.html');
  must(there.folded > 0, 'what is folded is not printed');
  there = await state('afterprint');
  must(there.open === 0, 'what was folded stays unfolded');
  there = await printed('/threads-steps.html?teacher');
  must(there.answers > 0, 'the teacher gets no answers');
  there = await printed('/threads.html?teacher');
  must(there.notes > 0, 'the teacher gets no notes');
  // They are there on the screen, too, and on every page reached from there.
  await page.emulateMedia({ media: 'screen' });
  await page.goto('/threads.html?teacher');
  await state('afterprint');
  const note = page.locator('.teacher summary').first();
  must(await note.isVisible(), 'the teacher sees no notes');
  await page.locator('main a[href*="steps.html"]').first().click();
  await page.waitForLoadState();
  must(/\?teacher/.test(page.url()), 'the next page forgets ?teacher');
  await page.goto('/threads.html');
  must(!(await note.isVisible()), 'the class sees notes');
}

// The sheet for three terminals is two sides of one leaf.
async function twoPages(visit) {
  const page = await visit();
  for (const language of ['', 'es/']) {
    await page.goto(`/${language}terminals.html`);
    const pdf = await page.pdf({ format: 'A4' });
    const count = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length;
    const message = `${language}terminals.html: ${count} pages on paper, not 2`;
    expect(count === 2, message);
  }
}

// The slides: the arrow keys lead through all of them, one at a time, each
// whole and large enough to be read from the last row.
async function slides(visit, language, width, height) {
  const page = await visit({ width });
  await page.setViewportSize({ width, height });
  await page.goto(`/${language}slides.html`);
  await page.evaluate(() => document.fonts.ready);
  const count = await page.locator('.slide').count();
  const seen = new Set();
  for (let number = 0; number < count; number += 1) {
    const slide = await page.evaluate(() => {
      const shown = [...document.querySelectorAll('.slide')].filter(
        (element) => element.checkVisibility(),
      );
      const [first] = shown;
      return {
        shown: shown.length,
        id: first.id,
        size: parseFloat(first.style.getPropertyValue('--size')),
        over:
          first.scrollHeight > first.clientHeight ||
          first.scrollWidth > first.clientWidth,
        asks: Boolean(first.querySelector('.question')),
      };
    });
    const must = (isTrue, what) => {
      const where = `${language}slides.html#${slide.id} at ${width} px`;
      expect(isTrue, `${where}${what}`);
    };
    seen.add(slide.id);
    must(slide.shown === 1, `: ${slide.shown} slides at a time`);
    // Zoomed to 150 % on an old projector a long one may scroll.
    must(!slide.over || width <= 1000, ' does not fit');
    const isLarge = slide.size >= Math.max(11, width / 112);
    must(isLarge, `: letters of ${slide.size} px`);
    if (slide.asks) {
      const question = page.locator('.slide.shown .question');
      await page.keyboard.press('ArrowDown');
      const asks = await question.isVisible();
      must(asks, ': the down arrow shows no question');
      await page.keyboard.press('ArrowDown');
      const answers = await question.locator('.answer p').first().isVisible();
      must(answers, ': the down arrow shows no answer');
    }
    await page.keyboard.press('ArrowRight');
  }
  const all = count >= 20 && seen.size === count;
  expect(all, `${language}slides.html: ${seen.size} of ${count} slides`);
  await page.keyboard.press('ArrowLeft');
  const at = await page.evaluate(() => window.location.hash);
  await page.locator('#language').click();
  await page.waitForLoadState();
  const isSame = new URL(page.url()).hash === at;
  expect(isSame, `${language}slides.html: the other language is not at ${at}`);
}

// Paper is light also where the screen is dark.
async function paper(visit) {
  const page = await visit({ theme: 'dark' });
  await page.goto('/annotated/threads-main.html');
  const background = (event) =>
    page.evaluate((name) => {
      window.dispatchEvent(new Event(name));
      return getComputedStyle(document.documentElement).backgroundColor;
    }, event);
  const white = 'rgb(255, 255, 255)';
  const printed = await background('beforeprint');
  expect(printed === white, 'a dark page is printed dark');
  const shown = await background('afterprint');
  expect(shown !== white, 'a dark page is light after it was printed');
}

// The lines that a reader sees.
async function textLines(page) {
  const text = await page.locator('main').innerText();
  return text.split('\n').map((line) => line.trim().replace(/\s+/g, ' '));
}

// All can be done without a mouse.
async function keyboard(visit) {
  const page = await visit();
  const start = '/annotated/threads-main.html';
  await page.goto(start);
  // Tab goes through the bar, past the text, and is caught nowhere.
  const seen = [];
  for (let count = 0; count < 200; count += 1) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) {
        return null;
      }
      const { outlineStyle, outlineWidth, boxShadow } =
        getComputedStyle(element);
      const visible =
        (outlineStyle !== 'none' && outlineWidth !== '0px') ||
        boxShadow !== 'none';
      return {
        name: element.id || element.rel || element.getAttribute('href'),
        visible,
      };
    });
    if (!focus) {
      break;
    }
    const { name, visible } = focus;
    expect(visible, `keyboard: one does not see the focus at ${name}`);
    seen.push(name);
  }
  for (const name of [
    'mdbook-sidebar-toggle',
    'mdbook-theme-toggle',
    'mdbook-search-toggle',
    'language',
  ]) {
    expect(seen.includes(name), `keyboard: Tab does not reach ${name}`);
  }
  // The table of contents opens and closes.
  const toggle = page.locator('#mdbook-sidebar-toggle');
  const before = await toggle.getAttribute('aria-expanded');
  await toggle.focus();
  await page.keyboard.press('Enter');
  const after = await toggle.getAttribute('aria-expanded');
  const message = 'keyboard: Enter does not open the table of contents';
  expect(after !== before, message);
  // The other language, and the next page.
  await page.locator('#language').focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/es\//);
  await page.goto(start);
  await page.keyboard.press('ArrowRight');
  try {
    await page.waitForURL((url) => url.pathname !== start);
  } catch {
    wrong.add('keyboard: the right arrow does not lead to the next page');
  }
  // What is folded unfolds.
  await page.goto('/annotated/console-log.html');
  await page.locator('main summary').first().focus();
  await page.keyboard.press('Enter');
  const open = await page.locator('main details[open]').count();
  expect(open > 0, 'keyboard: Enter unfolds nothing');
}

// Each check, and with what else it is called. The longest ones come first;
// those that use what other checks have seen come last.
const CHECKS = [
  ...WIDTHS.map((width) => [fit, width]),
  ...THEMES.flatMap((theme) => WIDTHS.map((it) => [accessible, theme, it])),
  ...['', 'es/'].flatMap((it) => [
    [slides, it, 1280, 720],
    [slides, it, 683, 512],
  ]),
  [links],
  [language],
  [search],
  [paper],
  [withoutAnswers],
  [twoPages],
  [keyboard],
  ...['', 'es'].map((language) => [print, language]),
];

// Runs these checks, two at a time, and closes the tabs of each when it ends;
// says how long each kind has taken.
async function run(checks) {
  const left = [...checks];
  const took = {};
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [check, ...rest] = next;
      const began = Date.now();
      const pages = [];
      const visit = async (options) => {
        const page = await tab(options);
        pages.push(page);
        return page;
      };
      try {
        await check(visit, ...rest);
      } catch (error) {
        wrong.add(`${check.name}: ${error}`);
      }
      await Promise.all(pages.map((page) => page.context().close()));
      took[check.name] = (took[check.name] ?? 0) + Date.now() - began;
    }
  };
  await Promise.all([work(), work()]);
  return took;
}

const checks = CHECKS.filter(
  ([check]) => wantedCheck === undefined || wantedCheck === check.name,
);
expect(checks.length > 0, `there is no check ${wantedCheck}`);
const took = await run(checks);
if (wantedCheck === undefined) {
  for (const [name, time] of Object.entries(took)) {
    console.log(`  ${name}: ${(time / 1000).toFixed(1)} s`);
  }
}
for (const what of wrong) {
  console.log(what.replaceAll(origin, ''));
}
process.exitCode = wrong.size > 0 ? 1 : 0;
await browser.close();
server.kill();
