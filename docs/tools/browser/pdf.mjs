// One PDF of the whole book in one language, with contents, page numbers and
// an outline: node pdf.mjs FOLDER OUTPUT [--teacher]
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { launch } from './browser.mjs';

const [folder, output, teacher] = process.argv.slice(2);
const print = pathToFileURL(resolve(folder, 'print.html'));
if (teacher === '--teacher') {
  print.search = '?teacher';
}

// The chapters and their parts, as the table of contents has them.
async function chapters(browser) {
  const page = await browser.newPage();
  await page.goto(pathToFileURL(resolve(folder, 'toc.html')).href);
  const found = await page.evaluate(() => {
    const items = [];
    for (const item of document.querySelectorAll('li')) {
      const link = item.querySelector(':scope a[href]');
      const depth = item.closest('ol').parentElement.closest('ol') ? 1 : 0;
      if (item.classList.contains('part-title')) {
        items.push({ part: item.textContent.trim() });
      } else if (link && link.closest('li') === item) {
        items.push({ title: link.textContent.trim(), depth });
      }
    }
    return items;
  });
  await page.close();
  return found;
}

// Puts the contents before the first chapter. Each of its lines has room for
// a number already, so that the second time no page is another one.
function addContents({ items, title }) {
  const main = document.querySelector('main');
  const heads = [...main.querySelectorAll('h1[id]')];
  const wanted = items.filter((item) => item.title).length;
  if (heads.length !== wanted) {
    throw new Error(`${heads.length} chapters, ${wanted} in the contents`);
  }
  const ids = heads.map((head) => head.id);
  const add = (parent, name, properties) => {
    const element = Object.assign(document.createElement(name), properties);
    parent.append(element);
    return element;
  };
  const list = document.createElement('div');
  list.className = 'contents';
  add(list, 'p', { className: 'contents-title', textContent: title });
  const left = [...ids];
  for (const item of items) {
    if (item.part) {
      add(list, 'p', { className: 'contents-part', textContent: item.part });
    } else {
      const id = left.shift();
      const className = `contents-line depth-${item.depth}`;
      const line = add(list, 'p', { className });
      add(line, 'a', { href: `#${id}`, textContent: item.title });
      add(line, 'span', { className: 'contents-page' }).dataset.id = id;
    }
  }
  main.prepend(list);
  return ids;
}

// On which page each place of the document is: Chromium names the places that
// are linked, and writes these names as they are.
function pagesOf(bytes, ids) {
  const text = bytes.toString('latin1');
  const objects = new Map();
  for (const [, number, body] of text.matchAll(
    /(?:^|\n)(\d+) 0 obj\s([\s\S]*?)\sendobj/g,
  )) {
    objects.set(number, body);
  }
  const order = [];
  const walk = (number) => {
    const body = objects.get(number) ?? '';
    const kids = /\/Kids\s*\[([^\]]*)\]/.exec(body);
    if (/\/Type\s*\/Pages\b/.test(body) && kids) {
      for (const [, kid] of kids[1].matchAll(/(\d+) 0 R/g)) {
        walk(kid);
      }
    } else {
      order.push(number);
    }
  };
  const catalog = [...objects.values()].find((body) =>
    /\/Type\s*\/Catalog\b/.test(body),
  );
  walk(/\/Pages (\d+) 0 R/.exec(catalog)[1]);
  const pages = new Map();
  for (const id of ids) {
    const name = id.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const found = new RegExp(`/${name}\\s*\\[(\\d+) 0 R`).exec(text);
    const index = found ? order.indexOf(found[1]) : -1;
    if (index < 0) {
      throw new Error(`the PDF does not say where #${id} is`);
    }
    pages.set(id, index + 1);
  }
  return pages;
}

const FOOT =
  '<div style="width:100%;font-size:8px;text-align:center;color:#555">' +
  '<span class="pageNumber"></span></div>';

const browser = await launch('--allow-file-access-from-files');
try {
  const items = await chapters(browser);
  const page = await browser.newPage();
  // mdBook's page asks to be printed as soon as it is there.
  await page.addInitScript(() => {
    window.print = () => {};
  });
  await page.goto(print.href);
  const title = await page.title();
  const ids = await page.evaluate(addContents, { items, title });
  const make = (extras) =>
    page.pdf({
      ...extras,
      format: 'A4',
      margin: { top: '15mm', bottom: '18mm', left: '15mm', right: '15mm' },
      displayHeaderFooter: true,
      headerTemplate: '<span></span>',
      footerTemplate: FOOT,
      timeout: 300_000,
    });
  const pages = pagesOf(await make({}), ids);
  await page.evaluate((numbers) => {
    for (const place of document.querySelectorAll('.contents-page')) {
      place.textContent = numbers[place.dataset.id];
    }
  }, Object.fromEntries(pages));
  const bytes = await make({ outline: true, tagged: true });
  const again = pagesOf(bytes, ids);
  for (const [id, number] of pages) {
    if (again.get(id) !== number) {
      throw new Error(`#${id} has moved from page ${number}`);
    }
  }
  await writeFile(output, bytes);
  console.log(output);
} finally {
  await browser.close();
}
