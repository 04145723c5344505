// Keeps the place when the language changes, prints everything, dark on light,
// keeps the words of a command whole, and lets the keyboard do what the mouse
// does.
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
            link.href = base + (isTeacher ? '?teacher' : '') + place();
        });
    }

    // Notes for the teacher are there with `?teacher` only, here and wherever
    // one goes from here.
    const { classList } = document.documentElement;
    const isTeacher = new URLSearchParams(window.location.search).has('teacher');
    if (isTeacher) {
        classList.add('with-teacher');
        const lead = () => {
            for (const anchor of document.querySelectorAll('a[href]')) {
                const url = new URL(anchor.href);
                if (url.origin === window.location.origin
                    && /\.html$|\/$/.test(url.pathname)
                    && url.pathname !== window.location.pathname) {
                    url.searchParams.set('teacher', '');
                    anchor.href = url.href.replace('teacher=', 'teacher');
                }
            }
        };
        window.addEventListener('load', lead);
        document.addEventListener('pointerdown', lead, true);
        document.addEventListener('keydown', lead, true);
    }

    // What is printed unfolds; answers only for the teacher. Afterwards all is
    // as it was.
    const parts = isTeacher
        ? 'main details'
        : 'main details:not(.answer, .teacher)';
    let folded = [];

    function unfold() {
        folded = Array.from(document.querySelectorAll(parts)).filter(
            (details) => !details.open,
        );
        for (const details of folded) {
            details.open = true;
        }
    }

    function fold() {
        for (const details of folded) {
            details.open = false;
        }
        folded = [];
    }

    // A link to a line that is folded unfolds it.
    function reveal() {
        const id = decodeURIComponent(window.location.hash.slice(1));
        const target = id && document.getElementById(id);
        if (!target) {
            return;
        }
        const around = [];
        for (let at = target; at; at = at.parentElement) {
            if (at.tagName === 'DETAILS' && !at.open) {
                around.push(at);
            }
        }
        for (const details of around) {
            details.open = true;
        }
        if (around.length > 0) {
            target.scrollIntoView();
        }
    }

    window.addEventListener('load', reveal);
    window.addEventListener('hashchange', reveal);

    // Paper is light, whatever the screen is.
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
    window.addEventListener('afterprint', fold);
    if (/\/print\.html$/.test(window.location.pathname)) {
        document.body.classList.add('printed');
        unfold();
        // The whole book is there to be printed, so it stays unfolded.
        folded = [];
    }

    // A browser may break a line after any hyphen or slash. A word of a command
    // stays whole: `-N` is no option without its letter.
    const inline = 'main code:not(pre code, .line code, h1 code)';
    for (const code of document.querySelectorAll(inline)) {
        const words = code.textContent.split(/( +)/);
        if (code.childElementCount === 0 && words.some(isOneWord)) {
            code.replaceChildren(...words.map(whole));
        }
    }

    // A longer path may not fit on a line of a telephone.
    function isOneWord(word) {
        return /[-/]/.test(word) && word.length <= 24;
    }

    function whole(word) {
        if (!isOneWord(word)) {
            return word;
        }
        const span = document.createElement('span');
        span.className = 'whole';
        span.textContent = word;
        return span;
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
