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
        let chapter = Page::read(output, name)?;
        let steps = Page::read(output, &format!("{name}-steps"))?;
        let mut slides = vec![chapter.section("general-view")?];
        slides.extend(steps.steps());
        ensure!(slides.len() > 4, "{name}: no steps");
        talks.push(talk(name, &chapter, slides)?);
    }
    let chapter = Page::read(output, COMPARISON)?;
    let slides = chapter.sections_with_code();
    ensure!(slides.len() > 1, "{COMPARISON}: no code side by side");
    talks.push(talk(COMPARISON, &chapter, slides)?);
    let other = language.other();
    let page = json!({
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
    let page = html::render(include_str!("../templates/slides.html"), &page)?;
    fs::write(output.join("slides.html"), page + "\n")?;
    Ok(())
}

/// What a slide shows, and the question that follows it, or nothing.
type Slide = (String, String);

/// The slides of one approach, as the template takes them.
fn talk(name: &str, chapter: &Page, slides: Vec<Slide>) -> Result<Value> {
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
    Ok(json!({ "name": name, "title": chapter.title()?, "slides": slides }))
}

/// A page of the book, as it was built.
struct Page {
    name: String,
    html: Html,
}

impl Page {
    fn read(output: &Path, name: &str) -> Result<Self> {
        let html = parse(&output.join(format!("{name}.html")))?;
        Ok(Self { name: name.to_owned(), html })
    }

    fn elements(&self) -> Vec<ElementRef<'_>> {
        self.html.select(&selector("main > *")).collect()
    }

    fn title(&self) -> Result<String> {
        let found = self.html.select(&selector("main h1")).next();
        let found =
            found.with_context(|| format!("{}: no title", self.name))?;
        Ok(found.text().collect())
    }

    /// Each section below a heading of the second level.
    fn sections(&self) -> Vec<Vec<ElementRef<'_>>> {
        let elements = self.elements();
        let is_head = |it: &ElementRef<'_>| it.value().name() == "h2";
        let sections = elements.chunk_by(|_, next| !is_head(next));
        let sections = sections.filter(|section| is_head(&section[0]));
        sections.map(<[_]>::to_vec).collect()
    }

    fn section(&self, id: &str) -> Result<Slide> {
        let sections = self.sections();
        let found = sections
            .iter()
            .find(|section| section[0].attr("id") == Some(id))
            .with_context(|| format!("{}: no section {id}", self.name))?;
        Ok(slide(found))
    }

    fn sections_with_code(&self) -> Vec<Slide> {
        let has_code = |section: &&Vec<ElementRef<'_>>| {
            section.iter().any(|it| has_class(*it, "side-by-side"))
        };
        let sections = self.sections();
        sections.iter().filter(has_code).map(|it| slide(it)).collect()
    }

    /// The steps, each with the question that follows it, if one does.
    fn steps(&self) -> Vec<Slide> {
        let mut steps: Vec<Slide> = Vec::new();
        for element in self.elements() {
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
}

/// A slide without a question.
fn slide(elements: &[ElementRef<'_>]) -> Slide {
    (elements.iter().map(ElementRef::html).collect(), String::new())
}

fn has_class(element: ElementRef<'_>, class: &str) -> bool {
    element.value().classes().any(|it| it == class)
}
