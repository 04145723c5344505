// One slide at a time, by the arrow keys, each as large as it fits.
(() => {
    'use strict';

    const slides = Array.from(document.querySelectorAll('.slide'));
    const where = document.getElementById('where');
    const ask = document.getElementById('ask');
    const link = document.getElementById('language');
    const base = link.getAttribute('href');
    let current = 0;

    for (const code of document.querySelectorAll('code[class*="language-"]')) {
        code.classList.add('hljs');
        window.hljs.highlightBlock(code);
    }

    const fits = (slide) =>
        slide.scrollHeight <= slide.clientHeight
        && slide.scrollWidth <= slide.clientWidth;

    // The largest size at which all of it is on the screen.
    function largest(slide) {
        let low = Math.max(11, window.innerWidth / 110);
        let high = Math.min(34, window.innerWidth / 24);
        slide.style.setProperty('--size', `${high}px`);
        if (fits(slide)) {
            return high;
        }
        while (high - low > 0.25) {
            const middle = (low + high) / 2;
            slide.style.setProperty('--size', `${middle}px`);
            if (fits(slide)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    // Comments beside the code, or above it: whatever lets it be larger.
    function fit() {
        const slide = slides[current];
        slide.classList.remove('stacked');
        const beside = largest(slide);
        slide.classList.add('stacked');
        const above = largest(slide);
        slide.classList.toggle('stacked', above > beside);
        slide.style.setProperty('--size', `${Math.max(beside, above)}px`);
    }

    function show(index) {
        current = Math.min(Math.max(index, 0), slides.length - 1);
        slides.forEach((slide, number) => {
            slide.classList.toggle('shown', number === current);
            slide.classList.remove('asked');
            for (const answer of slide.querySelectorAll('details')) {
                answer.open = false;
            }
        });
        const slide = slides[current];
        where.textContent = `${current + 1} / ${slides.length}`;
        ask.hidden = !slide.querySelector('.question');
        window.history.replaceState(null, '', `#${slide.id}`);
        link.href = `${base}#${slide.id}`;
        fit();
    }

    // First the question, then its answer.
    function more() {
        const slide = slides[current];
        const question = slide.querySelector('.question');
        if (!question) {
            return;
        }
        if (slide.classList.contains('asked')) {
            for (const answer of question.querySelectorAll('details')) {
                answer.open = true;
            }
        }
        slide.classList.add('asked');
    }

    function less() {
        const slide = slides[current];
        const answer = slide.querySelector('.question details[open]');
        if (answer) {
            answer.open = false;
        } else {
            slide.classList.remove('asked');
        }
    }

    function go() {
        const id = decodeURIComponent(window.location.hash.slice(1));
        const index = slides.findIndex((slide) => slide.id === id);
        show(Math.max(index, 0));
    }

    const keys = {
        ArrowRight: () => show(current + 1),
        PageDown: () => show(current + 1),
        ' ': () => show(current + 1),
        ArrowLeft: () => show(current - 1),
        PageUp: () => show(current - 1),
        Home: () => show(0),
        End: () => show(slides.length - 1),
        ArrowDown: more,
        ArrowUp: less,
    };

    document.addEventListener('keydown', (event) => {
        const { key, altKey, ctrlKey, metaKey, target } = event;
        const isButton = key === ' ' && target.closest('button, summary, a');
        if (keys[key] && !altKey && !ctrlKey && !metaKey && !isButton) {
            event.preventDefault();
            keys[key]();
        }
    });
    document.getElementById('next').addEventListener('click', keys.ArrowRight);
    document.getElementById('back').addEventListener('click', keys.ArrowLeft);
    ask.addEventListener('click', more);
    window.addEventListener('hashchange', go);
    window.addEventListener('resize', fit);
    document.fonts.ready.then(fit);
    go();
})();
