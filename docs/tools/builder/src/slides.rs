//! The presenter's view, `slides.html`: one step a screen, made of the pages
//! that are there already, so that no text is written twice.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use scraper::{ElementRef, Html, Selector};

use crate::annotated::escape;
use crate::words::{Language, Word};

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
    let mut slides = String::new();
    let mut contents = String::new();
    for talk in TALKS {
        let chapter = Page::read(output, talk)?;
        let steps = Page::read(output, &format!("{talk}-steps"))?;
        let title = chapter.title()?;
        let mut talk = Talk::new(talk, &title);
        talk.add(&chapter.section("general-view")?, "");
        for (step, question) in steps.steps() {
            talk.add(&step, &question);
        }
        ensure!(talk.count > 4, "{}: no steps", talk.name);
        slides += &talk.out;
        contents += &talk.entry();
    }
    let chapter = Page::read(output, COMPARISON)?;
    let title = chapter.title()?;
    let mut talk = Talk::new(COMPARISON, &title);
    for section in chapter.sections_with_code() {
        talk.add(&section, "");
    }
    ensure!(talk.count > 1, "{COMPARISON}: no code side by side");
    slides += &talk.out;
    contents += &talk.entry();
    let page = page(language, &contents, &slides);
    fs::write(output.join("slides.html"), page)?;
    Ok(())
}

/// The slides of one approach.
struct Talk<'a> {
    name: &'a str,
    title: &'a str,
    count: usize,
    out: String,
}

impl<'a> Talk<'a> {
    fn new(name: &'a str, title: &'a str) -> Self {
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
        let path = output.join(format!("{name}.html"));
        let text = fs::read_to_string(&path)
            .with_context(|| path.display().to_string())?;
        Ok(Self { name: name.to_owned(), html: Html::parse_document(&text) })
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

/// A selector of this program.
fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("a selector that is written here")
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
        slides_word = word(Word::Slides),
        question = word(Word::Question),
        back = word(Word::Back),
        next = word(Word::Next),
        other_code = other.code(),
        other_name = other.name(),
    )
}
