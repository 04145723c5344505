// What check.mjs and pdf.mjs both need: Chromium.
import { chromium } from 'playwright-core';

// Starts Chromium with these arguments more; `close` ends it.
export function launch(...more) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...more],
  });
}
