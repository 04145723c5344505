// Keeps the place when the language changes, prints everything, dark on light,
// and lets the keyboard do what the mouse does.
(() => {
    'use strict';

    const link = document.getElementById('language');
    const base = link.getAttribute('href');

    // The fragment of this place: the one in the address, or else that of the
    // last anchor above what is being read.
    function place() {
        if (window.location.hash) {
            return window.location.hash;
        }
        if (window.scrollY < 100) {
            return '';
        }
        const anchors = document.querySelectorAll('main [id]');
        const above = Array.from(anchors).filter(
            (anchor) => anchor.getBoundingClientRect().top < 150,
        );
        const last = above.pop();
        return last ? `#${last.id}` : '';
    }

    for (const event of ['click', 'auxclick', 'focus', 'pointerenter']) {
        link.addEventListener(event, () => {
            link.href = base + place();
        });
    }

    function unfold() {
        for (const details of document.querySelectorAll('main details')) {
            details.open = true;
        }
    }

    // Paper is light, whatever the screen is.
    const { classList } = document.documentElement;
    const sheets = ['highlight', 'tomorrow-night', 'ayu-highlight'].map(
        (name) => document.getElementById(`mdbook-${name}-css`),
    );
    let screen = null;

    window.addEventListener('beforeprint', () => {
        const themes = ['ayu', 'coal', 'navy'];
        const theme = themes.find((name) => classList.contains(name));
        if (theme) {
            screen = [theme, ...sheets.map((sheet) => sheet.disabled)];
            classList.replace(theme, 'light');
            sheets.forEach((sheet, index) => {
                sheet.disabled = index > 0;
            });
        }
    });
    window.addEventListener('afterprint', () => {
        if (screen) {
            const [theme, ...disabled] = screen;
            classList.replace('light', theme);
            sheets.forEach((sheet, index) => {
                sheet.disabled = disabled[index];
            });
            screen = null;
        }
    });

    window.addEventListener('beforeprint', unfold);
    if (/\/print\.html$/.test(window.location.pathname)) {
        unfold();
    }

    // What is too wide scrolls by itself, with the arrow keys as well.
    function reach() {
        const parts = 'main :is(pre, pre > code, .table-wrapper)';
        for (const part of document.querySelectorAll(parts)) {
            if (part.scrollWidth > part.clientWidth) {
                part.tabIndex = 0;
            } else {
                part.removeAttribute('tabindex');
            }
        }
    }

    window.addEventListener('load', reach);
    window.addEventListener('resize', reach);

    // mdBook has a label there, which the keyboard passes by; the builder has
    // made a button of it.
    document
        .getElementById('mdbook-sidebar-toggle')
        .addEventListener('click', () => {
            document.getElementById('mdbook-sidebar-toggle-anchor').click();
        });
})();
