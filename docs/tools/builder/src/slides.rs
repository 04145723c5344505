//! The presenter's view, `slides.html`: one step a screen, made of the pages
//! that are there already, so that no text is written twice.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use scraper::{ElementRef, Html};
use serde_json::{Value, json};

use crate::html::{self, parse, selector};
use crate::words::{BACK, Language, NEXT, QUESTION, SLIDES};

/// What a presentation is called in an address, and the chapter that begins it.
const TALKS: &[&str] = &["threads", "processes", "multiplexing"];

/// The chapter whose sections with code side by side end it.
const COMPARISON: &str = "side-by-side";

/// Writes the page, and what it needs beside it.
///
/// # Errors
///
/// Where a page is missing, or has no steps.
pub fn write(root: &Path, language: Language, output: &Path) -> Result<()> {
    for name in ["theme/slides.css", "theme/slides.js"] {
        let from = root.join("docs").join(name);
        fs::copy(&from, output.join(name)).context(name)?;
    }
    let mut talks = Vec::new();
    for name in TALKS {
        let chapter = page(output, name)?;
        let mut slides = sections(&chapter, |section| {
            section[0].attr("id") == Some("general-view")
        });
        ensure!(!slides.is_empty(), "{name}: no general view");
        slides.extend(steps(&page(output, &format!("{name}-steps"))?));
        ensure!(slides.len() > 4, "{name}: no steps");
        talks.push(talk(name, &chapter, slides)?);
    }
    let chapter = page(output, COMPARISON)?;
    let slides = sections(&chapter, |section| {
        section.iter().any(|it| has_class(*it, "side-by-side"))
    });
    ensure!(slides.len() > 1, "{COMPARISON}: no code side by side");
    talks.push(talk(COMPARISON, &chapter, slides)?);
    let other = language.other();
    let data = json!({
        "code": language.code(),
        "title": language.title(),
        "talks": talks,
        "other": {
            "code": other.code(),
            "name": other.name(),
            "url": language.pick("es/slides.html", "../slides.html"),
        },
        "words": {
            "slides": language.word(SLIDES),
            "question": language.word(QUESTION),
            "back": language.word(BACK),
            "next": language.word(NEXT),
        },
    });
    let page = html::render(include_str!("../templates/slides.html"), &data)?;
    fs::write(output.join("slides.html"), page + "\n")?;
    Ok(())
}

/// What a slide shows, and the question that follows it, or nothing.
type Slide = (String, String);

/// The slides of one approach, as the template takes them.
fn talk(name: &str, chapter: &Html, slides: Vec<Slide>) -> Result<Value> {
    let title = chapter.select(&selector("main h1")).next();
    let title = title.with_context(|| format!("{name}: no title"))?;
    let title: String = title.text().collect();
    let slides = slides.into_iter().enumerate();
    let slides = slides.map(|(index, (content, question))| {
        let id = match index {
            0 => name.to_owned(),
            index => format!("{name}-{index}"),
        };
        // Three approaches share this page, and each has its own general view.
        let content = content
            .replace(" id=\"", &format!(" id=\"{name}."))
            .replace("href=\"#", &format!("href=\"#{name}."));
        json!({ "id": id, "content": content, "question": question })
    });
    let slides: Vec<Value> = slides.collect();
    Ok(json!({ "name": name, "title": title, "slides": slides }))
}

/// A page of the book, as it was built.
fn page(output: &Path, name: &str) -> Result<Html> {
    parse(&output.join(format!("{name}.html")))
}

fn elements(page: &Html) -> Vec<ElementRef<'_>> {
    page.select(&selector("main > *")).collect()
}

/// The sections below headings of the second level that are wanted, each a
/// slide without a question.
fn sections(
    page: &Html,
    is_wanted: impl Fn(&[ElementRef<'_>]) -> bool,
) -> Vec<Slide> {
    let is_head = |it: &ElementRef<'_>| it.value().name() == "h2";
    elements(page)
        .chunk_by(|_, next| !is_head(next))
        .filter(|section| is_head(&section[0]) && is_wanted(section))
        .map(|section| section.iter().map(ElementRef::html).collect())
        .map(|content| (content, String::new()))
        .collect()
}

/// The steps, each with the question that follows it, if one does.
fn steps(page: &Html) -> Vec<Slide> {
    let mut steps: Vec<Slide> = Vec::new();
    for element in elements(page) {
        if has_class(element, "excerpt") {
            steps.push((element.html(), String::new()));
        } else if let Some((_, question)) = steps.last_mut()
            && has_class(element, "question")
        {
            *question += &element.html();
        }
    }
    steps
}

fn has_class(element: ElementRef<'_>, class: &str) -> bool {
    element.value().classes().any(|it| it == class)
}
