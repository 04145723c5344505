//! The presenter's view, `slides.html`: one step a screen, made of the pages
//! that are there already, so that no text is written twice.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use scraper::{ElementRef, Html};

use crate::annotated::escape;
use crate::html::{parse, selector};
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
        let mut talk = Talk::new(name, chapter.title()?);
        talk.add(&chapter.section("general-view")?, "");
        for (step, question) in steps.steps() {
            talk.add(&step, &question);
        }
        ensure!(talk.count > 4, "{name}: no steps");
        talks.push(talk);
    }
    let chapter = Page::read(output, COMPARISON)?;
    let mut talk = Talk::new(COMPARISON, chapter.title()?);
    for section in chapter.sections_with_code() {
        talk.add(&section, "");
    }
    ensure!(talk.count > 1, "{COMPARISON}: no code side by side");
    talks.push(talk);
    let contents: String = talks.iter().map(Talk::entry).collect();
    let slides: String = talks.iter().map(|talk| talk.out.as_str()).collect();
    let page = page(language, &contents, &slides);
    fs::write(output.join("slides.html"), page)?;
    Ok(())
}

/// The slides of one approach.
struct Talk {
    name: &'static str,
    title: String,
    count: usize,
    out: String,
}

impl Talk {
    fn new(name: &'static str, title: String) -> Self {
        Self { name, title, count: 0, out: String::new() }
    }

    fn add(&mut self, content: &str, question: &str) {
        let Self { name, title, count, .. } = self;
        let id = match count {
            0 => (*name).to_owned(),
            count => format!("{name}-{count}"),
        };
        // Three approaches share this page, and each has its own general view.
        let content = content
            .replace(" id=\"", &format!(" id=\"{name}."))
            .replace("href=\"#", &format!("href=\"#{name}."));
        let _ = write!(
            self.out,
            "<section class=\"slide\" id=\"{id}\">\n\
             <p class=\"talk\"><a href=\"{name}.html\">{title}</a></p>\n\
             <div class=\"body\">\n{content}\n</div>\n{question}</section>\n"
        );
        self.count += 1;
    }

    fn entry(&self) -> String {
        format!("<li><a href=\"#{}\">{}</a></li>\n", self.name, self.title)
    }
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

    fn main(&self) -> impl Iterator<Item = ElementRef<'_>> {
        let main = self.html.select(&selector("main")).next();
        main.into_iter()
            .flat_map(|main| main.children().filter_map(ElementRef::wrap))
    }

    fn title(&self) -> Result<String> {
        let found = self.html.select(&selector("main h1")).next();
        let found =
            found.with_context(|| format!("{}: no title", self.name))?;
        Ok(escape(&found.text().collect::<String>()))
    }

    /// Each section below a heading of the second level.
    fn sections(&self) -> Vec<Vec<ElementRef<'_>>> {
        let mut sections: Vec<Vec<ElementRef<'_>>> = Vec::new();
        for element in self.main() {
            if element.value().name() == "h2" {
                sections.push(Vec::new());
            }
            if let Some(section) = sections.last_mut() {
                section.push(element);
            }
        }
        sections
    }

    fn section(&self, id: &str) -> Result<String> {
        let sections = self.sections();
        let found = sections
            .iter()
            .find(|section| section[0].attr("id") == Some(id))
            .with_context(|| format!("{}: no section {id}", self.name))?;
        Ok(text(found))
    }

    fn sections_with_code(&self) -> Vec<String> {
        let has_code = |section: &&Vec<ElementRef<'_>>| {
            section.iter().any(|it| has_class(*it, "side-by-side"))
        };
        let sections = self.sections();
        sections.iter().filter(has_code).map(|it| text(it)).collect()
    }

    /// The steps, each with the question that follows it, if one does.
    fn steps(&self) -> Vec<(String, String)> {
        let mut steps: Vec<(String, String)> = Vec::new();
        for element in self.main() {
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

fn text(elements: &[ElementRef<'_>]) -> String {
    elements.iter().map(ElementRef::html).collect()
}

fn has_class(element: ElementRef<'_>, class: &str) -> bool {
    element.value().classes().any(|it| it == class)
}

fn page(language: Language, contents: &str, slides: &str) -> String {
    let other = language.other();
    let url = match other {
        Language::English => "../slides.html",
        Language::Spanish => "es/slides.html",
    };
    let title = escape(language.title());
    let code = language.code();
    let word = |word| language.word(word);
    let styles: String = [
        "css/variables.css",
        "css/general.css",
        "fonts/fonts.css",
        "highlight.css",
        "theme/annotated.css",
        "theme/slides.css",
    ]
    .iter()
    .map(|name| format!("<link rel=\"stylesheet\" href=\"{name}\">\n"))
    .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"{code}\" class=\"light\">\n<head>\n\
         <meta charset=\"utf-8\">\n<title>{slides_word} - {title}</title>\n\
         <meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"favicon.svg\">\n{styles}</head>\n<body>\n\
         <main class=\"slides content\">\n\
         <section class=\"slide\" id=\"contents\">\n<div class=\"body\">\n\
         <h1>{title}</h1>\n<ul>\n{contents}</ul>\n</div>\n</section>\n\
         {slides}</main>\n\
         <nav class=\"slides-bar\" aria-label=\"{slides_word}\">\n\
         <a href=\"index.html\">{title}</a>\n\
         <a id=\"language\" href=\"{url}\" lang=\"{other_code}\" \
         hreflang=\"{other_code}\" rel=\"alternate\">{other_name}</a>\n\
         <button id=\"ask\" type=\"button\">↓ {question}</button>\n\
         <button id=\"back\" type=\"button\" aria-label=\"{back}\">←</button>\n\
         <span id=\"where\"></span>\n\
         <button id=\"next\" type=\"button\" aria-label=\"{next}\">→</button>\n\
         </nav>\n<script src=\"highlight.js\"></script>\n\
         <script src=\"theme/slides.js\"></script>\n</body>\n</html>\n",
        slides_word = word(SLIDES),
        question = word(QUESTION),
        back = word(BACK),
        next = word(NEXT),
        other_code = other.code(),
        other_name = other.name(),
    )
}
